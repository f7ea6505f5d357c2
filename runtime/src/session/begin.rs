//! How a session begins: every signature checked, the manifest negotiated, the TPM asked, the model loaded if it is the pinned one; then the first entry.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::Builder;

use cloister_attest::{
    AdminPublic, Binding, Digest, Files, Ledger, SessionKey, SessionStart, Statement, UnixMillis,
};
use cloister_models::Pin;
use cloister_policies::{
    AttestationKind, Bundle, Grants, Manifest, Mode, Negotiated, Plan, Rule, Session,
};
use cloister_process::Layers;
use cloister_tools::{Cage, Catalog, Limits, Moment, Program, Quarantine, Survey};

use super::granted;
use super::journal::Journal;
use super::tenure::{Needs, Tenure};
use super::{Job, Opened, refused, replay};
use crate::clock::{self, Clock};
use crate::commands::policy::folder_of;
use crate::commands::{Desk, device_name};
use crate::confine;
use crate::consent::{Asking, Terminal};
use crate::device::Device;
use crate::disk::{self, LedgerFolder};
use crate::entries;
use crate::failure::{Failure, Kind};
use crate::home::Home;
use crate::mind::{Loaded, Sealed, Starting};
use crate::plan::offers::Offer;
use crate::random;
use crate::report::{RefusedReport, Report};
use crate::trust::Trust;

/// A manifest is read up to here, bytes: more than judgement takes, so that it is the one to say that it is too long.
pub(crate) const MANIFEST_BYTES: u64 = 1 << 20;
/// How long a release from quarantine may take from question to answer, milliseconds: an hour, as for a manifest's usual `ttl_seconds`.
const SHORT_MILLIS: u64 = 3_600_000;

/// What a command on quarantine asks the policy with: it grants nothing.
const SHORT_MANIFEST: &[u8] =
    br#"{"agent": "quarantine", "version": "1", "capabilities": [], "ttl_seconds": 3600}"#;

/// The signed parts of a home, opened.
pub(crate) struct House {
    pub(crate) home: Home,
    pub(crate) admin: AdminPublic,
    pub(crate) bundle: Bundle,
    pub(crate) policy: Digest,
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) tools: Digest,
    pub(crate) cage: Arc<Program>,
    pub(crate) device: Device,
}

impl House {
    /// Open them; a signature or pin that does not hold ends it here.
    pub(crate) fn open(home: &Home) -> Result<House, Failure> {
        let admin = *home.roots()?.admin();
        let (bundle, policy) = home.bundle(&admin)?;
        let (catalog, tools) = home.catalog(&admin)?;
        Ok(House {
            home: home.clone(),
            admin,
            bundle,
            policy,
            catalog: Arc::new(catalog),
            tools,
            cage: Arc::new(confine::cage()?),
            device: Device::read()?,
        })
    }
}

impl House {
    /// Compile what could be called, while the model plans. What does not compile is reported by the call that needs it.
    pub(super) fn warm(&self, possible: &[&Offer]) {
        let tools = possible
            .iter()
            .map(|offer| offer.signature.tool().to_owned());
        let (catalog, tools) = (Arc::clone(&self.catalog), tools.collect());
        // Where the system has no thread left it is compiled when it is called.
        let _ = Builder::new().spawn(move || drop(catalog.warm(&tools)));
    }
}

/// What is known before the first entry is written.
struct Terms {
    manifest: Manifest,
    manifest_digest: Digest,
    folder: PathBuf,
    session: Session,
    negotiated: Negotiated,
    unattended: Option<Rule>,
    clock: Clock,
}

/// A session that has begun, and the model it will use.
pub(crate) struct Begun {
    opened: Opened,
    model: Loaded,
}

