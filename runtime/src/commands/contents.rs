//! `cloister audit content` and `audit shred`: what an entry commits to is opened, or destroyed with all else that its session kept.

use std::slice;

use cloister_attest::{Entry, hex};
use serde_json::{Value, json};

use super::{Desk, quarantine};
use crate::consent;
use crate::failure::Failure;
use crate::home::Home;
use crate::session::later;
use crate::verified::Verified;

/// Who says that it may be destroyed.
pub(super) enum Ask {
    Person,
    /// It was said on the command line.
    Nobody,
}

pub(super) fn show(seq: u64, ledger: &Verified, home: &Home, desk: &Desk) -> Result<(), Failure> {
    let entries = ledger.entries();
    let found = entries.iter().find(|entry| entry.seq == seq);
    let entry = found.ok_or_else(|| {
        Failure::failed(format!("the ledger has no entry {seq}"))
            .hint("`cloister audit show` numbers them".to_owned())
    })?;
    let contents = home.contents().of(slice::from_ref(entry), &entries)?;
    if contents.is_empty() {
        return Err(says_all(entry));
    }
    let mut rows = Vec::new();
    for (what, commitment, content) in &contents {
        let text = String::from_utf8_lossy(content.bytes());
        let salt = hex::encode(content.salt());
        rows.push(json!({"what": what, "commitment": commitment.to_string(), "salt": salt, "content": text}));
        let value: Value = serde_json::from_str(&text).unwrap_or(json!(text));
        desk.answer(format!("{what}, {commitment}\n{value:#}"));
    }
    desk.document(&json!({"seq": seq, "session": entry.session.to_string(), "contents": rows}));
    Ok(())
}

fn says_all(entry: &Entry) -> Failure {
    let (seq, kind) = (entry.seq, entry.body.kind());
    Failure::failed(format!("entry {seq}, a `{kind}`, commits to nothing"))
        .hint("a `plan`, a `call-intent` and a `call-outcome` do".to_owned())
}

pub(super) fn shred(session: &str, ask: Ask, home: &Home, desk: &Desk) -> Result<(), Failure> {
    let agreed = || match ask {
        Ask::Nobody => Ok(()),
        Ask::Person => consent::to_shred(
            &format!(
                "The arguments and outputs of session {session} go. The ledger stays as it is, and files are not touched."
            ),
            desk.screen.interrupt(),
        ),
    };
    quarantine::told(desk, |report| {
        later::shred(session, agreed, home, desk, report)?;
        report.shredded = Some(session.to_owned());
        Ok(format!("the contents of session {session} were shredded"))
    })
}
