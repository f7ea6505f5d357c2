//! One good signature vouches for every entry of its epoch before it, and for none of another key (SPEC.md section 5). The forger here has the keys:
//! without one of them a bad signature cannot be followed by a good one.

use cloister_attest::*;
use serde_json::Value;

use crate::epochs::{self, seed_of, signed};
use crate::kit::{self, FakeTpm, Folder, START, bad_seq, begin, hash, resume, roots};

/// The epoch of each entry of [`three_epochs`]: a start, five notes, two hand-overs and an end.
const EPOCHS: [u64; 8] = [0, 0, 0, 1, 1, 1, 2, 2];

fn three_epochs(tpm: &FakeTpm) -> Folder {
    epochs::session(tpm, 4, 599_999)
}

/// The same entries, chained and signed, but for those of which the signature is replaced before the next one is chained to it.
fn without_signatures(folder: &Folder, bad: &[usize], epoch: impl Fn(usize) -> u64) -> Folder {
    let (mut lines, mut prev) = (folder.lines(), Digest::ZERO);
    for (seq, line) in lines.iter_mut().enumerate() {
        let mut value: Value = serde_json::from_slice(line).unwrap();
        value["prev"] = prev.to_string().into();
        *line = signed(value, &seed_of(1, epoch(seq)));
        if bad.contains(&seq) {
            let mut value: Value = serde_json::from_slice(line).unwrap();
            value["sig"] = "11".repeat(64).into();
            *line = serde_json_canonicalizer::to_vec(&value).unwrap();
            line.push(b'\n');
        }
        prev = hash(line);
    }
    Folder {
        checkpoint: None,
        ..folder.with_lines(&lines)
    }
}

fn unsigned(tpm: &FakeTpm, bad: &[usize]) -> Folder {
    without_signatures(&three_epochs(tpm), bad, |seq| EPOCHS[seq])
}

/// An entry whose own signature is none, with a later one of its epoch. Nothing but the checkpoint is missing.
pub(crate) fn vouched_for(tpm: &FakeTpm) -> Folder {
    unsigned(tpm, &[1, 4])
}

/// The last entries of an epoch that another follows.
pub(crate) fn unsigned_hand_over(tpm: &FakeTpm) -> Folder {
    unsigned(tpm, &[4, 5])
}

/// A session's start, which the entries after it do not vouch for.
pub(crate) fn unsigned_start(tpm: &FakeTpm) -> Folder {
    unsigned(tpm, &[0])
}

/// What the verifier, the writer that resumes and the comparison with an earlier state say: number of the first bad entry.
fn first_bad(folder: &Folder, roots: &Roots) -> Option<usize> {
    let report = folder.verify(roots);
    let verified = match report.verdict() {
        Verdict::Tampered { seq, what, .. } => {
            assert!(what.contains("signature"), "{report}");
            assert_eq!(Some(report.entries()), *seq, "{report}");
            let prefix = folder.lines();
            let last = prefix.get(..seq.unwrap() as usize).unwrap().last();
            assert_eq!(report.head(), last.map_or(Digest::ZERO, |line| hash(line)));
            seq.map(|seq| seq as usize)
        }
        _ => None,
    };
    let files = Files {
        entries: folder.entries.as_slice(),
        checkpoint: None,
        others: Default::default(),
    };
    let byte = |seq: usize| folder.lines()[..seq].concat().len() as u64;
    match Ledger::resume(files, Memory::default()) {
        Ok(_) => assert_eq!(verified, None),
        Err(AttestError::Tampered { byte: at, .. }) => assert_eq!(verified.map(byte), Some(at)),
        Err(other) => panic!("{other}"),
    }
    let entries = folder.entries.as_slice();
    match compare(Kept::Entries(entries), entries).unwrap() {
        Comparison::Broken { seq, .. } => assert_eq!(verified, seq.map(|seq| seq as usize)),
        _ => assert_eq!(verified, None),
    }
    verified
}

/// Every choice of bad signatures in every epoch, against the rule read anew: after the last good signature of an epoch the first that is bad.
#[test]
fn a_signature_vouches_for_what_came_before_it_in_its_epoch_alone() {
    let tpm = FakeTpm::new(5);
    let (roots, whole) = (roots(&tpm), three_epochs(&tpm));
    assert_eq!(unsigned(&tpm, &[]).entries, whole.entries);
    for choice in 0..1_u32 << EPOCHS.len() {
        let bad: Vec<usize> = (0..EPOCHS.len())
            .filter(|at| choice >> at & 1 == 1)
            .collect();
        let vouched = |at: usize| {
            let of_epoch = (at..EPOCHS.len()).filter(|later| EPOCHS[*later] == EPOCHS[at]);
            of_epoch
                .take(if at == 0 { 1 } else { 8 })
                .any(|at| !bad.contains(&at))
        };
        let expected = (0..EPOCHS.len()).find(|at| !vouched(*at));
        let folder = unsigned(&tpm, &bad);
        assert_eq!(first_bad(&folder, &roots), expected, "bad: {bad:?}");
    }
}

