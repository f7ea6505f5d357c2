//! Small ledgers, written with a TPM that is none. Deterministic, so that what it writes can be kept as test data.

#[path = "kit/tpm.rs"] // from here also where the fuzzer takes this file in
mod tpm;

use std::collections::BTreeMap;

use cloister_attest::*;
use zeroize::Zeroizing;

pub(crate) use tpm::{AK_ATTRIBUTES, COUNTER, Certificate, FakeTpm, Forge};

/// Long after every entry in these tests.
pub(crate) const NOT_AFTER: u64 = 2_000_000_000_000;
pub(crate) const START: u64 = 1_800_000_000_000;
pub(crate) const DEVICE: &str = "desk-7";

pub(crate) fn admin() -> AdminKey {
    AdminKey::from_random(Zeroizing::new([9; 32]))
}

/// A binding in which nothing differs but the admin's key.
pub(crate) fn binding_of_another_admin() -> Binding {
    Binding {
        admin: AdminKey::from_random(Zeroizing::new([10; 32])).public(),
        ..binding(None)
    }
}

pub(crate) fn session_key(seed: u8) -> SessionKey {
    SessionKey::from_random(Zeroizing::new([seed; 32]))
}

pub(crate) fn roots(tpm: &FakeTpm) -> Roots {
    Roots::new(admin().public()).enrolling(tpm.enrolled(Attestation::Tpm2Hardware))
}

pub(crate) fn binding(challenge: Option<Challenge>) -> Binding {
    Binding {
        admin: admin().public(),
        runtime: Digest::of("runtime"),
        model: Digest::of("model"),
        policy: Digest::of("policy"),
        manifest: Digest::of("manifest"),
        tools: Digest::of("tools"),
        not_after: NOT_AFTER.into(),
        challenge,
        device: DEVICE.to_owned(),
    }
}

pub(crate) fn start(statement: Statement, evidence: Evidence) -> SessionStart {
    SessionStart {
        statement,
        evidence,
        agent: "cowork-finance-helper".to_owned(),
        agent_version: "1.0".to_owned(),
        model: "small".to_owned(),
        user: "alice".to_owned(),
        confinement: "full".to_owned(),
        unattended: None,
    }
}

pub(crate) fn begin<S: Storage>(
    resumed: Resumed<S>,
    seed: u8,
    tpm: &FakeTpm,
    now: u64,
) -> Ledger<S> {
    begin_bound(resumed, seed, tpm, now, binding(None))
}

pub(crate) fn begin_bound<S: Storage>(
    resumed: Resumed<S>,
    seed: u8,
    tpm: &FakeTpm,
    now: u64,
    binding: Binding,
) -> Ledger<S> {
    let key = session_key(seed);
    let statement = Statement::new(key.public(), resumed.head(), binding);
    let evidence = Evidence::Tpm2Hardware {
        quote: tpm.quote(&statement.qualifying().unwrap()),
    };
    resumed
        .begin(key, start(statement, evidence), now.into())
        .unwrap()
}

pub(crate) fn begin_unattested<S: Storage>(resumed: Resumed<S>, seed: u8, now: u64) -> Ledger<S> {
    let key = session_key(seed);
    let statement = Statement::new(key.public(), resumed.head(), binding(None));
    let evidence = Evidence::None {
        reason: "no TPM".to_owned(),
    };
    resumed
        .begin(key, start(statement, evidence), now.into())
        .unwrap()
}