impl Begun {
    pub(crate) fn begin(
        job: &Job<'_>,
        house: House,
        mind: Starting,
        desk: &Desk,
        report: &mut Report,
    ) -> Result<Begun, Failure> {
        let mind = mind.sealed()?;
        let (terms, trust) = terms(job, &house, mind.layers(), desk, report)?;
        let pin = house.home.pin(job.model, &house.admin)?;
        allowed_model(&terms.negotiated.grants, &pin)?;
        let model = loaded(&house, &pin, mind, desk, report)?;
        in_time(&terms)?;
        let asking = asking(job.mode, terms.unattended.as_ref(), &house.bundle);
        // What can fail is done before the first entry: from there on the ledger says how the session ended.
        let survey = Survey::take(
            &terms.negotiated.grants,
            &terms.folder,
            &terms.session.reserved,
        )?;
        let quarantine = Quarantine::open(&house.home.quarantine())?;
        let journal = first_entry(&terms, trust, &house, &pin, report)?;
        let Terms {
            manifest,
            manifest_digest,
            folder,
            session,
            negotiated,
            clock,
            unattended: _,
        } = terms;
        let tenure = Tenure::begin(&house.home, &report.session, clock);
        granted::tell(&house.home, &report.session, &negotiated.grants, desk);
        let mut opened = Opened {
            model: weights(&pin),
            quarantine: Arc::new(quarantine),
            survey: Arc::new(survey),
            journal,
            grants: negotiated.grants,
            folder,
            session,
            asking,
            manifest,
            manifest_digest,
            tenure,
            taken: BTreeSet::new(),
            used: Needs::default(),
            house,
            plan: Plan::default(),
            record: None,
        };
        for skipped in opened.survey.skipped() {
            desk.screen
                .detail("skipped", format!("{}: {}", skipped.path, skipped.reason));
        }
        if let Some(managed) = opened.house.device.told() {
            desk.screen.detail("managed", &managed);
            opened.journal.note(entries::note("device", &managed))?;
        }
        opened.house.prune(&mut opened.journal, desk)?;
        for refusal in &negotiated.refused {
            desk.screen.say("refused", refusal);
            report.refused.push(RefusedReport::of(refusal));
            opened.journal.note(entries::refusal(refusal))?;
        }
        Ok(Begun { opened, model })
    }

    pub(crate) fn into_parts(self) -> (Opened, Loaded) {
        (self.opened, self.model)
    }
}

/// What is known, and what will vouch for it.
fn terms(
    job: &Job<'_>,
    house: &House,
    mind: Layers,
    desk: &Desk,
    report: &mut Report,
) -> Result<(Terms, Trust), Failure> {
    let bytes = disk::read_bounded(job.manifest, MANIFEST_BYTES)?;
    let folder = folder_of(job.manifest)?;
    let manifest = Manifest::parse(&bytes, &folder)?;
    let trust = Trust::find(desk.tcti.as_deref(), &house.home.roots()?);
    report.attestation = trust.attestation().name().to_owned();
    let accepted = house
        .bundle
        .attestation(&manifest, trust.kind(), &house.device.ceiling);
    accepted.map_err(|refusal| {
        report.refused.push(RefusedReport::of(&refusal));
        refused(&refusal).hint(
            trust
                .reason()
                .map(|r| format!("{r}; this policy wants a TPM")),
        )
    })?;
    let unattended = match job.mode {
        Mode::Attended => None,
        Mode::Unattended => Some(
            house
                .bundle
                .unattended(&manifest, &house.device.ceiling)
                .map_err(|r| {
                    report.refused.push(RefusedReport::of(&r));
                    refused(&r).hint(
                "run it at a terminal, or have the admin allow this agent in the policy's settings"
                    .to_owned(),
            )
                })?,
        ),
    };
    let session = Session {
        attestation: trust.kind(),
        confinement: confine::found(&house.cage, Some(mind)),
        mode: job.mode,
        person: std::env::var("USER").ok(),
        reserved: vec![house.home.root().to_owned()],
        device: house.device.ceiling.clone(),
    };
    let clock = Clock::start();
    let negotiated = house
        .bundle
        .negotiate(&manifest, &session, clock.for_policy());
    let terms = Terms {
        manifest_digest: Digest::of(&bytes),
        manifest,
        folder,
        session,
        negotiated,
        unattended,
        clock,
    };
    Ok((terms, trust))
}

