//! The reader that trusts only the roots: one pass, bounded memory (and a number for each attested session), and the first thing that is wrong
//! (SPEC.md section 11). Pure.

mod counter;
mod noted;
mod proof;
mod tiles;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::io::{self, BufRead, Read};

use serde::{Serialize, Serializer};

use crate::LIMITS;
use crate::chain::{Accepted, Bad, SignedChain};
use crate::digest::Digest;
use crate::entry::body::Body;
use crate::evidence::{
    Attestation, Challenge, Evidence, LedgerHead, SessionEvidence, SessionId, Statement,
};
use crate::ledger::torn_name;
use crate::marks::{Marks, is_cosigned};
use crate::plain::plain;
use crate::roots::Roots;
use crate::storage::{ENTRIES_FILE, Files};

pub use counter::verify_answer;
use noted::Witnessed;
use proof::Proven;
pub(crate) use proof::proven;
pub use proof::verify_proof;
pub use tiles::{TileFolder, verify_tiles};

/// What a verifier concludes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "verdict", rename_all = "lowercase")]
pub enum Verdict {
    /// Whole, closed by a checkpoint, and every session attested by an enrolled key of an accepted kind.
    Sound,
    /// Something was changed, and this is the first place.
    Tampered {
        /// Number of the entry, when it is about one.
        seq: Option<u64>,
        /// File of the ledger folder.
        file: String,
        /// Offset in it, bytes: where the bad entry begins.
        byte: u64,
        /// What is wrong.
        what: String,
    },
    /// Nothing contradicts itself, but not all of it is vouched for.
    Unanchored {
        /// Why, at most 16 reasons.
        why: Vec<String>,
    },
}

/// A verdict and what it is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The verdict.
    #[serde(flatten)]
    verdict: Verdict,
    /// Entries read and found good.
    entries: u64,
    /// Sessions begun among them.
    sessions: u64,
    /// Sessions attested by an enrolled key of an accepted kind, each by the number of its first entry; as JSON, how many they are. A session's
    /// name would do worse: it is the beginning of a hash.
    #[serde(serialize_with = "how_many")]
    attested: BTreeSet<u64>,
    /// Hash of the last good line.
    head: Digest,
    /// What the pinned witnesses have cosigned.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    witnessed: Vec<Witnessed>,
    /// Of a proof: what it proves.
    #[serde(skip_serializing_if = "Option::is_none")]
    proves: Option<Proven>,
}

impl Report {
    /// The verdict.
    pub fn verdict(&self) -> &Verdict {
        &self.verdict
    }

    /// Entries read and found good.
    pub fn entries(&self) -> u64 {
        self.entries
    }

    /// Sessions begun among them.
    pub fn sessions(&self) -> u64 {
        self.sessions
    }

    /// Sessions attested by an enrolled key of an accepted kind.
    pub fn attested(&self) -> u64 {
        self.attested.len() as u64
    }

    /// Whether the session whose first entry has this number is attested by an enrolled key of an accepted kind.
    pub fn attests(&self, first: u64) -> bool {
        self.attested.contains(&first)
    }

    /// Hash of the last good line.
    pub fn head(&self) -> Digest {
        self.head
    }

    /// 0 sound, 1 tampered, 2 not anchored or not attested. (3, no trust roots, is the caller's.)
    pub fn exit_code(&self) -> u8 {
        match self.verdict {
            Verdict::Sound => 0,
            Verdict::Tampered { .. } => 1,
            Verdict::Unanchored { .. } => 2,
        }
    }
}

fn how_many<S: Serializer>(sessions: &BTreeSet<u64>, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_u64(sessions.len() as u64)
}

