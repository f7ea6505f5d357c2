//! What was kept elsewhere is in the ledger, or the first entry that is not is named.

use cloister_attest::*;

use crate::kit::{self, FakeTpm, Folder, START, begin, begin_unattested, resume};

/// A ledger of one session that ended, which the tests go on from.
fn first(tpm: &FakeTpm) -> Memory {
    let mut ledger = begin(resume(Memory::default()), 1, tpm, START);
    kit::story(&mut ledger, START);
    let ended = ledger.end("done".to_owned(), (START + 100).into());
    ended.unwrap().into_storage()
}

/// One more session, under the key of this seed.
fn more(storage: Memory, seed: u8) -> Folder {
    let ledger = begin_unattested(resume(storage), seed, START + 1_000);
    let ended = ledger.end("done".to_owned(), (START + 1_001).into());
    Folder::of(&ended.unwrap().into_storage())
}

fn with_copy(earlier: &Folder, later: &Folder) -> Comparison {
    let kept = Kept::Entries(earlier.entries.as_slice());
    compare(kept, later.entries.as_slice()).unwrap()
}

fn with_checkpoint(checkpoint: &[u8], later: &Folder) -> Comparison {
    let kept: Kept<&[u8]> = Kept::Checkpoint(checkpoint.to_vec());
    compare(kept, later.entries.as_slice()).unwrap()
}

fn checkpoint(folder: &Folder) -> &[u8] {
    folder.checkpoint.as_deref().unwrap()
}

#[test]
fn a_ledger_goes_on_from_each_of_its_beginnings() {
    let tpm = FakeTpm::new(5);
    let old = Folder::of(&first(&tpm));
    let new = more(first(&tpm), 2);
    let entries = old.lines().len() as u64;
    assert_eq!(
        with_copy(&new, &new),
        with_checkpoint(checkpoint(&new), &new)
    );
    assert_eq!(with_copy(&old, &old), Comparison::Same { entries });
    let extends = Comparison::Extends { entries, more: 2 };
    assert_eq!(with_copy(&old, &new), extends);
    assert_eq!(with_checkpoint(checkpoint(&old), &new), extends);
    for kept in 0..new.lines().len() {
        let beginning = new.with_lines(&new.lines()[..kept]);
        assert!(with_copy(&beginning, &new).agrees(), "{kept}");
        assert!(!with_copy(&new, &beginning).agrees(), "{kept}");
    }
}

#[test]
fn what_was_cut_or_rolled_back_is_counted() {
    let tpm = FakeTpm::new(5);
    let (old, new) = (Folder::of(&first(&tpm)), more(first(&tpm), 2));
    let entries = old.lines().len() as u64;
    // Ledger and checkpoint rolled back together verify by themselves: only what was kept shows it.
    let shorter = Comparison::Shorter {
        entries,
        missing: 2,
    };
    assert_eq!(old.verify(&kit::roots(&tpm)).exit_code(), 0);
    assert_eq!(with_copy(&new, &old), shorter);
    assert_eq!(with_checkpoint(checkpoint(&new), &old), shorter);
}

#[test]
fn a_fork_is_named_by_its_first_entry() {
    let tpm = FakeTpm::new(5);
    let (one, other) = (more(first(&tpm), 2), more(first(&tpm), 3));
    let fork = Folder::of(&first(&tpm));
    let Comparison::Diverges { seq, byte, .. } = with_copy(&one, &other) else {
        panic!("{:?}", with_copy(&one, &other));
    };
    assert_eq!(seq, fork.lines().len() as u64);
    assert_eq!(byte, fork.entries.len() as u64);
    let Comparison::DivergesUpTo { seq, .. } = with_checkpoint(checkpoint(&one), &other) else {
        panic!("{:?}", with_checkpoint(checkpoint(&one), &other));
    };
    assert_eq!(seq, other.lines().len() as u64 - 1);
}

#[test]
fn another_ledger_is_no_fork() {
    let tpm = FakeTpm::new(5);
    let (one, other) = (more(Memory::default(), 2), more(first(&tpm), 2));
    let unrelated = with_copy(&one, &other);
    assert!(matches!(unrelated, Comparison::Unrelated { .. }));
    assert_eq!(with_checkpoint(checkpoint(&one), &other), unrelated);
}

#[test]
fn no_changed_byte_agrees() {
    let tpm = FakeTpm::new(5);
    let whole = more(first(&tpm), 2);
    for at in (0..whole.entries.len()).step_by(5) {
        let mut changed = whole.clone();
        changed.entries[at] ^= 1 << (at % 7);
        assert!(!with_copy(&whole, &changed).agrees(), "byte {at}");
        assert!(
            !with_copy(&changed, &whole).agrees() || at + 1 == whole.entries.len(),
            "byte {at}"
        );
        assert!(
            !with_checkpoint(checkpoint(&whole), &changed).agrees(),
            "byte {at}"
        );
    }
    for at in 0..checkpoint(&whole).len() {
        let mut changed = checkpoint(&whole).to_vec();
        changed[at] ^= 1 << (at % 7);
        assert!(!with_checkpoint(&changed, &whole).agrees(), "byte {at}");
    }
}
