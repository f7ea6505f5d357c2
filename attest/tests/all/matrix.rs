//! The tamper matrix: every kind of change that somebody with the disk, the format and some keys can make, each at every place, and the first bad entry
//! that the verifier must name. The ledger nobody touched is the twin of all of them. `make tamper` takes every bit of every byte.

use cloister_attest::*;
use serde_json::Value;

use crate::epochs::{rewrite, seed_of, signed};
use crate::kit::{self, FakeTpm, Folder, START, begin, hash, resume, roots};

/// Place of the first entry of each epoch of [`small`], the session's seed and the epoch's number in it.
const EPOCHS: [(usize, u8, u64); 4] = [(0, 1, 0), (12, 1, 1), (23, 2, 0), (26, 3, 0)];
/// Places where its sessions begin.
const STARTS: [usize; 3] = [0, 23, 26];
/// Place of the first session's hand-over.
const ROTATE: usize = 11;

/// What the verifier must say.
#[derive(Clone, Copy)]
enum Says<'a> {
    /// Tampered, from this entry on.
    From(usize),
    /// Tampered: the checkpoint, or the entries that it counts and that are not there.
    Checkpoint,
    /// Tampered: this file beside the entries.
    File(&'a str),
    /// Anything but sound: nothing contradicts itself, and nobody vouches for its end.
    NotSound,
}

/// How many of the changes of bytes are made.
#[derive(Clone, Copy)]
enum Bytes {
    /// Each bit of each byte.
    All,
    /// One bit of each byte that comes after so many others.
    Every(usize),
}

/// A session with two keys.
fn first(tpm: &FakeTpm) -> Memory {
    let mut first = begin(resume(Memory::default()), 1, tpm, START);
    kit::story(&mut first, START);
    kit::story(&mut first, START + 600_000);
    let ended = first.end("done".to_owned(), (START + 600_100).into());
    ended.unwrap().into_storage()
}

