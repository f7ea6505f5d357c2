//! The folders, grants and tools that generated plans are about: real files, real grants, the shipped policy, the signatures of the shipped tools.

use std::fs;
use std::path::{Path, PathBuf};

use cloister_policies::{
    Bundle, Call, Decision, Grants, Manifest, Mode, Session, UnixMillis, shipped_for_agents,
};
use cloister_tools::{Catalog, Package, Survey, lock_text};
use serde_json::{Value, json};

use crate::plan::offers::{self, Offer};
use crate::plan::reach::{Known, Reach};
use crate::testing;

const NOW: UnixMillis = UnixMillis(1_000_000);
/// What is in the folder. One file may be replaced.
pub(super) const FILES: [&str; 8] = [
    "growers.csv",
    "inbox/page-001.txt",
    "inbox/page-002.txt",
    "notes/boiler.txt",
    "rent.xlsx",
    "reports/old.xlsx",
    "tides-2024-03.xlsx",
    "tides-2024-04.xlsx",
];
const TOOLS: [&str; 6] = ["document", "files", "model", "report", "sheet", "text"];

/// Who asks, and for what.
pub(super) struct Kind {
    agent: &'static str,
    mode: Mode,
    capabilities: &'static [(&'static str, &'static [&'static str])],
}

const OFFICE: [(&str, &[&str]); 3] = [
    (
        "file:read",
        &["*.xlsx", "*.csv", "notes/*.txt", "inbox/*.txt"],
    ),
    ("file:write", &["reports"]),
    ("file:move", &["inbox", "binder"]),
];

pub(super) const KINDS: [Kind; 5] = [
    Kind {
        agent: "helper",
        mode: Mode::Attended,
        capabilities: &OFFICE,
    },
    Kind {
        agent: "alone-1",
        mode: Mode::Unattended,
        capabilities: &OFFICE,
    },
    Kind {
        agent: "helper",
        mode: Mode::Unattended,
        capabilities: &OFFICE,
    },
    Kind {
        agent: "helper",
        mode: Mode::Attended,
        capabilities: &[("file:read", &["*.xlsx"])],
    },
    Kind {
        agent: "helper",
        mode: Mode::Attended,
        capabilities: &[
            ("file:read", &["**"]),
            ("file:write", &["reports", "inbox"]),
            ("file:move", &["**"]),
        ],
    },
];

/// One of them set up.
pub(super) struct Office {
    _temp: tempfile::TempDir,
    folder: PathBuf,
    bundle: Bundle,
    grants: Grants,
    session: Session,
    known: Vec<Known>,
    pub(super) catalog: Catalog,
    pub(super) survey: Survey,
    pub(super) offers: Vec<Offer>,
}

impl Office {
    pub(super) fn new(kind: &Kind) -> Office {
        let temp = tempfile::tempdir().unwrap();
        let root = temp.path().canonicalize().unwrap();
        let (folder, tools) = (root.join("work"), root.join("tools"));
        FILES.iter().for_each(|name| put(&folder.join(name), b""));
        fs::create_dir_all(folder.join("binder")).unwrap();
        let catalog = catalog(&tools);
        let bundle = Bundle::load(&shipped_for_agents(&["alone-*"])).unwrap();
        let session = Session {
            mode: kind.mode,
            reserved: vec![tools.clone()],
            ..testing::session()
        };
        let grants = bundle
            .negotiate(&kind.manifest(&folder), &session, NOW)
            .grants;
        let survey = Survey::take(&grants, &folder, &[tools]).unwrap();
        let known = survey.files().iter().map(|f| Known {
            name: f.name().to_owned(),
            readable: f.readable(),
            movable: f.movable(),
        });
        Office {
            known: known.collect(),
            offers: offers::all(&catalog),
            _temp: temp,
            folder,
            bundle,
            grants,
            session,
            catalog,
            survey,
        }
    }

    pub(super) fn reach(&self) -> Reach<'_> {
        Reach::new(&self.folder, &self.grants, self.known.clone())
    }

    /// The names that the model is told.
    pub(super) fn names(&self) -> Vec<&str> {
        self.known.iter().map(|f| f.name.as_str()).collect()
    }

    pub(super) fn judge(&self, call: Call) -> Decision {
        self.bundle.judge(call, &self.grants, &self.session, NOW)
    }
}

impl Kind {
    fn manifest(&self, folder: &Path) -> Manifest {
        let each = self.capabilities.iter();
        let capabilities: Vec<Value> = each
            .map(|(name, paths)| json!({"name": name, "paths": paths}))
            .collect();
        let text = json!({"agent": self.agent, "version": "1", "capabilities": capabilities, "ttl_seconds": 60});
        Manifest::parse(text.to_string().as_bytes(), folder).unwrap()
    }
}

/// The shipped tools without their components, which are never run here.
fn catalog(tools: &Path) -> Catalog {
    let guests = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tools/guests");
    let pins = TOOLS.map(|tool| {
        let wit = format!("{tool}.wit");
        for (from, to) in [("tool.toml", "tool.toml"), (&*format!("wit/{wit}"), &*wit)] {
            let bytes = fs::read(guests.join(tool).join(from)).unwrap();
            put(&tools.join(tool).join(to), &bytes);
        }
        put(&tools.join(tool).join("tool.wasm"), b"");
        Package::read(&tools.join(tool)).unwrap().pin().clone()
    });
    Catalog::open(tools, &lock_text(&pins)).unwrap()
}

fn put(path: &Path, bytes: &[u8]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}