/// One entry of every kind that a runtime writes.
pub(crate) fn story<S: Storage>(ledger: &mut Ledger<S>, now: u64) {
    let effects = Digest::of("effects");
    let bodies = [
        Body::Request(Request {
            intent: "sum up q4 \u{2014} \"please\"\n".to_owned(),
        }),
        Body::Plan(
            Plan::of(vec![Step {
                id: "$1".to_owned(),
                tool: "sheet.summarize".to_owned(),
                args: committed("{}"),
                open: vec!["columns".to_owned()],
            }])
            .unwrap(),
        ),
        Body::Decision(Decision {
            step: "$1".to_owned(),
            decision: DecisionKind::Ask,
            rule: "write.ask".to_owned(),
            reason: "it writes".to_owned(),
        }),
        Body::CallIntent(CallIntent {
            step: "$1".to_owned(),
            tool: "sheet.summarize".to_owned(),
            component: Digest::of("wasm"),
            args: committed("{}"),
            resources: vec![Resource {
                op: "read".to_owned(),
                path: "a.xlsx".to_owned(),
                sha256: Some(Digest::of("a")),
            }],
        }),
        Body::CallOutcome(CallOutcome {
            step: "$1".to_owned(),
            outcome: "returned".to_owned(),
            output: Some(committed("out")),
            read: Some(vec![read("a.xlsx", "a")]),
        }),
        Body::Effects(Effects {
            hash: effects,
            changes: vec![created("q4.xlsx")],
        }),
        Body::Consent(Consent {
            effects,
            by: ConsentBy::Person,
            answer: ConsentAnswer::Allow,
            rule: None,
        }),
        Body::Release(Release { effects }),
        Body::Released(Released {
            effects,
            files: vec![FileState {
                path: "q4.xlsx".to_owned(),
                sha256: Digest::of("new"),
                bytes: 3,
            }],
        }),
        Body::Note(Note {
            about: "model".to_owned(),
            text: "loaded".to_owned(),
        }),
    ];
    for (body, tick) in bodies.into_iter().zip(1..) {
        ledger.note(body, (now + tick).into()).unwrap();
    }
}

