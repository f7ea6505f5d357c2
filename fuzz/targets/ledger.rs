//! A whole ledger folder, parts divided by zero bytes: entries, checkpoint, the torn line. Only those that were written are sound.
#![no_main]

use std::collections::BTreeMap;
use std::sync::LazyLock;

use cloister_attest::{Files, Roots, verify};

static ROOTS: LazyLock<Roots> =
    LazyLock::new(|| Roots::parse(include_bytes!("../../attest/testdata/roots.json")).unwrap());
const WRITTEN: [&[u8]; 2] = [
    include_bytes!("../../attest/testdata/ok_three_sessions/ledger/entries.jsonl"),
    include_bytes!("../../attest/testdata/ok_version_1/ledger/entries.jsonl"),
];
const TORN: &str = "torn-548d7f3984ed23b017c8bca47126831592662e58f03f3dc856d89adfa0932530.bin";

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut parts = bytes.splitn(3, |b| *b == 0);
    let entries = parts.next().unwrap_or_default();
    let checkpoint = parts.next().map(<[u8]>::to_vec);
    let others: BTreeMap<_, _> = parts.map(|torn| (TORN.to_owned(), torn.to_vec())).collect();
    let report = verify(
        Files {
            entries,
            checkpoint,
            others,
        },
        &ROOTS,
        None,
    )
    .unwrap();
    assert!(report.exit_code() != 0 || WRITTEN.contains(&entries));
});
