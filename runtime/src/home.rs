//! A home: where its parts lie, and how the signed ones are opened. Nothing unsigned or unpinned leaves this room as trusted.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use cloister_attest::{
    AdminKey, AdminPublic, Digest, Purpose, Roots, seal, unseal, version_of, versioned,
};
use cloister_models::{Lock, ModelName, Pin, Watch};
use cloister_policies::{Bundle, PolicyFiles};
use cloister_tools::{Catalog, Kept};
use serde::{Deserialize, Serialize};

use crate::contents::Contents;
use crate::disk;
use crate::failure::{Failure, Kind};
use crate::seen::Seen;

/// The folders and files of a home.
#[derive(Debug, Clone)]
pub(crate) struct Home {
    root: PathBuf,
}

/// A signed document as opened: its body, and the digest of every byte of it.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) body: String,
    pub(crate) digest: Digest,
}

/// The files of a policy bundle with their digests, as the admin signed them.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct BundleLock {
    files: BTreeMap<String, String>,
}

impl Home {
    pub(crate) fn at(root: PathBuf) -> Home {
        Home { root }
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn ledger(&self) -> PathBuf {
        self.root.join("ledger")
    }

    pub(crate) fn quarantine(&self) -> PathBuf {
        self.root.join("quarantine")
    }

    /// Arguments and outputs of sessions, sealed.
    pub(crate) fn contents(&self) -> Contents {
        Contents::at(self.root.join("contents"))
    }

    /// Answers that are remembered.
    pub(crate) fn consent(&self) -> PathBuf {
        self.root.join("consent")
    }

    /// What releases replaced.
    pub(crate) fn kept(&self) -> Kept {
        Kept::at(&self.root.join("kept"))
    }

    pub(crate) fn tools(&self) -> PathBuf {
        self.root.join("tools")
    }

    pub(crate) fn models(&self) -> PathBuf {
        self.root.join("models")
    }

    pub(crate) fn policies(&self) -> PathBuf {
        self.root.join("policies")
    }

    pub(crate) fn scratch(&self) -> PathBuf {
        self.root.join("run")
    }

    /// What the model made of the beginnings of prompts.
    pub(crate) fn states(&self) -> PathBuf {
        self.scratch().join("kv")
    }

    pub(crate) fn roots_file(&self) -> PathBuf {
        self.root.join("keys").join("roots.json")
    }

    /// The counter that was made when this home asked to be enrolled.
    pub(crate) fn counter_file(&self) -> PathBuf {
        self.root.join("attest").join("counter.json")
    }

    /// The admin's private key. A managed fleet keeps it on another machine; then it is not here and locks cannot be changed here.
    pub(crate) fn admin_key_file(&self) -> PathBuf {
        self.root.join("admin").join("admin.key")
    }

    /// The trust roots; a home without them was never made.
    pub(crate) fn roots(&self) -> Result<Roots, Failure> {
        let path = self.roots_file();
        if !path.exists() {
            let hint = format!(
                "make one with `cloister --home {} init`",
                self.root.display()
            );
            return Err(
                Failure::failed(format!("`{}` is no cloister home", self.root.display()))
                    .hint(hint),
            );
        }
        Roots::parse(&disk::read(&path)?).map_err(integrity)
    }

    pub(crate) fn admin_key(&self) -> Result<AdminKey, Failure> {
        let path = self.admin_key_file();
        let hint = "locks are signed where the admin's key is; bring the signed lock here instead"
            .to_owned();
        let text = disk::text(&path).map_err(|e| e.hint(hint))?;
        AdminKey::from_text(&text).map_err(integrity)
    }

    fn seen(&self) -> Seen {
        Seen::at(self.root.join("seen.toml"))
    }

    /// Open a signed document of the home, if it is not older than one that was opened before.
    pub(crate) fn open_sealed(
        &self,
        name: &str,
        purpose: Purpose,
        admin: &AdminPublic,
    ) -> Result<Opened, Failure> {
        let text = disk::text(&self.root.join(name))?;
        let body = unseal(&text, purpose, admin).map_err(|e| {
            integrity(e).hint(format!("`{name}` was changed after the admin signed it"))
        })?;
        let (version, body) = version_of(body);
        self.seen().accept(name, version)?;
        Ok(Opened {
            body: body.to_owned(),
            digest: Digest::of(text.as_bytes()),
        })
    }

    /// Sign a document as the next version and put it in its place.
    pub(crate) fn seal(
        &self,
        name: &str,
        body: &str,
        purpose: Purpose,
        key: &AdminKey,
    ) -> Result<(), Failure> {
        let version = self.seen().next(name)?;
        let sealed = seal(&versioned(body, version), purpose, key);
        disk::replace(&self.root.join(name), sealed.as_bytes())?;
        self.seen().accept(name, version)
    }

    pub(crate) fn model_lock(&self, admin: &AdminPublic) -> Result<Lock, Failure> {
        let opened = self.open_sealed("models.lock", Purpose::ModelsLock, admin)?;
        Lock::parse(&opened.body).map_err(Failure::from)
    }

    /// The pin of the named model, or of the default one.
    pub(crate) fn pin(&self, name: Option<&str>, admin: &AdminPublic) -> Result<Pin, Failure> {
        let lock = self.model_lock(admin)?;
        match name {
            Some(name) => lock
                .get(&ModelName::parse(name)?)
                .cloned()
                .map_err(Failure::from),
            None => lock.default_pin().cloned().ok_or_else(|| {
                Failure::failed("no model is pinned in this home")
                    .hint("`cloister models import FILE --name NAME` brings one in".to_owned())
            }),
        }
    }

    /// Check that the pinned model's file is the pinned one.
    pub(crate) fn verify(&self, pin: &Pin, watch: &mut dyn Watch) -> Result<(), Failure> {
        let mut file = self.model_file(pin)?;
        Ok(pin.verify(&mut file, watch)?)
    }

    /// The file that should be the pinned model.
    pub(crate) fn model_file(&self, pin: &Pin) -> Result<fs::File, Failure> {
        let path = self.models().join(format!("{}.gguf", pin.name().as_str()));
        disk::open(&path)
    }

    /// The text of the signed `tools.lock`, whatever of it lies in the home.
    pub(crate) fn tools_lock(&self, admin: &AdminPublic) -> Result<String, Failure> {
        Ok(self
            .open_sealed("tools.lock", Purpose::ToolsLock, admin)?
            .body)
    }

    /// The catalogue of pinned tools and the digest of its lock.
    pub(crate) fn catalog(&self, admin: &AdminPublic) -> Result<(Catalog, Digest), Failure> {
        let opened = self.open_sealed("tools.lock", Purpose::ToolsLock, admin)?;
        let catalog = Catalog::open(&self.tools(), &opened.body).map_err(Failure::from)?;
        Ok((catalog, opened.digest))
    }

    /// The policy in force: every file of the bundle is the one that was signed, and none is there that was not.
    pub(crate) fn bundle(&self, admin: &AdminPublic) -> Result<(Bundle, Digest), Failure> {
        let opened = self.open_sealed("policies.lock", Purpose::PolicyBundle, admin)?;
        let lock: BundleLock = toml::from_str(&opened.body).map_err(integrity)?;
        let files = bundle_files(&self.policies())?;
        for (name, bytes) in &files {
            let found = Digest::of(bytes).to_string();
            if lock.files.get(name) != Some(&found) {
                return Err(integrity(format!(
                    "policy file `{name}` is not the one that the admin signed"
                )));
            }
        }
        if let Some(gone) = lock.files.keys().find(|n| !files.contains_key(*n)) {
            return Err(integrity(format!("policy file `{gone}` is missing")));
        }
        Ok((Bundle::load(&files).map_err(Failure::from)?, opened.digest))
    }

    /// Sign the bundle that lies in `policies/`, once it loads and its cases pass.
    pub(crate) fn seal_bundle(&self, key: &AdminKey) -> Result<(), Failure> {
        let files = bundle_files(&self.policies())?;
        Bundle::load(&files)?;
        let lock = BundleLock {
            files: files
                .iter()
                .map(|(n, b)| (n.clone(), Digest::of(b).to_string()))
                .collect(),
        };
        let body = toml::to_string(&lock).map_err(Failure::failed)?;
        self.seal("policies.lock", &body, Purpose::PolicyBundle, key)
    }
}

/// The files of a bundle's folder by name. A bundle is flat: folders in it are not read, and are refused.
pub(crate) fn bundle_files(folder: &Path) -> Result<PolicyFiles, Failure> {
    let mut files = BTreeMap::new();
    for item in fs::read_dir(folder).map_err(|e| disk::failed("list", folder, &e))? {
        let path = item.map_err(|e| disk::failed("list", folder, &e))?.path();
        if !path.is_file() {
            return Err(Failure::failed(format!(
                "`{}` is no file: a policy bundle is one flat folder",
                path.display()
            )));
        }
        let name = path
            .file_name()
            .map(|n| n.to_string_lossy().into_owned())
            .unwrap_or_default();
        files.insert(name, disk::read(&path)?);
    }
    Ok(files)
}

fn integrity(error: impl std::fmt::Display) -> Failure {
    Failure::new(Kind::Integrity, error)
}
