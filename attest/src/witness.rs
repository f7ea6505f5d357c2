//! A witness: a key on another machine that signs a checkpoint only if the ledger goes on from the last one that it signed (SPEC.md section 17). Pure.

use std::fmt;
use std::str::FromStr;

use base64ct::{Base64, Encoding};
use ed25519_dalek::{Signer, SigningKey};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

use crate::LIMITS;
use crate::checkpoint::{self, Checkpoint, Said, Sum, key_id};
use crate::digest::Digest;
use crate::error::AttestError;
use crate::hex;
use crate::keys::WitnessPublic;
use crate::roots::Roots;
use crate::verify::{Report, proven};

/// Ed25519 with a time, in C2SP tlog-cosignature.
const COSIGNATURE: u8 = 4;
/// Stands before a private key as text, as in Go's `note` package.
const PRIVATE: &str = "PRIVATE+KEY+";
/// What a cosigned note's name in a ledger folder begins with; the digest of its bytes follows.
const FILE: &str = "cosigned-";
/// Times are integers of our JSON too.
const LATEST: u64 = (1 << 53) - 1;

/// Seconds since 1970-01-01T00:00:00Z, by the witness's clock; never 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct UnixSeconds(u64);

impl UnixSeconds {
    /// A moment, if a cosignature can name it.
    pub const fn new(seconds: u64) -> Option<Self> {
        match seconds {
            1..=LATEST => Some(Self(seconds)),
            _ => None,
        }
    }

    /// Its seconds.
    pub const fn get(self) -> u64 {
        self.0
    }
}

/// A witness's public key and name. As text a C2SP verifier key, `<name>+<id>+<base64>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Witness {
    name: String,
    public: WitnessPublic,
}

impl Witness {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    fn id(&self) -> [u8; 4] {
        key_id(&self.name, COSIGNATURE, self.public.as_bytes())
    }

    /// Whether this is the key that a cosignature names. It may still not have made it.
    pub(crate) fn is_named_by(&self, by: &Cosignature) -> bool {
        (self.name.as_str(), self.id()) == (&by.name, by.id)
    }
}

impl fmt::Display for Witness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = [&[COSIGNATURE], self.public.as_bytes().as_slice()].concat();
        let (name, id) = (&self.name, hex::encode(&self.id()));
        write!(f, "{name}+{id}+{}", Base64::encode_string(&key))
    }
}

impl FromStr for Witness {
    type Err = AttestError;

    fn from_str(text: &str) -> Result<Self, AttestError> {
        let read = || {
            let (name, rest) = text.split_once('+')?;
            let (_, key) = rest.split_once('+')?;
            let [COSIGNATURE, key @ ..] = decoded::<33>(key)? else {
                return None;
            };
            let public = format!("ed25519:{}", hex::encode(&key)).parse().ok()?;
            let name = is_name(name).then(|| name.to_owned())?;
            Some(Self { name, public })
        };
        // The id, and one spelling of the whole: it is a second text of one key otherwise.
        let found = read().filter(|witness| witness.to_string() == text);
        found.ok_or_else(|| AttestError::Notation {
            what: "witness's key",
            text: text.to_owned(),
        })
    }
}

impl Serialize for Witness {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Witness {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// A name must leave a signature's line, and a key's text, in one piece.
fn is_name(name: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_graphic() && byte != b'+';
    (1..=LIMITS.witness_name).contains(&name.len()) && name.bytes().all(fits)
}

fn decoded<const N: usize>(text: &str) -> Option<[u8; N]> {
    Base64::decode_vec(text).ok()?.try_into().ok()
}

/// A witness's private key and name. Wiped when dropped.
pub struct WitnessKey {
    witness: Witness,
    key: SigningKey,
}

impl WitnessKey {
    /// A key from 32 bytes of the system's random source, drawn by the caller.
    ///
    /// # Errors
    /// [`AttestError::Notation`] when `name` cannot stand in a signature's line.
    pub fn from_random(name: &str, seed: Zeroizing<[u8; 32]>) -> Result<Self, AttestError> {
        let key = SigningKey::from_bytes(&seed);
        let named = is_name(name).then(|| name.to_owned());
        let name = named.ok_or_else(|| AttestError::Notation {
            what: "witness's name",
            text: name.to_owned(),
        })?;
        let public = WitnessPublic::of(&key);
        let witness = Witness { name, public };
        Ok(Self { witness, key })
    }