/// That session, one cut off in the middle of a line, and one that recovers and ends.
fn small(tpm: &FakeTpm) -> Folder {
    let mut second = begin(resume(first(tpm)), 2, tpm, START + 601_000);
    for text in ["and q3", "and q2"] {
        let intent = text.to_owned();
        let request = Body::Request(Request { intent });
        second.note(request, (START + 601_001).into()).unwrap();
    }
    let mut cut_off = second.storage().clone();
    cut_off.append(br#"{"att":"tpm2-hardw"#).unwrap();
    let third = begin(resume(cut_off), 3, tpm, START + 602_000);
    let ended = third.end("done".to_owned(), (START + 602_001).into());
    Folder::of(&ended.unwrap().into_storage())
}

/// The ledger, its judge, and how many changes it judged.
struct Matrix {
    whole: Folder,
    lines: Vec<Vec<u8>>,
    roots: Roots,
    judged: usize,
}

impl Matrix {
    fn judge(&mut self, what: &str, at: usize, changed: &Folder, says: Says<'_>) {
        self.judged += 1;
        let report = changed.verify(&self.roots);
        let tampered = match report.verdict() {
            Verdict::Tampered { seq, file, .. } => {
                Some((seq.map(|seq| seq as usize), file.as_str()))
            }
            _ => None,
        };
        let right = match says {
            Says::From(seq) => tampered == Some((Some(seq), ENTRIES_FILE)),
            Says::Checkpoint => {
                let short = Some((Some(changed.lines().len()), ENTRIES_FILE));
                tampered == Some((None, CHECKPOINT_FILE)) || tampered == short
            }
            Says::File(name) => tampered == Some((None, name)),
            Says::NotSound => report.exit_code() != 0,
        };
        assert!(right, "{what} at {at}: {report}");
    }

    fn with(&self, lines: &[Vec<u8>]) -> Folder {
        self.whole.with_lines(lines)
    }

    fn parsed(&self, at: usize) -> Value {
        serde_json::from_slice(&self.lines[at]).unwrap()
    }

    /// Number of whole lines before a byte.
    fn line_of(&self, byte: usize) -> usize {
        let before = &self.whole.entries[..byte];
        before.iter().filter(|byte| **byte == b'\n').count()
    }

    fn bytes(&mut self, how: Bytes) {
        let (step, bits) = match how {
            Bytes::All => (1, 8),
            Bytes::Every(step) => (step, 1),
        };
        for at in (0..self.whole.entries.len()).step_by(step) {
            let line = self.line_of(at);
            for bit in 0..bits {
                let mut changed = self.whole.clone();
                changed.entries[at] ^= 1 << ((at + bit) % 8);
                self.judge("a bit", at, &changed, Says::From(line));
            }
            let mut cut = self.whole.clone();
            cut.entries.truncate(at);
            self.judge("cut", at, &cut, Says::From(line));
        }
    }

    fn files(&mut self) {
        for at in 0..self.whole.checkpoint.as_ref().unwrap().len() * 8 {
            let mut changed = self.whole.clone();
            changed.checkpoint.as_mut().unwrap()[at / 8] ^= 1 << (at % 8);
            self.judge("a bit of the checkpoint", at, &changed, Says::Checkpoint);
        }
        let name = self.whole.others.keys().next().unwrap().clone();
        let name = name.as_str();
        for at in 0..self.whole.others[name].len() * 8 {
            let mut changed = self.whole.clone();
            changed.others.get_mut(name).unwrap()[at / 8] ^= 1 << (at % 8);
            self.judge("a bit of the torn line", at, &changed, Says::File(name));
        }
        let mut gone = self.whole.clone();
        gone.others.clear();
        self.judge("the torn line gone", 0, &gone, Says::File(name));
        let mut more = self.whole.clone();
        more.others.insert("notes.txt".to_owned(), b"x".to_vec());
        self.judge("an unknown file", 0, &more, Says::File("notes.txt"));
    }

    /// Whole entries missing, twice, elsewhere.
    fn order(&mut self) {
        let lines = self.lines.clone();
        let count = lines.len();
        for k in 0..count {
            let mut deleted = lines.clone();
            deleted.remove(k);
            self.judge("deleted", k, &self.with(&deleted), Says::From(k));
            let mut doubled = lines.clone();
            doubled.insert(k, lines[k].clone());
            self.judge("doubled", k, &self.with(&doubled), Says::From(k + 1));
            for other in (0..count).filter(|other| *other != k) {
                let mut inserted = lines.clone();
                inserted.insert(k, lines[other].clone());
                self.judge("inserted", k, &self.with(&inserted), Says::From(k));
            }
            for other in k + 1..count {
                let mut swapped = lines.clone();
                swapped.swap(k, other);
                self.judge("swapped", k, &self.with(&swapped), Says::From(k));
            }
            let mut short = self.with(&lines[..k]);
            short.checkpoint = None;
            self.judge("cut, no checkpoint", k, &short, Says::NotSound);
        }
        let sessions = [&lines[..23], &lines[26..], &lines[23..26]].concat();
        self.judge(
            "sessions swapped",
            23,
            &self.with(&sessions),
            Says::From(23),
        );
    }

    /// A second way to write the same.
    fn spelling(&mut self) {
        for k in 0..self.lines.len() {
            let text = String::from_utf8(self.lines[k].clone()).unwrap();
            let seq = format!("\"seq\":{k},");
            for (from, to) in [
                (seq.as_str(), format!("\"seq\": {k},")),
                (&seq, format!("\"seq\":{k}.0,")),
                (&seq, format!("\"seq\":{k},\"seq\":{k},")),
                (&seq, format!("\"rev\":1,{seq}")),
                ("\"v\":3}", "\"v\":3} ".to_owned()),
                ("\"kind\"", "\"\\u006bind\"".to_owned()),
                ("\"sig\":\"", "\"sig\":\"00".to_owned()),
                ("\n", "\r\n".to_owned()),
            ] {
                assert!(text.contains(from), "{from}");
                let mut lines = self.lines.clone();
                lines[k] = text.replacen(from, &to, 1).into_bytes();
                self.judge(&to, k, &self.with(&lines), Says::From(k));
            }
            let mut lines = self.lines.clone();
            lines[k] = malleable(self.parsed(k));
            self.judge("a second signature", k, &self.with(&lines), Says::From(k));
        }
    }

    /// Changed, with every hash that follows made to fit, and signed anew by whoever has which key.
    fn resigned(&mut self) {
        for k in 1..self.lines.len() {
            let later = |value: &mut Value| value["ts"] = (ts(value) + 1).into();
            let from = Says::From(k);
            let unsigned = self.rechained(k, later);
            self.judge("chained without a key", k, &unsigned, from);
            let stranger = self.rewritten(k, later, |_| [99; 32]);
            self.judge("signed by a stranger", k, &stranger, from);
            // Who has a later key of the session has no earlier one.
            if k <= ROTATE {
                let stolen = self.rewritten(k, later, |_| seed_of(1, 1));
                self.judge("signed by a later key", k, &stolen, from);
            }
            let renamed = |value: &mut Value| value["session"] = "0123456789abcdef".into();
            let renamed = self.rewritten(k, renamed, key_of);
            self.judge("signed as another session", k, &renamed, from);
            let all_keys = self.rewritten(k, later, key_of);
            let says = self.with_all_keys(k);
            self.judge("signed with every key", k, &all_keys, says);
            if !STARTS.contains(&k) {
                let back = |value: &mut Value| value["ts"] = (START - 1).into();
                let back = self.rewritten(k, back, key_of);
                self.judge("the clock back", k, &back, from);
            }
        }
    }

    /// What an entry moved by a millisecond and signed by who has every key of every session still runs into: the clock of the next entry, what
    /// the next session's quote commits to, or the checkpoint.
    fn with_all_keys(&self, k: usize) -> Says<'static> {
        let next = self.lines.get(k + 1).map(|_| self.parsed(k + 1));
        let overtaken = next.is_some_and(|next| ts(&next) <= ts(&self.parsed(k)));
        match STARTS.into_iter().find(|start| *start > k) {
            Some(start) if !overtaken || start == k + 1 => Says::From(start),
            None if !overtaken => Says::Checkpoint,
            _ => Says::From(k + 1),
        }
    }

    fn rewritten(
        &self,
        k: usize,
        change: impl Fn(&mut Value),
        key: impl Fn(usize) -> [u8; 32],
    ) -> Folder {
        Folder {
            checkpoint: self.whole.checkpoint.clone(),
            ..rewrite(&self.whole, k, change, key)
        }
    }

    /// The hash of every line after `k` fits, and no signature does.
    fn rechained(&self, k: usize, change: impl Fn(&mut Value)) -> Folder {
        let mut lines = self.lines.clone();
        let mut prev = hash(&lines[k - 1]);
        for (at, line) in lines.iter_mut().enumerate().skip(k) {
            let mut value: Value = serde_json::from_slice(line).unwrap();
            if at == k {
                change(&mut value);
            }
            value["prev"] = prev.to_string().into();
            *line = serde_json_canonicalizer::to_vec(&value).unwrap();
            line.push(b'\n');
            prev = hash(line);
        }
        self.with(&lines)
    }

    /// The hand-over left out, or made again, by who has both keys.
    fn hand_overs(&mut self) {
        let lines: Vec<(Vec<u8>, usize)> = self.lines.iter().cloned().zip(0..).collect();
        assert_eq!(self.parsed(ROTATE)["kind"], "rotate");
        let mut without = lines.clone();
        without.remove(ROTATE);
        let without = self.with(&renumbered(without));
        self.judge("no hand-over", ROTATE, &without, Says::From(ROTATE));
        let mut again = lines;
        again.insert(ROTATE + 1, (self.lines[ROTATE].clone(), ROTATE + 1));
        let again = self.with(&renumbered(again));
        self.judge("handed over again", ROTATE, &again, Says::From(ROTATE + 1));
    }

    /// Parts of another device's ledger, of an older state, of another history.
    fn spliced(&mut self, tpm: &FakeTpm, stranger: &FakeTpm) {
        let other = small(stranger);
        let theirs = other.lines();
        for k in 1..self.lines.len() {
            let end = [&self.lines[..k], &theirs[k..]].concat();
            self.judge("their end", k, &self.with(&end), Says::From(k));
            let mut entry = self.lines.clone();
            entry[k].clone_from(&theirs[k]);
            self.judge("their entry", k, &self.with(&entry), Says::From(k));
            // Gone on with by a device that is not enrolled: no line contradicts another.
            let gone_on = gone_on(&self.with(&self.lines[..k]), stranger);
            self.judge("cut and gone on with", k, &gone_on, Says::NotSound);
            let kept = Folder {
                checkpoint: self.whole.checkpoint.clone(),
                ..gone_on
            };
            self.judge("cut and gone on with, kept", k, &kept, Says::Checkpoint);
        }
        let history = Folder::of(&kit::ledger(tpm)).checkpoint;
        let older = Folder::of(&first(tpm)).checkpoint;
        for (what, checkpoint, says) in [
            ("their checkpoint", other.checkpoint, Says::Checkpoint),
            ("another history's checkpoint", history, Says::Checkpoint),
            ("an older checkpoint", older, Says::NotSound),
            ("no checkpoint", None, Says::NotSound),
        ] {
            let changed = Folder {
                checkpoint,
                ..self.whole.clone()
            };
            self.judge(what, 0, &changed, says);
        }
    }
}