/// Loading a model takes a while: a session that would begin after its own end has nothing to begin with.
fn in_time(terms: &Terms) -> Result<(), Failure> {
    if !terms.negotiated.grants.expired(terms.clock.for_policy()) {
        return Ok(());
    }
    Err(
        Failure::new(Kind::Refused, "the grants expired before the session began")
            .hint("give the manifest a longer `ttl_seconds`".to_owned()),
    )
}

fn allowed_model(grants: &Grants, pin: &Pin) -> Result<(), Failure> {
    if grants.allows_model(pin.name().as_str()) {
        return Ok(());
    }
    Err(Failure::new(
        Kind::Refused,
        format!(
            "the manifest does not grant the model `{}`",
            pin.name().as_str()
        ),
    )
    .hint("add it to the manifest's `model:use`, or name another with --model".to_owned()))
}

/// The model, hashed as it is handed to its process: another file than the pinned one gives none.
fn loaded(
    house: &House,
    pin: &Pin,
    mind: Sealed,
    desk: &Desk,
    report: &mut Report,
) -> Result<Loaded, Failure> {
    let started = std::time::Instant::now();
    let file = house.home.model_file(pin)?;
    let interrupt = desk.screen.interrupt();
    let model = mind.load(pin, file, &mut desk.screen.stage("loading"), interrupt)?;
    desk.screen.interrupt().check()?;
    report.timing_ms.load = super::millis(started);
    desk.screen.say(
        "model",
        format!("{}, sha256 {} as pinned", pin.name().as_str(), pin.sha256()),
    );
    Ok(model)
}

fn asking(mode: Mode, rule: Option<&Rule>, bundle: &Bundle) -> Asking {
    match (mode, rule) {
        (Mode::Unattended, Some(rule)) => Asking::Policy(rule.clone(), bundle.replacing()),
        _ => Terminal::find().map_or(Asking::Nobody, Asking::Person),
    }
}

/// Who a session says it is.
struct SessionOf<'a> {
    agent: &'a str,
    version: &'a str,
    model: &'a str,
    manifest: Digest,
    weights: Digest,
    until: u64,
}

fn first_entry(
    terms: &Terms,
    trust: Trust,
    house: &House,
    pin: &Pin,
    report: &mut Report,
) -> Result<Journal, Failure> {
    let who = SessionOf {
        agent: terms.manifest.agent(),
        version: terms.manifest.version(),
        model: pin.name().as_str(),
        manifest: terms.manifest_digest,
        weights: weights(pin),
        until: terms.negotiated.grants.until().0,
    };
    let user = account();
    let unattended = terms.unattended.as_ref().map(|r| r.rule.clone());
    let (journal, session) = write_first(
        house,
        &who,
        trust,
        &confine::told(&terms.session.confinement),
        user,
        unattended,
        terms.clock,
    )?;
    report.session = session;
    Ok(journal)
}

/// The digest of a pinned model's file, as the ledger has it.
pub(super) fn weights(pin: &Pin) -> Digest {
    Digest::from_bytes(*pin.sha256().bytes())
}

