//! What crosses comes out as it went in; what nobody would send is refused, whatever it is.

use std::io::ErrorKind;

use super::*;
use crate::limits::{Limit, Limits};
use crate::outcome::{Ended, Fault, Moment, Move, Run, Used};
use crate::question::{Question, Task};
use crate::value::{Arg, Input, Output, Place, Sink, Source, Value};
use cloister_process::{Layer, Layers};

struct Nothing;
impl Source for Nothing {
    fn size(&self) -> u64 {
        5
    }
    fn read_at(&mut self, _: u64, _: &mut [u8]) -> io::Result<usize> {
        Ok(0)
    }
}
impl Sink for Nothing {
    fn write(&mut self, _: &[u8]) -> io::Result<()> {
        Ok(())
    }
}
impl Remote for Nothing {
    fn source(&self, number: u32, size: u64) -> Box<dyn Source> {
        assert_eq!((number, size), (0, 5));
        Box::new(Nothing)
    }
    fn sink(&self, number: u32) -> Box<dyn Sink> {
        assert_eq!(number, 0);
        Box::new(Nothing)
    }
}

fn of_every_kind() -> Value {
    let text = Value::Text("ä".into());
    let boxed = |value: Value| Some(Box::new(value));
    Value::List(vec![
        Value::Bool(true),
        Value::Unsigned(u64::MAX),
        Value::Signed(-3),
        Value::Float(0.5),
        Value::Record(vec![
            ("a".into(), text.clone()),
            ("b".into(), Value::Enum("c".into())),
        ]),
        Value::Option(boxed(text.clone())),
        Value::Option(None),
        Value::Result(Ok(boxed(text))),
        Value::Result(Err(None)),
    ])
}

fn done(ended: Ended) -> Vec<u8> {
    let run = Run {
        ended,
        moves: vec![Move { file: 1, place: 2 }],
        used: Used {
            fuel: 7,
            ..Used::default()
        },
        diagnostics: vec![1, 2],
    };
    Told::Done(run).encode()
}

fn decoded(payload: &[u8]) -> Result<Ended, Malformed> {
    match Told::decode(payload, &Limits::STANDARD)? {
        Told::Done(run) => Ok(run.ended),
        _ => Err(Malformed),
    }
}

#[test]
fn what_crosses_comes_out_as_it_went_in() {
    for ended in [
        Ended::Returned(None),
        Ended::Returned(Some(of_every_kind())),
        Ended::Trapped(Fault::Undefined, "why".into()),
        Ended::StoppedBy(Limit::Hostcall),
        Ended::NotStarted("no".into()),
    ] {
        assert_eq!(decoded(&done(ended.clone())), Ok(ended));
    }
    let layers: Layers = [Layer::Seccomp, Layer::Landlock].into_iter().collect();
    assert!(matches!(
        Told::decode(&Told::Sealed(layers).encode(), &Limits::STANDARD),
        Ok(Told::Sealed(found)) if found == layers
    ));
    let question = Question::new("ä".into(), Task::Condense, 2).unwrap();
    assert!(matches!(
        Told::decode(&Told::Ask(question.clone()).encode(), &Limits::STANDARD),
        Ok(Told::Ask(found)) if found == question
    ));
    for answer in [
        Answer::Bytes(vec![1]),
        Answer::Fault,
        Answer::TooLarge,
        Answer::Said(Some("ä".into())),
        Answer::Said(None),
    ] {
        assert_eq!(Answer::decode(&answer.encode()), Ok(answer));
    }
}

#[test]
fn an_order_crosses_with_every_limit_and_handles_become_numbers() {
    let limits = Limits {
        moves: 3,
        fuel: 9,
        read_chunk: 11,
        wall: std::time::Duration::from_millis(5),
        ..Limits::STANDARD
    };
    let (name, source) = ("in".to_owned(), Box::new(Nothing));
    let sink = Box::new(Nothing);
    let args = vec![
        Arg::List(vec![Arg::Input(Input { name, source })]),
        Arg::Option(Some(Box::new(Arg::Output(Output {
            name: "out".into(),
            sink,
        })))),
        Arg::Place(Place {
            name: "p".into(),
            id: 4,
        }),
        Arg::Value(of_every_kind()),
    ];
    let order = Order {
        interface: "i".into(),
        function: "f".into(),
        component_bytes: 8,
        args,
        limits: limits.clone(),
        moment: Moment {
            unix_millis: 1,
            seed: 2,
        },
    };
    let (payload, handles) = order.encode();
    assert_eq!((handles.inputs.len(), handles.outputs.len()), (1, 1));
    let order = Order::decode(&payload, &Nothing).unwrap();
    assert_eq!((order.limits, order.component_bytes), (limits, 8));
    assert!(
        matches!(&order.args[1], Arg::Option(Some(arg)) if matches!(&**arg, Arg::Output(o) if o.name == "out"))
    );
    assert!(matches!(&order.args[3], Arg::Value(value) if *value == of_every_kind()));
}

#[test]
fn a_result_deeper_or_larger_than_the_limits_is_refused() {
    let nested = |depth: usize| {
        let mut value = Value::Bool(true);
        for _ in 1..depth {
            value = Value::List(vec![value]);
        }
        done(Ended::Returned(Some(value)))
    };
    let most = Limits::STANDARD.nesting;
    assert!(decoded(&nested(most)).is_ok());
    assert_eq!(decoded(&nested(most + 1)), Err(Malformed));
    let many = |count: usize| {
        done(Ended::Returned(Some(Value::List(vec![
            Value::Bool(true);
            count
        ]))))
    };
    let most = Limits::STANDARD.result_bytes / 16 - 1;
    assert!(decoded(&many(most)).is_ok());
    assert_eq!(decoded(&many(most + 1)), Err(Malformed));
    // A count that promises more than the frame holds takes no memory.
    assert_eq!(decoded(&[3, 0, 1, 5, 255, 255, 255, 255]), Err(Malformed));
}

#[test]
fn no_mutation_panics_and_nothing_may_follow() {
    let sound = done(Ended::Returned(Some(of_every_kind())));
    assert_eq!(decoded(&[sound.as_slice(), &[0]].concat()), Err(Malformed));
    for at in 0..sound.len() {
        assert!(
            Told::decode(&sound[..at], &Limits::STANDARD).is_err(),
            "{at}"
        );
        for byte in [0, 1, 127, 255] {
            let mut changed = sound.clone();
            changed[at] = byte;
            let _ = Told::decode(&changed, &Limits::STANDARD);
            let _ = Answer::decode(&changed);
        }
    }
}

#[test]
fn a_frame_beyond_the_bound_is_not_read() {
    let claims = (FRAME_BYTES as u32 + 1).to_le_bytes();
    let error = receive(&mut claims.as_slice()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidData);
    assert!(send(&mut Vec::new(), &vec![0; FRAME_BYTES + 1]).is_err());
}