/// The last entry of a session that was cut off is followed by another session's, which does not vouch for it.
#[test]
fn the_end_of_a_session_that_was_cut_off_is_signed() {
    let tpm = FakeTpm::new(5);
    let mut first = begin(resume(Memory::default()), 1, &tpm, START);
    kit::story(&mut first, START);
    let first = Folder::of(first.storage());
    for (bad, code) in [(vec![], 0), (vec![10], 1), (vec![9], 0), (vec![9, 10], 1)] {
        let cut_off = without_signatures(&first, &bad, |_| 0);
        let mut storage = Memory::default();
        storage.append(&cut_off.entries).unwrap();
        // The writer that goes on is another, which does not look.
        let head = LedgerHead {
            head: hash(cut_off.lines().last().unwrap()),
            size: 11,
        };
        let next = next_start(&tpm, &first, head);
        let folder = cut_off.with_lines(&[cut_off.lines(), vec![next]].concat());
        let report = folder.verify(&roots(&tpm));
        assert_eq!(report.exit_code() == 1, code == 1, "{bad:?}: {report}");
        if code == 1 {
            assert_eq!(bad_seq(&report), bad.first().map(|seq| *seq as u64));
        }
    }
}

/// The start of a session of another key on a ledger that stands at `head`.
fn next_start(tpm: &FakeTpm, first: &Folder, head: LedgerHead) -> Vec<u8> {
    let statement = Statement::new(kit::session_key(2).public(), head, kit::binding(None));
    let quote = tpm.quote(&statement.qualifying().unwrap());
    let mut start: Value = serde_json::from_slice(&first.lines()[0]).unwrap();
    start["session"] = statement.session().to_string().into();
    start["prev"] = head.head.to_string().into();
    start["seq"] = head.size.into();
    start["ts"] = (START + 700_000).into();
    start["body"]["evidence"]["quote"] = serde_json::to_value(quote).unwrap();
    start["body"]["statement"] = serde_json::to_value(statement).unwrap();
    signed(start, &seed_of(2, 0))
}

/// Whatever else is wrong with a later line is found first, and said only if nothing before it is unsigned.
#[test]
fn a_later_fault_does_not_hide_an_unsigned_entry() {
    let tpm = FakeTpm::new(5);
    let mut ledger = begin(resume(Memory::default()), 1, &tpm, START);
    kit::story(&mut ledger, START);
    let story = Folder::of(ledger.storage());
    for (bad, expected) in [
        (&[][..], 8),
        (&[5], 8),
        (&[7], 7),
        (&[3, 7], 7),
        (&[3, 6, 7], 6),
        (&[1, 2, 3, 4, 5, 6, 7], 1),
    ] {
        let folder = without_signatures(&story, bad, |_| 0);
        let mut lines = folder.lines();
        lines[8] = b"{}\n".to_vec();
        let report = folder.with_lines(&lines).verify(&roots(&tpm));
        assert_eq!(bad_seq(&report), Some(expected), "{bad:?}: {report}");
    }
}

/// More than is held at once waits for a signature: looked at early, and the verdict is the same.
#[test]
fn long_lines_of_one_epoch_are_judged_as_short_ones() {
    let tpm = FakeTpm::new(5);
    let mut ledger = begin(resume(Memory::default()), 1, &tpm, START);
    for _ in 0..12 {
        let text = "x".repeat(300_000);
        let about = "long".to_owned();
        ledger
            .note(Body::Note(Note { about, text }), START.into())
            .unwrap();
    }
    let long = Folder::of(ledger.storage());
    for (bad, expected) in [
        (&[][..], None),
        (&[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11], None),
        (&[12], Some(12)),
        (&[3, 4, 5, 6, 7, 8, 9, 10, 11, 12], Some(3)),
        (&[1, 2, 3, 4, 5, 7, 8, 9, 10, 11, 12], Some(7)),
    ] {
        let folder = without_signatures(&long, bad, |_| 0);
        assert_eq!(first_bad(&folder, &roots(&tpm)), expected, "{bad:?}");
    }
}