/// Bind the session's key, born here, to everything it stands for, and write the first entry.
fn write_first(
    house: &House,
    who: &SessionOf<'_>,
    trust: Trust,
    confinement: &str,
    user: String,
    unattended: Option<String>,
    clock: Clock,
) -> Result<(Journal, String), Failure> {
    let mut folder = LedgerFolder::open(&house.home.ledger(), &house.home.scratch())?;
    replay::sweep(&house.home); // under the ledger's lock, so no replay runs
    let files = folder.files()?;
    let borrowed = Files {
        entries: files.entries.as_slice(),
        checkpoint: files.checkpoint.clone(),
        others: files.others.clone(),
    };
    let resumed = Ledger::resume(borrowed, folder)?;
    let key = SessionKey::from_random(random::bytes()?);
    let binding = Binding {
        admin: house.admin,
        runtime: this_binary()?,
        model: who.weights,
        policy: house.policy,
        manifest: who.manifest,
        tools: house.tools,
        not_after: UnixMillis::new(who.until),
        challenge: None,
        device: device_name(),
    };
    let statement = Statement::new(key.public(), resumed.head(), binding);
    let session = statement.session().to_string();
    let (evidence, mut anchoring) = trust.vouch(&statement)?;
    anchoring.compare(&resumed)?;
    let start = SessionStart {
        statement,
        evidence,
        agent: who.agent.to_owned(),
        agent_version: who.version.to_owned(),
        model: who.model.to_owned(),
        user,
        confinement: confinement.to_owned(),
        unattended,
    };
    let ledger = resumed.begin(key, start, clock.for_ledger())?;
    let contents = house.home.contents().keeping(ledger.start().session);
    Ok((Journal::open(ledger, anchoring, clock, contents)?, session))
}

/// A cage for looking at what waits in `quarantine`: it reaches that and nothing else, for it is granted nothing.
pub(crate) fn looking_cage(
    house: &House,
    quarantine: Quarantine,
) -> Result<(Cage, Manifest), Failure> {
    let nothing = Manifest::parse(SHORT_MANIFEST, house.home.root())?;
    let session = Session {
        attestation: AttestationKind::None,
        confinement: confine::found(&house.cage, None),
        mode: Mode::Attended,
        person: None,
        reserved: vec![house.home.root().to_owned()],
        device: house.device.ceiling.clone(),
    };
    let grants = house
        .bundle
        .negotiate(&nothing, &session, clock::for_policy())
        .grants;
    let survey = Survey::take(&grants, house.home.root(), &session.reserved)?;
    let moment = Moment {
        unix_millis: clock::millis(),
        seed: 0,
    };
    let cage = Cage::new(
        Arc::clone(&house.cage),
        Arc::clone(&house.catalog),
        Arc::new(survey),
        Arc::new(quarantine),
        Limits::STANDARD,
        moment,
    );
    Ok((cage, nothing))
}

/// Begin the short session of a command on quarantine: no manifest, no model at work; the grants were judged when the effects were made.
pub(crate) fn short(house: &House, desk: &Desk, report: &mut Report) -> Result<Journal, Failure> {
    let trust = Trust::find(desk.tcti.as_deref(), &house.home.roots()?);
    report.attestation = trust.attestation().name().to_owned();
    let nothing = Manifest::parse(SHORT_MANIFEST, house.home.root())?;
    let accepted = house
        .bundle
        .attestation(&nothing, trust.kind(), &house.device.ceiling);
    accepted.map_err(|refusal| {
        report.refused.push(RefusedReport::of(&refusal));
        refused(&refusal).hint(trust.reason().map(str::to_owned))
    })?;
    let clock = Clock::start();
    let who = SessionOf {
        agent: "quarantine",
        version: "-",
        model: "-",
        manifest: Digest::ZERO,
        weights: Digest::ZERO,
        until: clock.for_policy().0.saturating_add(SHORT_MILLIS),
    };
    let user = account();
    let confinement = confine::told(&confine::found(&house.cage, None));
    let (mut journal, session) = write_first(house, &who, trust, &confinement, user, None, clock)?;
    report.session = session;
    house.prune(&mut journal, desk)?;
    Ok(journal)
}

/// The account that runs this, for the ledger: its name, or its number where the environment names nobody.
fn account() -> String {
    let named = std::env::var("USER").ok().filter(|name| !name.is_empty());
    named.unwrap_or_else(|| format!("user number {}", rustix::process::getuid().as_raw()))
}

pub(super) fn this_binary() -> Result<Digest, Failure> {
    let path = PathBuf::from("/proc/self/exe");
    disk::read(&path).map(|bytes| Digest::of(&bytes))
}
