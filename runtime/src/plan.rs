//! The first pass: from the person's words, the signatures and the names of granted files to a frozen draft. No document is open yet.
//!
//! What the draft fixes (tool, files, places to write) is never added to afterwards, at most a file that lacks a needed column is left
//! out; what depends on contents is left open and named.

pub(crate) mod fill;
mod listed;
mod mood;
pub(crate) mod offers;
mod places;
pub(crate) mod quoted;
pub(crate) mod reach;

use cloister_tools::Signature;
use serde_json::{Map, Value, json};

use crate::failure::{Failure, Kind};
use crate::plan::offers::Offer;
use crate::plan::places::Save;
use crate::plan::reach::Reach;
use crate::slots::{Alternative, Decide, Slot};
use crate::words::Words;

/// What a request comes to.
#[derive(Debug)]
pub(crate) enum Intent {
    /// One call, frozen but for the slots that contents fill.
    Call(Box<Draft>),
    /// A reply in words; no tool is needed.
    Answer,
}

/// One call with its files and places fixed.
#[derive(Debug, Clone)]
pub(crate) struct Draft {
    pub(crate) signature: Signature,
    pub(crate) args: Map<String, Value>,
    /// Parameters that depend on what the files hold, in the signature's order.
    pub(crate) open: Vec<String>,
}

/// What needs no model to be refused: a path or address that no grant covers, a request that begins with what no tool does.
pub(crate) fn refuse_outright(words: &Words, reach: &Reach<'_>) -> Result<(), Failure> {
    everything_is_granted(words, reach)?;
    match offers::lacking(words).into_iter().find(|l| l.first_word) {
        Some(lacking) => Err(missing(lacking.capability)),
        None => Ok(()),
    }
}

/// Decide what the request asks for, once nothing in it is refused outright.
pub(crate) fn draft(
    words: &Words,
    reach: &Reach<'_>,
    offers: &[Offer],
    decide: &mut dyn Decide,
) -> Result<Intent, Failure> {
    let possible = offers::possible(words, reach, offers);
    let lacking = offers::lacking(words);
    refuse_outright(words, reach)?;
    let mut alternatives: Vec<Alternative> = possible
        .iter()
        .map(|o| Alternative::new(o.signature.name(), json!(o.signature.name())))
        .collect();
    alternatives.extend(lacking.iter().map(|l| {
        Alternative::new(
            format!("cannot {}", l.verb),
            json!({"cannot": l.capability}),
        )
    }));
    if words.paths().count() == 0 && lacking.is_empty() {
        alternatives.push(Alternative::new("answer", json!({"answer": true})));
    }
    let choice = Slot::new("tool", alternatives)
        .decided(decide)?
        .ok_or_else(|| nothing_fits(words))?;
    if let Some(capability) = choice.get("cannot").and_then(Value::as_str) {
        return Err(missing(capability));
    }
    let Some(offer) = possible
        .into_iter()
        .find(|o| choice == json!(o.signature.name()))
    else {
        return Ok(Intent::Answer);
    };
    fill::fixed(words, reach, offer, decide).map(|draft| Intent::Call(Box::new(draft)))
}

/// A path or address that no grant covers is dealt with before anything is planned: the request is refused, and says which.
fn everything_is_granted(words: &Words, reach: &Reach<'_>) -> Result<(), Failure> {
    let unanswered = |path: &&str| !places::answered(words, reach, path);
    if let Some(path) = words.paths().find(unanswered) {
        return Err(match places::wanted(words, reach, path) {
            Some(Save::Taken(place)) => taken(&place),
            _ => not_reachable(path, reach),
        });
    }
    let searched = words
        .cue(&["mention", "contain", "find", "search", "hold"])
        .is_some();
    match words.addresses().next() {
        Some(address) if !searched => Err(Failure::new(Kind::NoPlan, format!("nothing can be sent to or fetched from `{address}`: no grant reaches beyond this machine"))
            .hint("missing capability: `network:outbound`, which this agent never grants; leave the address out".to_owned())),
        _ => Ok(()),
    }
}

/// A file that is there is written over only on a plain word.
fn taken(place: &str) -> Failure {
    let message =
        format!("`{place}` is there already, and the request does not say that it may be replaced");
    Failure::new(Kind::NoPlan, message)
        .hint("say `replace` or `overwrite`, or name a file that is not there yet".to_owned())
}

fn not_reachable(path: &str, reach: &Reach<'_>) -> Failure {
    if !reach.would_read(path) && reach.would_change(path)
        || reach.file(path).is_some_and(|f| !f.readable)
    {
        let message =
            format!("`{path}` cannot be read: the manifest grants it for other uses only");
        return Failure::new(Kind::NoPlan, message).hint(
            "missing capability: `file:read`; to write the file, say `save … to` it".to_owned(),
        );
    }
    if reach.would_read(path) {
        let names: Vec<&str> = reach.readable().map(|f| f.name.as_str()).take(8).collect();
        return Failure::new(
            Kind::NoPlan,
            format!("there is no file `{path}` among the granted ones"),
        )
        .hint(format!("granted: {}", names.join(", ")));
    }
    Failure::new(
        Kind::Refused,
        format!("`{path}` is outside what the manifest grants"),
    )
    .hint(
        "name it in the manifest's `file:read`, `file:write` or `file:move` paths, or leave it out"
            .to_owned(),
    )
}

fn missing(capability: &str) -> Failure {
    let hint = match capability {
        "network:outbound" => "this agent never leaves the machine; do that step yourself",
        "process:run" => "this agent starts no programs; do that step yourself",
        _ => "no tool of this version deletes; remove the file yourself",
    };
    let message = format!("the request needs `{capability}`, which this agent does not have");
    Failure::new(Kind::NoPlan, message).hint(hint.to_owned())
}

fn nothing_fits(words: &Words) -> Failure {
    let named: Vec<&str> = words.paths().collect();
    let culprit = if named.is_empty() {
        "the granted files".to_owned()
    } else {
        format!("`{}`", named.join("`, `"))
    };
    Failure::new(
        Kind::NoPlan,
        format!("no granted tool can do this with {culprit}"),
    )
    .hint("`cloister tools list` shows what the tools do and which files they take".to_owned())
}

#[cfg(test)]
mod tests;