/// Names of files and words of entries may be an attacker's: nothing in them reaches a terminal but as text of one line.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.verdict {
            Verdict::Sound => {
                let shown = self.proves.as_ref().map_or("", |_| " shown");
                writeln!(
                    f,
                    "sound       every entry{shown} is whole, in its place and attested"
                )?;
            }
            Verdict::Tampered {
                seq: Some(seq),
                file,
                byte,
                what,
            } => {
                let (file, what) = (plain(file), plain(what));
                writeln!(
                    f,
                    "tampered    entry {seq}, file `{file}`, byte {byte}: {what}"
                )?;
            }
            Verdict::Tampered {
                seq: None,
                file,
                byte,
                what,
            } => {
                let (file, what) = (plain(file), plain(what));
                writeln!(f, "tampered    file `{file}`, byte {byte}: {what}")?;
            }
            Verdict::Unanchored { why } => {
                for reason in why {
                    writeln!(f, "unanchored  {}", plain(reason))?;
                }
            }
        }
        let Self {
            entries,
            sessions,
            head,
            witnessed,
            proves,
            ..
        } = self;
        let attested = self.attested();
        if let Some(proven) = proves {
            write!(f, "{proven}")?;
        }
        writeln!(
            f,
            "            {entries} entries, {sessions} sessions, {attested} attested; head {head}"
        )?;
        witnessed.iter().try_for_each(|found| write!(f, "{found}"))
    }
}

/// Checks a ledger folder. With a `challenge`, the last session must have been begun in answer to it.
///
/// # Errors
/// The reader's own; whatever is in the bytes is a verdict, never an error.
pub fn verify<R: BufRead>(
    files: Files<R>,
    roots: &Roots,
    challenge: Option<&Challenge>,
) -> io::Result<Report> {
    through(Walk::new(roots, challenge), files)
}

fn through<R: BufRead>(mut walk: Walk<'_>, files: Files<R>) -> io::Result<Report> {
    let Files {
        mut entries,
        checkpoint,
        others,
    } = files;
    if checkpoint.is_none() {
        walk.doubt("there is no checkpoint".to_owned());
    }
    match Marks::read(checkpoint.as_deref(), &others, walk.roots.witnesses()) {
        Ok(marks) => walk.marks = marks,
        Err((file, what)) => return Ok(walk.tampered(Fault::file(&file, what))),
    }
    let mut line = Vec::new();
    loop {
        line.clear();
        let most = LIMITS.line.saturating_add(2) as u64;
        entries.by_ref().take(most).read_until(b'\n', &mut line)?;
        let fault = match line.as_slice() {
            [] => walk.finish(&others),
            [line @ .., b'\n'] => match walk.line(line) {
                Ok(()) => continue,
                Err(fault) => Err(fault),
            },
            torn if torn.len() > LIMITS.line => {
                Err(walk.bad_here("the entry is longer than any we write".to_owned()))
            }
            _ => walk.torn().and_then(|()| walk.finish(&others)),
        };
        return Ok(match fault {
            Ok(()) => walk.report(),
            Err(fault) => walk.tampered(fault),
        });
    }
}

/// Checks an evidence file by itself, without a ledger.
pub fn verify_evidence(bytes: &[u8], roots: &Roots, challenge: Option<&Challenge>) -> Report {
    let mut walk = Walk::new(roots, challenge);
    let checked = SessionEvidence::read(bytes)
        .map_err(|error| error.to_string())
        .and_then(|found| {
            walk.sessions = 1;
            walk.answers(found.statement());
            walk.session(found.statement(), found.evidence())
        });
    match checked {
        Ok(()) => {
            walk.freshness();
            walk.report()
        }
        Err(what) => walk.tampered(Fault::file("evidence", &what)),
    }
}

/// The first thing that is wrong.
struct Fault {
    seq: Option<u64>,
    file: String,
    byte: u64,
    what: String,
}

impl Fault {
    fn file(file: &str, what: &str) -> Self {
        Self {
            seq: None,
            file: file.to_owned(),
            byte: 0,
            what: what.to_owned(),
        }
    }
}

struct Walk<'a> {
    roots: &'a Roots,
    challenge: Option<&'a Challenge>,
    lines: SignedChain,
    /// Where the ledger stood after the last line in which nothing was wrong.
    good: LedgerHead,
    /// What the entries have not reached yet.
    marks: Marks,
    /// The walk has passed the checkpoint and it held.
    anchored: bool,
    sessions: u64,
    /// The first entries of attested sessions.
    attested: BTreeSet<u64>,
    /// The last session answered the challenge.
    fresh: bool,
    /// What pinned witnesses cosigned, each by the largest of its notes.
    witnessed: BTreeMap<String, Witnessed>,
    /// The public area of the session's attestation key.
    ak: Option<Vec<u8>>,
    /// What the device answered, until it is compared.
    answer: Option<counter::Answer>,
    /// Reset and restart counts last seen of each attestation key.
    resets: HashMap<Vec<u8>, (u32, u32)>,
    doubts: Vec<String>,
    more_doubts: u64,
    proves: Option<Proven>,
}

