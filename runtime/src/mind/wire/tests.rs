//! What crosses comes out as it went in; what no mind says is refused, whatever it is.

use cloister_tools::Task;
use proptest::prelude::*;

use super::*;

fn tally() -> Tally {
    Tally {
        prompt: 1,
        reused: 2,
        forced: 3,
        sampled: 4,
        restored: 5,
        drafted: 6,
        accepted: 7,
        passes: 8,
        head_rows: 9,
    }
}

fn named(len: u64) -> StateName {
    StateName {
        digits: "0123456789abcdef".repeat(4),
        len,
    }
}

fn of_every_kind() -> Vec<Told> {
    vec![
        Told::Sealed(Layers::from_iter(cloister_process::Layer::ALL)),
        Told::Loaded,
        Told::Progress(Progress::Load { done: 1, total: 2 }),
        Told::Progress(Progress::Prefill { done: 3, total: 4 }),
        Told::Progress(Progress::Decode { tokens: 5 }),
        Told::Has(named(1)),
        Told::Get(named(2)),
        Told::Forget(named(0)),
        Told::Put(named(STATE_BYTES)),
        Told::Done(tally()),
        Told::Chosen(3, tally()),
        Told::Said("Vier Wörter, nicht mehr.".into(), tally()),
        Told::failed("it failed", None),
        Told::failed("it failed", Some("try again")),
    ]
}

#[test]
fn what_the_mind_says_comes_out_as_it_went_in() {
    for told in of_every_kind() {
        let mut line = Vec::new();
        told.send(&mut line).unwrap();
        assert_eq!(Told::receive(&mut line.as_slice()).unwrap(), told);
    }
}

#[test]
fn what_the_agent_says_comes_out_as_it_went_in() {
    let name = ModelName::parse("small").unwrap();
    let pin = Pin::new(name, ModelDigest::of(b"x"), 7, None).unwrap();
    let text = |text: &str| text.to_owned();
    let order = |device, available| {
        let pin = pin.clone();
        Ask::Load(Order {
            pin,
            device,
            available,
        })
    };
    let asks = [
        order(DeviceChoice::Threads(3), Some(9)),
        order(DeviceChoice::Candle, None),
        order(DeviceChoice::Cuda, None),
        Ask::Open {
            system: text("s"),
            examples: vec![(text("a"), text("b")), (text(""), text("ü"))],
        },
        Ask::Go(text("on")),
        Ask::Choose {
            slot: text("by"),
            shown: vec![text("one"), text("two")],
        },
        Ask::Settled {
            slot: text("by"),
            shown: text("month"),
        },
        Ask::Answer {
            system: text("s"),
            request: text("r"),
        },
        Ask::Request(text("r")),
        Ask::Yes,
        Ask::No,
        Ask::State { len: 12 },
        Ask::About(Question::new(text("Dear all"), Task::Condense, 8).unwrap()),
    ];
    for ask in asks {
        let mut line = Vec::new();
        ask.send(&mut line).unwrap();
        let heard = Ask::receive(&mut line.as_slice()).unwrap();
        assert_eq!(format!("{heard:?}"), format!("{ask:?}"));
    }
}

#[test]
fn what_is_cut_or_goes_on_is_refused() {
    for told in of_every_kind() {
        let whole = told.encode();
        for cut in 0..whole.len() {
            assert_eq!(Told::decode(&whole[..cut]), Err(Malformed), "{told:?}");
        }
        let more = [whole, vec![0]].concat();
        assert_eq!(Told::decode(&more), Err(Malformed), "{told:?}");
    }
}

#[test]
fn texts_states_and_frames_are_bounded() {
    let said = |len| Told::Said("a".repeat(len), tally()).encode();
    assert!(Told::decode(&said(SAID_BYTES)).is_ok());
    assert_eq!(Told::decode(&said(SAID_BYTES + 1)), Err(Malformed));
    let failed = |len| Told::Failed {
        message: "a".repeat(len),
        hint: None,
    };
    assert!(Told::decode(&failed(FAULT_BYTES).encode()).is_ok());
    assert_eq!(
        Told::decode(&failed(FAULT_BYTES + 1).encode()),
        Err(Malformed)
    );
    assert_eq!(
        Told::decode(&Told::Put(named(STATE_BYTES + 1)).encode()),
        Err(Malformed)
    );
    let claimed = (TOLD_BYTES as u32 + 1).to_le_bytes();
    let refused = Told::receive(&mut claimed.as_slice()).unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::InvalidData);
}

#[test]
fn a_name_that_is_no_digest_is_no_name_of_a_file() {
    let digits = "0123456789abcdef".repeat(4);
    let others = [
        "../../../../../etc/passwd",
        "",
        &digits.replacen('0', "", 1),
        &format!("{digits}0"),
        &digits.to_uppercase(),
        &digits.replacen("01", "./", 1),
        &digits.replacen('0', "\0", 1),
    ];
    for digits in others {
        let name = StateName {
            digits: digits.to_owned(),
            len: 1,
        };
        assert_eq!(Told::decode(&Told::Get(name).encode()), Err(Malformed));
    }
}

#[test]
fn a_reason_is_cut_between_characters() {
    let Told::Failed { message, .. } = Told::failed(&"ü".repeat(FAULT_BYTES), None) else {
        panic!("a failure is one");
    };
    assert_eq!(message.len(), FAULT_BYTES);
    let odd = format!("a{}", "ü".repeat(FAULT_BYTES));
    let Told::Failed { message, .. } = Told::failed(&odd, None) else {
        panic!("a failure is one");
    };
    assert_eq!(message.len(), FAULT_BYTES - 1);
}

fn config() -> ProptestConfig {
    ProptestConfig {
        cases: 20_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config())]

    /// Any bytes at all: nothing panics, and what is understood is one thing alone.
    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(told) = Told::decode(&bytes) {
            prop_assert_eq!(told.encode(), bytes.clone());
        }
        let _ = Ask::decode(&bytes);
    }

    /// The same near what is said, where more of the reading is reached.
    #[test]
    fn no_change_of_what_is_said_panics(
        which in any::<prop::sample::Index>(),
        at in any::<prop::sample::Index>(),
        to in any::<u8>(),
    ) {
        let all = of_every_kind();
        let mut bytes = which.get(&all).encode();
        let place = at.index(bytes.len());
        bytes[place] = to;
        if let Ok(told) = Told::decode(&bytes) {
            prop_assert_eq!(told.encode(), bytes.clone());
        }
    }
}
