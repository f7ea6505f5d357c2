//! Which models may be loaded: the pins of `models.lock`, and the only way to a model's bytes and what is made of them, [`Pin::read`].
//! No file is opened here: the lock's text and a reader of the model are handed in; the lock's signature is the caller's business.

mod digest;
mod hashed;

use std::collections::BTreeMap;
use std::fmt;
use std::io::Read;

use serde::{Deserialize, Serialize};

pub use self::digest::{ModelDigest, QuickDigest, Sum};
use self::hashed::Hashing;
pub use self::hashed::{Hashed, Sums};
use crate::ModelError;
use crate::watch::Watch;

/// What a lock and a model may be. Reaching one is an error that names it.
struct Limits {
    /// Text of `models.lock`, bytes. 1 MiB: some five thousand pins.
    lock: usize,
    /// One model, bytes. 1 TiB: beyond any file that a single machine can hold in memory.
    model: u64,
    /// A name, bytes. 64: it is a file name and a column of `models list`.
    name: usize,
    /// A source line, bytes. 1 KiB: `ORG/REPO@REV FILE` with room to spare.
    source: usize,
    /// Read at once where nothing is made of it, bytes. 1 MiB: fits the second-level cache, and progress moves some 1000 times a GB.
    chunk: usize,
}

const LIMITS: Limits = Limits {
    lock: 1 << 20,
    model: 1 << 40,
    name: 64,
    source: 1024,
    chunk: 1 << 20,
};

/// A model's name: 1 to 64 of `a-z 0-9 . _ -`, not starting with a dot, so that it can never be a path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ModelName(String);

impl ModelName {
    /// # Errors
    /// [`ModelError::Name`] when it is empty, too long, starts with a dot or holds another character.
    pub fn parse(text: &str) -> Result<Self, ModelError> {
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b);
        let fits = (1..=LIMITS.name).contains(&text.len());
        if fits && text.bytes().all(allowed) && !text.starts_with('.') {
            Ok(Self(text.to_owned()))
        } else {
            Err(ModelError::Name {
                name: text.escape_debug().to_string(),
            })
        }
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for ModelName {
    type Error = ModelError;
    fn try_from(text: String) -> Result<Self, ModelError> {
        Self::parse(&text)
    }
}

impl From<ModelName> for String {
    fn from(name: ModelName) -> Self {
        name.0
    }
}

impl fmt::Display for ModelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One model that may be loaded: its name, and exactly which bytes bear it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pin {
    name: ModelName,
    sha256: ModelDigest,
    /// What is checked at a start, in place of SHA-256. None in locks of earlier versions, and where somebody gave the SHA-256 alone.
    blake3: Option<QuickDigest>,
    bytes: u64,
    source: Option<String>,
}

impl Pin {
    /// A pin for bytes of which both digests were taken.
    ///
    /// # Errors
    /// As [`Pin::new`].
    pub fn of(name: ModelName, sums: &Sums) -> Result<Self, ModelError> {
        Ok(Self {
            blake3: Some(sums.blake3),
            ..Self::new(name, sums.sha256, sums.bytes, None)?
        })
    }

    /// A pin for bytes of which this digest and length are known; `source` is a note on where they came from, one line.
    ///
    /// # Errors
    /// [`ModelError::Lock`] when the length or the note is beyond what a lock may hold.
    pub fn new(
        name: ModelName,
        sha256: ModelDigest,
        bytes: u64,
        source: Option<String>,
    ) -> Result<Self, ModelError> {
        let printable = |s: &String| s.len() <= LIMITS.source && !s.chars().any(char::is_control);
        if !(1..=LIMITS.model).contains(&bytes) {
            return Err(ModelError::Lock {
                why: format!("model `{name}` claims {bytes} bytes"),
            });
        }
        if source.as_ref().is_some_and(|s| !printable(s)) {
            return Err(ModelError::Lock {
                why: format!("the source of `{name}` is not one short line"),
            });
        }
        Ok(Self {
            name,
            sha256,
            blake3: None,
            bytes,
            source,
        })
    }