/// The key that signed an entry.
fn key_of(at: usize) -> [u8; 32] {
    let epoch = EPOCHS.iter().rev().find(|(first, ..)| *first <= at);
    let (_, seed, number) = epoch.unwrap();
    seed_of(*seed, *number)
}

fn ts(entry: &Value) -> u64 {
    entry["ts"].as_u64().unwrap()
}

/// Lines in their new order, each signed by the key that signed the line of this place.
fn renumbered(lines: Vec<(Vec<u8>, usize)>) -> Vec<Vec<u8>> {
    let mut out: Vec<Vec<u8>> = Vec::new();
    for (line, was) in lines {
        let mut value: Value = serde_json::from_slice(&line).unwrap();
        let prev = out.last().map_or(Digest::ZERO, |line| hash(line));
        value["seq"] = out.len().into();
        value["prev"] = prev.to_string().into();
        out.push(signed(value, &key_of(was)));
    }
    out
}

/// One more session on this ledger, without its checkpoint, by a device of the forger's own.
fn gone_on(cut: &Folder, stranger: &FakeTpm) -> Folder {
    let mut storage = Memory::default();
    storage.append(&cut.entries).unwrap();
    for (name, bytes) in &cut.others {
        storage.replace(name, bytes).unwrap();
    }
    let ledger = begin(resume(storage), 7, stranger, START + 700_000);
    let ended = ledger.end("done".to_owned(), (START + 700_001).into());
    Folder::of(&ended.unwrap().into_storage())
}