    /// The public half.
    pub fn witness(&self) -> &Witness {
        &self.witness
    }

    /// The text of a private key file, one line. Wiped when dropped.
    pub fn to_text(&self) -> Zeroizing<String> {
        let mut bytes = Zeroizing::new([COSIGNATURE; 33]);
        let seed = Zeroizing::new(self.key.to_bytes());
        for (to, from) in bytes.iter_mut().skip(1).zip(seed.iter()) {
            *to = *from;
        }
        let (name, id) = (&self.witness.name, hex::encode(&self.witness.id()));
        let key = Zeroizing::new(Base64::encode_string(bytes.as_slice()));
        Zeroizing::new(format!("{PRIVATE}{name}+{id}+{}\n", key.as_str()))
    }

    /// Reads what [`WitnessKey::to_text`] wrote; a missing last newline is forgiven.
    ///
    /// # Errors
    /// [`AttestError::Notation`], without repeating the text.
    pub fn from_text(text: &str) -> Result<Self, AttestError> {
        let line = text.strip_suffix('\n').unwrap_or(text);
        let read = || {
            let (name, rest) = line.strip_prefix(PRIVATE)?.split_once('+')?;
            let bytes = Zeroizing::new(decoded::<33>(rest.split_once('+')?.1)?);
            let (_, seed) = bytes.split_first_chunk::<1>()?;
            let key = Self::from_random(name, Zeroizing::new(seed.try_into().ok()?)).ok()?;
            let same = key.to_text().strip_suffix('\n') == Some(line);
            same.then_some(key)
        };
        read().ok_or_else(|| AttestError::Notation {
            what: "witness's private key",
            text: "(not shown)".to_owned(),
        })
    }

    fn sign(&self, checkpoint: &Checkpoint, time: UnixSeconds) -> String {
        let signature = self.key.sign(&signed(checkpoint.note(), time));
        let id = self.witness.id();
        let blob = [id.as_slice(), &time.0.to_be_bytes(), &signature.to_bytes()].concat();
        let (name, blob) = (&self.witness.name, Base64::encode_string(&blob));
        format!("{}\u{2014} {name} {blob}\n", checkpoint.text())
    }
}

impl fmt::Debug for WitnessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WitnessKey({})", self.witness)
    }
}

/// What a cosignature is over.
fn signed(note: &[u8], UnixSeconds(time): UnixSeconds) -> Vec<u8> {
    [format!("cosignature/v1\ntime {time}\n").as_bytes(), note].concat()
}

/// A witness's line under a checkpoint, as read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cosignature {
    name: String,
    id: [u8; 4],
    pub(crate) time: UnixSeconds,
    signature: [u8; 64],
}

impl Cosignature {
    fn parse(line: &str) -> Option<Self> {
        let (name, blob) = line.strip_prefix("\u{2014} ")?.split_once(' ')?;
        let bytes = decoded::<76>(blob).filter(|bytes| Base64::encode_string(bytes) == blob)?;
        let (id, rest) = bytes.split_first_chunk::<4>()?;
        let (time, signature) = rest.split_first_chunk::<8>()?;
        Some(Self {
            name: is_name(name).then(|| name.to_owned())?,
            id: *id,
            time: UnixSeconds::new(u64::from_be_bytes(*time))?,
            signature: signature.try_into().ok()?,
        })
    }
}

/// A checkpoint that came back from a witness, as read: neither signature has been checked.
pub struct Cosigned {
    pub(crate) checkpoint: checkpoint::Unchecked,
    pub(crate) by: Cosignature,
}

impl Cosigned {
    /// Reads a cosigned note; its text must be exactly what a witness writes.
    ///
    /// # Errors
    /// [`AttestError::Malformed`].
    pub fn parse(bytes: &[u8]) -> Result<Self, AttestError> {
        let found = Self::read(bytes);
        found.map_err(|why| AttestError::Malformed {
            what: "the cosigned note",
            why: why.to_owned(),
        })
    }