/// Three attested sessions: one that ends, one that is cut off in the middle of a line, one that recovers and ends.
pub(crate) fn ledger(tpm: &FakeTpm) -> Memory {
    let mut first = begin(
        Ledger::resume(Memory::default().files(), Memory::default()).unwrap(),
        1,
        tpm,
        START,
    );
    story(&mut first, START);
    let storage = first
        .end("done".to_owned(), (START + 100).into())
        .unwrap()
        .into_storage();

    let mut second = begin(resume(storage), 2, tpm, START + 1_000);
    second
        .note(
            Body::Request(Request {
                intent: "and q3".to_owned(),
            }),
            (START + 1_001).into(),
        )
        .unwrap();
    let effects = Digest::of("effects 2");
    second
        .note(Body::Release(Release { effects }), (START + 1_002).into())
        .unwrap();
    let mut cut_off = second.storage().clone();
    cut_off
        .append(br#"{"att":"tpm2-hardware","body":{"eff"#)
        .unwrap();

    let third = begin(resume(cut_off), 3, tpm, START + 2_000);
    third
        .end("done".to_owned(), (START + 2_001).into())
        .unwrap()
        .into_storage()
}

/// What stands for a content, under a salt that is always the same.
pub(crate) fn committed(text: &str) -> ContentHash {
    Content::new([7; 32], text.into()).commitment().into()
}

/// A file of these bytes, as a call read it.
pub(crate) fn read(path: &str, bytes: &str) -> FileState {
    FileState {
        path: path.to_owned(),
        sha256: Digest::of(bytes),
        bytes: bytes.len() as u64,
    }
}

fn created(path: &str) -> Change {
    Change {
        op: ChangeOp::Create,
        path: path.to_owned(),
        to: None,
        before: None,
        after: Some(Digest::of("new")),
        terms: Digest::of("terms"),
    }
}

/// What waits as `q1` is about to be thrown away: the file that it would have created, if the ledger knows of one.
pub(crate) fn discard(path: Option<&str>) -> Body {
    Body::Discard(Discard {
        id: "q1".to_owned(),
        change: path.map(created),
    })
}

pub(crate) fn resume(storage: Memory) -> Resumed<Memory> {
    let copy = storage.clone();
    Ledger::resume(copy.files(), storage).unwrap()
}

/// A ledger folder with nothing borrowed, to be changed at will.
#[derive(Clone)]
pub(crate) struct Folder {
    pub(crate) entries: Vec<u8>,
    pub(crate) checkpoint: Option<Vec<u8>>,
    pub(crate) others: BTreeMap<String, Vec<u8>>,
}

impl Folder {
    pub(crate) fn of(storage: &Memory) -> Self {
        let Files {
            entries,
            checkpoint,
            others,
        } = storage.files();
        Self {
            entries: entries.to_vec(),
            checkpoint,
            others,
        }
    }

    /// As its reader passes it in.
    pub(crate) fn files(&self) -> Files<&[u8]> {
        let Self {
            entries,
            checkpoint,
            others,
        } = self;
        Files {
            entries,
            checkpoint: checkpoint.clone(),
            others: others.clone(),
        }
    }

    pub(crate) fn verify(&self, roots: &Roots) -> Report {
        verify(self.files(), roots, None).unwrap()
    }

    /// The lines, each with its newline.
    pub(crate) fn lines(&self) -> Vec<Vec<u8>> {
        self.entries
            .split_inclusive(|byte| *byte == b'\n')
            .map(<[u8]>::to_vec)
            .collect()
    }

    pub(crate) fn with_lines(&self, lines: &[Vec<u8>]) -> Self {
        Self {
            entries: lines.concat(),
            ..self.clone()
        }
    }
}

/// Number of the first bad entry.
pub(crate) fn bad_seq(report: &Report) -> Option<u64> {
    match report.verdict() {
        Verdict::Tampered { seq, .. } => *seq,
        other => panic!("{other:?}"),
    }
}

/// Rewrites a line as `change` says and signs everything from there on again with `seed`'s key: what someone does who holds
/// the disk, knows the format and has a key of their own, or (with the right seed) the session's key but no TPM.
pub(crate) fn resign(
    folder: &Folder,
    from: usize,
    change: impl Fn(&mut serde_json::Value),
    seed: u8,
) -> Folder {
    let mut lines = folder.lines();
    let mut prev = match from {
        0 => Digest::ZERO,
        _ => hash(&lines[from - 1]),
    };
    for (k, line) in lines.iter_mut().enumerate().skip(from) {
        let mut value: serde_json::Value = serde_json::from_slice(line).unwrap();
        if k == from {
            change(&mut value);
        }
        value["prev"] = prev.to_string().into();
        *line = sign_line(value, seed);
        prev = hash(line);
    }
    folder.with_lines(&lines)
}

pub(crate) fn hash(line: &[u8]) -> Digest {
    Digest::of_parts(&[&[0], line.strip_suffix(b"\n").unwrap()])
}

/// Signs as SPEC.md section 5 says, independently of the crate's own writer.
pub(crate) fn sign_line(mut value: serde_json::Value, seed: u8) -> Vec<u8> {
    use ed25519_dalek::Signer;
    value.as_object_mut().unwrap().remove("sig");
    let unsigned = serde_json_canonicalizer::to_vec(&value).unwrap();
    let key = ed25519_dalek::SigningKey::from_bytes(&[seed; 32]);
    let signature = key
        .sign(&[b"cloister-entry/v1\0".as_slice(), &unsigned].concat())
        .to_bytes();
    value["sig"] = hex(&signature).into();
    [
        serde_json_canonicalizer::to_vec(&value).unwrap(),
        b"\n".to_vec(),
    ]
    .concat()
}

/// What an anchor certifies, made here as SPEC.md sections 8 and 14 say.
pub(crate) fn over_ledger(log: &Digest, at: LedgerHead) -> Digest {
    use base64ct::Encoding;
    let head = base64ct::Base64::encode_string(at.head.as_bytes());
    let note = format!("cloister-ledger/v1/{}\n{}\n{head}\n", log.hex(), at.size);
    Digest::of_parts(&[b"audit-anchor/v1\0", note.as_bytes()])
}

/// One more line for a folder, of the last session, signed by `seed`'s key.
pub(crate) fn sign_body<B: serde::Serialize>(
    folder: &Folder,
    kind: &str,
    body: &B,
    ts: u64,
    seed: u8,
) -> Vec<u8> {
    let lines = folder.lines();
    let last = lines.last().unwrap();
    let mut value: serde_json::Value = serde_json::from_slice(last).unwrap();
    value["prev"] = hash(last).to_string().into();
    value["seq"] = lines.len().into();
    value["ts"] = ts.into();
    value["kind"] = kind.into();
    value["body"] = serde_json::to_value(body).unwrap();
    sign_line(value, seed)
}

/// An answer to a challenge as it stands in its file, whatever it certifies.
pub(crate) fn raw_answer(
    tpm: &FakeTpm,
    challenge: &Challenge,
    certificate: &Certificate,
) -> Vec<u8> {
    let mut answer = serde_json::to_value(tpm.certify_forged(certificate)).unwrap();
    answer["ak"] = hex(&tpm.public()).into();
    answer["challenge"] = challenge.to_string().into();
    answer["proto"] = "cloister-counter/v1".into();
    serde_json_canonicalizer::to_vec(&answer).unwrap()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