/// The same entry with the other S that fits the curve's equation: S + L, which RFC 8032 has a reader refuse.
fn malleable(mut entry: Value) -> Vec<u8> {
    const L: &str = "edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010";
    let byte = |digits: &str, at: usize| u16::from_str_radix(&digits[at..at + 2], 16).unwrap();
    let sig = entry["sig"].as_str().unwrap().to_owned();
    let (mut out, mut carry) = (sig[..64].to_owned(), 0);
    for at in (0..64).step_by(2) {
        let sum = byte(&sig, 64 + at) + byte(L, at) + carry;
        out += &format!("{:02x}", sum & 0xff);
        carry = sum >> 8;
    }
    assert_eq!(carry, 0);
    entry["sig"] = out.into();
    let line = serde_json_canonicalizer::to_vec(&entry).unwrap();
    [line, b"\n".to_vec()].concat()
}

#[test]
fn every_change_is_noticed_where_it_begins() {
    let (how, least) = match std::env::var_os("CLOISTER_TAMPER") {
        Some(_) => (Bytes::All, 100_000),
        None => (Bytes::Every(8), 5_000),
    };
    let (tpm, stranger) = (FakeTpm::new(5), FakeTpm::new(6));
    let whole = small(&tpm);
    let (lines, roots) = (whole.lines(), roots(&tpm));
    assert_eq!(whole.verify(&roots).verdict(), &Verdict::Sound);
    let mut matrix = Matrix {
        whole,
        lines,
        roots,
        judged: 0,
    };
    matrix.bytes(how);
    matrix.files();
    matrix.order();
    matrix.spelling();
    matrix.resigned();
    matrix.hand_overs();
    matrix.spliced(&tpm, &stranger);
    println!("{} changes, each noticed where it begins", matrix.judged);
    assert!(matrix.judged >= least, "{} changes", matrix.judged);
}