impl<'a> Walk<'a> {
    fn new(roots: &'a Roots, challenge: Option<&'a Challenge>) -> Self {
        Self {
            roots,
            challenge,
            lines: SignedChain::default(),
            good: SignedChain::default().here().before,
            marks: Marks::default(),
            anchored: false,
            sessions: 0,
            attested: BTreeSet::new(),
            fresh: false,
            witnessed: BTreeMap::new(),
            ak: None,
            answer: None,
            resets: HashMap::new(),
            doubts: Vec::new(),
            more_doubts: 0,
            proves: None,
        }
    }

    fn here(&self, what: &str) -> Fault {
        Fault {
            seq: Some(self.good.size),
            file: ENTRIES_FILE.to_owned(),
            byte: self.lines.here().byte,
            what: what.to_owned(),
        }
    }

    /// The next line is bad, unless the key of one before it does not vouch for that.
    fn bad_here(&mut self, what: String) -> Fault {
        let bad = self.lines.bad(self.lines.here(), what);
        self.bad(bad)
    }

    fn bad(&mut self, Bad { at, what }: Bad) -> Fault {
        self.good = at.before;
        Fault {
            seq: Some(at.before.size),
            file: ENTRIES_FILE.to_owned(),
            byte: at.byte,
            what,
        }
    }

    fn doubt(&mut self, why: String) {
        if self.doubts.len() < LIMITS.reasons {
            self.doubts.push(why);
        } else {
            self.more_doubts = self.more_doubts.saturating_add(1);
        }
    }

    fn line(&mut self, line: &[u8]) -> Result<(), Fault> {
        let at = self.lines.here();
        let accepted = self.lines.accept(line).map_err(|bad| self.bad(bad))?;
        if let Err(what) = self.judge(&accepted) {
            let bad = self.lines.bad(at, what);
            return Err(self.bad(bad));
        }
        let kept = self.lines.keep(line, &accepted);
        kept.map_err(|bad| self.bad(bad))?;
        self.pass_marks(&accepted)?;
        self.good = self.lines.here().before;
        Ok(())
    }

    /// What a line that is in its place says of the session and the TPM's counter.
    fn judge(&mut self, accepted: &Accepted) -> Result<(), String> {
        if let Body::SessionStart(start) = &accepted.unchecked.entry.body {
            self.answers(&start.statement);
            self.session(&start.statement, &start.evidence)?;
            self.sessions = self.sessions.saturating_add(1);
        }
        self.counter(accepted)?;
        for seq in &accepted.unsaid {
            let id = accepted.unchecked.entry.session;
            self.doubt(format!(
                "session {id} ended and never said how entry {seq} went"
            ));
        }
        Ok(())
    }

    fn answers(&mut self, statement: &Statement) {
        self.fresh = statement.challenge() == self.challenge;
    }

    /// Checks what vouches for a session: first that it holds, then whether we trust it.
    fn session(&mut self, statement: &Statement, evidence: &Evidence) -> Result<(), String> {
        // Policy, tools and models are whatever this key signed: under another one the session vouches for nothing we know.
        if statement.admin() != self.roots.admin() {
            return Err("the session was run under another admin's key".to_owned());
        }
        let (id, kind) = (statement.session(), evidence.attestation());
        let Some(quote) = evidence.quote() else {
            self.doubt(format!("session {id} is not attested"));
            return Ok(());
        };
        let qualifying = statement.qualifying().map_err(|error| error.to_string())?;
        let quoted = quote.check(&qualifying)?;
        let Some(key) = self.roots.key(&quoted.name) else {
            self.doubt(format!(
                "session {id} is attested by a key that is not enrolled"
            ));
            return Ok(());
        };
        if key.kind() != kind {
            return Err(format!(
                "the session says `{kind}`, its key is enrolled as `{}`",
                key.kind()
            ));
        }
        if key.device() != statement.device() {
            return Err(format!(
                "the session says device `{}`, its key is that of `{}`",
                statement.device(),
                key.device()
            ));
        }
        if !quote
            .pcrs()
            .iter()
            .map(|pcr| pcr.index)
            .eq(key.pcrs().indices().iter().copied())
        {
            return Err("the quote is over other PCRs than those enrolled".to_owned());
        }
        let before = self.resets.insert(quoted.name, quoted.resets);
        if before.is_some_and(|before| before > quoted.resets) {
            return Err("the TPM has been reset less often than in an earlier session".to_owned());
        }
        self.trust(id, kind);
        Ok(())
    }