    /// The pinned model's name.
    #[must_use]
    pub fn name(&self) -> &ModelName {
        &self.name
    }

    /// The pinned digest.
    #[must_use]
    pub fn sha256(&self) -> ModelDigest {
        self.sha256
    }

    /// The pinned length, bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Where the bytes came from, if that was noted.
    #[must_use]
    pub fn source(&self) -> Option<&str> {
        self.source.as_deref()
    }

    /// Reads a model to its end while `make` makes something of its bytes, each of which is read once, hashed, and handed on. What was made is
    /// handed out only if they were the pinned ones: until then nobody else has it. A wrong length or hash is told before any fault that `make`
    /// found, since a fault in other bytes says nothing about the model. What `make` leaves is read under the same watch.
    ///
    /// # Errors
    /// [`ModelError::WrongHash`] or [`ModelError::WrongLength`]; [`ModelError::Read`] when the reader fails; [`ModelError::Interrupted`]; what
    /// `make` says.
    pub fn read<T>(
        &self,
        reader: &mut dyn Read,
        watch: &mut dyn Watch,
        make: impl FnOnce(&mut Hashed<'_>, &mut dyn Watch) -> Result<T, ModelError>,
    ) -> Result<T, ModelError> {
        let most = self.bytes.saturating_add(1); // one more than pinned tells a file that is too long
        let mut hash = Hashing::like(self.checked());
        let mut bytes = Hashed::new(reader, &mut hash, most);
        let made = make(&mut bytes, watch);
        if matches!(made, Err(ModelError::Interrupted)) {
            return made;
        }
        bytes.drain(self.bytes, watch)?;
        self.judge_length(bytes.done())?;
        self.judge(hash.finish(), self.checked())?;
        made
    }

    /// What the bytes are held against when they are read to be used.
    fn checked(&self) -> Sum {
        match self.blake3 {
            Some(blake3) => Sum::Blake3(blake3),
            None => Sum::Sha256(self.sha256),
        }
    }

    /// The pinned length as this machine counts memory.
    pub(crate) fn len(&self) -> Result<usize, ModelError> {
        usize::try_from(self.bytes).map_err(|_| ModelError::Memory {
            name: self.name.clone(),
            bytes: self.bytes,
        })
    }

    /// Reads a model to its end, to know whether it is the pinned one by each digest that is pinned.
    ///
    /// # Errors
    /// As [`Pin::read`]; [`ModelError::Interrupted`].
    pub fn verify(&self, reader: &mut dyn Read, watch: &mut dyn Watch) -> Result<(), ModelError> {
        let most = self.bytes.saturating_add(1);
        let found = Sums::read_most(reader, most, self.bytes, watch)?;
        self.judge_length(found.bytes)?;
        self.judge(Sum::Sha256(found.sha256), Sum::Sha256(self.sha256))?;
        match self.blake3 {
            Some(blake3) => self.judge(Sum::Blake3(found.blake3), Sum::Blake3(blake3)),
            None => Ok(()),
        }
    }

    fn judge_length(&self, got: u64) -> Result<(), ModelError> {
        if got == self.bytes {
            return Ok(());
        }
        Err(ModelError::WrongLength {
            name: self.name.clone(),
            got,
            want: self.bytes,
        })
    }

    fn judge(&self, got: Sum, want: Sum) -> Result<(), ModelError> {
        if got == want {
            return Ok(());
        }
        Err(ModelError::WrongHash {
            name: self.name.clone(),
            got,
            want,
        })
    }
}

/// `models.lock`: every model that may be loaded, and which one is meant when none is named.
///
/// ```toml
/// [[model]]
/// name = "qwen2.5-0.5b"
/// sha256 = "74a4…"
/// blake3 = "9c1b…"
/// bytes = 491400064
/// source = "Qwen/Qwen2.5-0.5B-Instruct-GGUF@main qwen2.5-0.5b-instruct-q4_k_m.gguf"
/// default = true
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lock {
    pins: BTreeMap<ModelName, Pin>,
    default: Option<ModelName>,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Page {
    #[serde(default)]
    model: Vec<Entry>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: ModelName,
    sha256: ModelDigest,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    blake3: Option<QuickDigest>,
    bytes: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    source: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    default: bool,
}

impl Lock {
    /// Reads the text of `models.lock`. Unknown keys, a name twice and two defaults are refused; an empty text is an empty lock.
    ///
    /// # Errors
    /// [`ModelError::Lock`] with what is wrong.
    pub fn parse(text: &str) -> Result<Self, ModelError> {
        let wrong = |why: String| ModelError::Lock { why };
        if text.len() > LIMITS.lock {
            return Err(wrong(format!(
                "it has {} bytes, more than {}",
                text.len(),
                LIMITS.lock
            )));
        }
        let page: Page =
            toml::from_str(text).map_err(|e| wrong(e.to_string().trim_end().to_owned()))?;
        let mut lock = Self::default();
        for entry in page.model {
            lock.admit(entry)?;
        }
        Ok(lock)
    }

    fn admit(&mut self, entry: Entry) -> Result<(), ModelError> {
        let name = entry.name.clone();
        let twice = |what: &str| {
            Err(ModelError::Lock {
                why: format!("{what}: `{name}`"),
            })
        };
        if self.pins.contains_key(&entry.name) {
            return twice("a name stands twice");
        }
        if entry.default {
            if self.default.is_some() {
                return twice("a second default");
            }
            self.default = Some(entry.name.clone());
        }
        let pin = Pin {
            blake3: entry.blake3,
            ..Pin::new(entry.name, entry.sha256, entry.bytes, entry.source)?
        };
        self.pins.insert(name, pin);
        Ok(())
    }

    /// The text of `models.lock`, sorted by name: equal locks print equal bytes.
    ///
    /// # Errors
    /// [`ModelError::Lock`] if a value cannot be written as TOML.
    pub fn print(&self) -> Result<String, ModelError> {
        let model = self.pins.values().map(|pin| self.entry(pin)).collect();
        toml::to_string(&Page { model }).map_err(|e| ModelError::Lock { why: e.to_string() })
    }

    fn entry(&self, pin: &Pin) -> Entry {
        Entry {
            name: pin.name.clone(),
            sha256: pin.sha256,
            blake3: pin.blake3,
            bytes: pin.bytes,
            source: pin.source.clone(),
            default: self.default.as_ref() == Some(&pin.name),
        }
    }

    /// All pins, by name.
    pub fn pins(&self) -> impl Iterator<Item = &Pin> {
        self.pins.values()
    }

    /// The pin of this name.
    ///
    /// # Errors
    /// [`ModelError::NotPinned`].
    pub fn get(&self, name: &ModelName) -> Result<&Pin, ModelError> {
        self.pins
            .get(name)
            .ok_or_else(|| ModelError::NotPinned { name: name.clone() })
    }

    /// Adds a pin, or replaces the one of the same name. The first model pinned becomes the default.
    #[must_use]
    pub fn pin(mut self, pin: Pin) -> Self {
        if self.pins.is_empty() {
            self.default = Some(pin.name.clone());
        }
        self.pins.insert(pin.name.clone(), pin);
        self
    }

    /// Takes a pin out. If it was the default, there is none until one is named.
    ///
    /// # Errors
    /// [`ModelError::NotPinned`].
    pub fn remove(mut self, name: &ModelName) -> Result<Self, ModelError> {
        self.get(name)?;
        self.pins.remove(name);
        self.default = self.default.filter(|default| default != name);
        Ok(self)
    }

    /// The pin that is meant when none is named.
    #[must_use]
    pub fn default_pin(&self) -> Option<&Pin> {
        self.pins.get(self.default.as_ref()?)
    }

    /// Makes this pinned model the default.
    ///
    /// # Errors
    /// [`ModelError::NotPinned`].
    pub fn with_default(mut self, name: &ModelName) -> Result<Self, ModelError> {
        self.get(name)?;
        self.default = Some(name.clone());
        Ok(self)
    }
}

#[cfg(test)]
mod tests;