    pub(crate) fn read(bytes: &[u8]) -> Result<Self, &'static str> {
        const FORM: &str = "it is not a checkpoint that a witness has cosigned";
        let without = bytes.strip_suffix(b"\n").ok_or(FORM)?;
        let line = without.iter().rposition(|byte| *byte == b'\n');
        let at = line.ok_or(FORM)?.saturating_add(1);
        let (note, line) = without.split_at_checked(at).ok_or(FORM)?;
        let line = std::str::from_utf8(line).map_err(|_| FORM)?;
        let by = Cosignature::parse(line).ok_or(FORM)?;
        let checkpoint = checkpoint::Unchecked::parse(note)?;
        match checkpoint.said().sum {
            Sum::Root(_) => Ok(Self { checkpoint, by }),
            Sum::Head(_) => Err("its checkpoint is of version 1, which has no tree"),
        }
    }

    /// Whether `witness` made the cosignature.
    pub fn is_by(&self, witness: &Witness) -> bool {
        let message = signed(self.checkpoint.note(), self.by.time);
        witness.is_named_by(&self.by) && witness.public.signed(&message, &self.by.signature)
    }

    /// What the witness calls itself.
    pub fn witness(&self) -> &str {
        &self.by.name
    }

    /// How many entries were there.
    pub fn size(&self) -> u64 {
        self.checkpoint.said().size
    }

    /// When they were, by the witness's clock.
    pub fn time(&self) -> UnixSeconds {
        self.by.time
    }
}

/// Under which name a cosigned note lies in a ledger folder: by its content, so that laying it there twice changes nothing.
pub fn cosigned_name(bytes: &[u8]) -> String {
    format!("{FILE}{}", Digest::of(bytes).hex())
}

/// The checkpoint in `bytes`, whether or not a witness has cosigned it.
pub(crate) fn kept_checkpoint(bytes: &[u8]) -> Result<checkpoint::Unchecked, &'static str> {
    match checkpoint::Unchecked::parse(bytes) {
        Ok(checkpoint) => Ok(checkpoint),
        Err(why) => Cosigned::read(bytes)
            .map(|cosigned| cosigned.checkpoint)
            .map_err(|_| why),
    }
}

/// What a witness is asked to cosign: proven, by the roots that it trusts.
#[derive(Debug)]
pub struct Request {
    checkpoint: Checkpoint,
    /// What the ledger is proven to begin with.
    since: Option<Said>,
}

impl Request {
    /// Reads a proof; the report says what it is worth.
    pub fn read(bytes: &[u8], roots: &Roots) -> (Report, Option<Self>) {
        let (report, shown) = proven(bytes, roots, None);
        let request = shown.map(|(checkpoint, since)| Self { checkpoint, since });
        (report, request)
    }

    /// Hash of the first line of the ledger that it is about, under which the witness keeps the last note.
    pub fn log(&self) -> Digest {
        self.checkpoint.log()
    }

    /// The cosigned note, if the ledger goes on from `last`, the note of that ledger that this witness cosigned last. It may be given out once it is
    /// durably in the place of `last`.
    ///
    /// # Errors
    /// [`AttestError::Malformed`] when `last` is not this witness's own; [`AttestError::Parted`] when the ledger does not go on from it, or the clock went back.
    pub fn cosign(
        &self,
        key: &WitnessKey,
        last: Option<&[u8]>,
        now: UnixSeconds,
    ) -> Result<String, AttestError> {
        if let Some(last) = last {
            let last = Cosigned::parse(last)?;
            let said = last.checkpoint.said();
            if !last.is_by(&key.witness) || said.log != self.log() {
                return Err(AttestError::Malformed {
                    what: "the note that was cosigned last",
                    why: "it is another witness's or another ledger's".to_owned(),
                });
            }
            self.goes_on(&said)?;
            if now < last.by.time {
                return Err(parted(&said, "and the clock stands before that moment"));
            }
        }
        Ok(key.sign(&self.checkpoint, now))
    }

    fn goes_on(&self, last: &Said) -> Result<(), AttestError> {
        match &self.since {
            Some(since) if since == last => Ok(()),
            Some(since) if since.size == last.size => Err(parted(
                last,
                "and the ledger now begins with others: two histories",
            )),
            _ => Err(parted(last, "and the proof does not begin there")),
        }
    }
}

fn parted(last: &Said, why: &'static str) -> AttestError {
    let size = last.size;
    AttestError::Parted { size, why }
}