    fn trust(&mut self, id: SessionId, kind: Attestation) {
        if self.roots.accepts(kind) {
            self.attested.insert(self.good.size);
        } else {
            self.doubt(format!(
                "session {id} is attested by `{kind}`, which the roots do not accept"
            ));
        }
    }

    fn torn(&mut self) -> Result<(), Fault> {
        let byte = self.lines.here().byte;
        self.doubt(format!(
            "the last line of `{ENTRIES_FILE}` is torn off, from byte {byte}"
        ));
        Ok(())
    }

    /// Demands that every entry so far is vouched for.
    fn vouched(&mut self) -> Result<(), Fault> {
        self.lines.settle().map_err(|bad| self.bad(bad))
    }

    fn finish(&mut self, others: &BTreeMap<String, Vec<u8>>) -> Result<(), Fault> {
        self.vouched()?;
        self.reached()?;
        if self.good.size == 0 {
            self.doubt("the ledger is empty".to_owned());
        } else if let Some(current) = self.lines.chain().current() {
            let id = current.id;
            self.doubt(format!("session {id} has not ended"));
        } else if !self.anchored {
            self.doubt("the checkpoint is older than the last session".to_owned());
        }
        self.witnesses();
        self.counters()?;
        self.freshness();
        self.others(others)
    }

    fn freshness(&mut self) {
        if self.challenge.is_some() && !self.fresh {
            self.doubt("the last session was not begun in answer to the challenge".to_owned());
        }
    }

    fn others(&mut self, others: &BTreeMap<String, Vec<u8>>) -> Result<(), Fault> {
        let recovered = self.lines.chain().torn();
        let mut unrecorded = 0_u64;
        for (name, digest) in recovered {
            match others.get(name) {
                None => {
                    return Err(Fault::file(
                        name,
                        "this torn line was put aside and is gone",
                    ));
                }
                Some(bytes) if Digest::of(bytes) != *digest => {
                    return Err(Fault::file(name, "its bytes were changed"));
                }
                Some(_) => {}
            }
        }
        for (name, bytes) in others
            .iter()
            .filter(|(name, bytes)| !recovered.contains_key(*name) && !is_cosigned(name, bytes))
        {
            if *name != torn_name(bytes) {
                return Err(Fault::file(name, "this file does not belong to a ledger"));
            }
            unrecorded = unrecorded.saturating_add(1);
        }
        if unrecorded > 0 {
            self.doubt(format!(
                "{unrecorded} torn lines were put aside and not recorded yet"
            ));
        }
        Ok(())
    }

    fn report(self) -> Report {
        if self.doubts.is_empty() {
            return self.concluding(Verdict::Sound);
        }
        let mut why = self.doubts.clone();
        if self.more_doubts > 0 {
            why.push(format!("and {} more of the kind", self.more_doubts));
        }
        self.concluding(Verdict::Unanchored { why })
    }

    fn tampered(self, fault: Fault) -> Report {
        let Fault {
            seq,
            file,
            byte,
            what,
        } = fault;
        self.concluding(Verdict::Tampered {
            seq,
            file,
            byte,
            what,
        })
    }

    fn concluding(self, verdict: Verdict) -> Report {
        let Self {
            sessions,
            attested,
            good,
            proves,
            witnessed,
            ..
        } = self;
        Report {
            verdict,
            entries: good.size,
            sessions,
            attested,
            head: good.head,
            witnessed: witnessed.into_values().collect(),
            proves,
        }
    }
}
