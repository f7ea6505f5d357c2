//! The signed checkpoint: a C2SP tlog-checkpoint that says how long the ledger is and what it holds (SPEC.md section 8). Pure.

use base64ct::{Base64, Encoding};

use crate::LIMITS;
use crate::digest::Digest;
use crate::evidence::SessionId;
use crate::keys::{SessionKey, SessionPublic};

/// First part of a checkpoint's origin; the version and the log's first line hash follow.
const ORIGIN: &str = "cloister-ledger/v";
/// Ed25519 in C2SP signed-note.
const NOTE_ED25519: u8 = 1;

/// A checkpoint as written, signed by the session that ended there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    said: Said,
    text: String,
}

/// What a checkpoint says of a ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Said {
    /// Hash of the ledger's first line, which names the ledger.
    pub(crate) log: Digest,
    /// Entries.
    pub(crate) size: u64,
    /// What stands for all of them.
    pub(crate) sum: Sum,
}

/// What stands for the entries that a checkpoint counts. Either is a hash over every byte of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sum {
    /// In version 1, the hash of the last line.
    Head(Digest),
    /// From version 2 on, the root of the Merkle tree over the lines.
    Root(Digest),
}

impl Sum {
    /// The version of the entries that it stands for the last of.
    pub(crate) const fn version(self) -> u64 {
        match self {
            Self::Head(_) => 1,
            Self::Root(_) => 2,
        }
    }

    pub(crate) const fn digest(&self) -> &Digest {
        match self {
            Self::Head(digest) | Self::Root(digest) => digest,
        }
    }
}

/// A checkpoint as read; whose it is remains to be checked.
pub(crate) struct Unchecked {
    checkpoint: Checkpoint,
    signer: String,
    key_id: [u8; 4],
    signature: [u8; 64],
}

impl Checkpoint {
    /// Signs what the ledger holds, for the session that ended there.
    pub(crate) fn sign(said: Said, session: SessionId, key: &SessionKey) -> Self {
        let note = note(&said);
        let signer = signer(session);
        let blob = [
            key_id(&signer, NOTE_ED25519, key.public().as_bytes()).as_slice(),
            &key.sign(note.as_bytes()),
        ]
        .concat();
        let text = format!(
            "{note}\n\u{2014} {signer} {}\n",
            Base64::encode_string(&blob)
        );
        Self { said, text }
    }

    /// The file's text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The lines that its signatures are over.
    pub(crate) fn note(&self) -> &[u8] {
        signed_part(&self.text)
    }

    /// How many entries it counts.
    pub fn size(&self) -> u64 {
        self.said.size
    }

    /// Hash of the ledger's first line, which names the ledger.
    pub fn log(&self) -> Digest {
        self.said.log
    }
}

impl Unchecked {
    /// Reads a checkpoint; its text must be exactly what we would write.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, &'static str> {
        const FORM: &str = "it is not a checkpoint of a ledger";
        if bytes.len() > LIMITS.checkpoint {
            return Err("it is too long for a checkpoint");
        }
        let text = std::str::from_utf8(bytes).map_err(|_| FORM)?;
        let (note_text, rest) = text.split_once("\n\n").ok_or(FORM)?;
        let mut lines = note_text.split('\n');
        let (Some(origin), Some(size), Some(sum), None) =
            (lines.next(), lines.next(), lines.next(), lines.next())
        else {
            return Err(FORM);
        };
        let origin = origin.strip_prefix(ORIGIN).ok_or(FORM)?;
        let (version, log) = origin.split_once('/').ok_or(FORM)?;
        let mut raw = [0_u8; 32];
        let decoded = Base64::decode(sum, &mut raw).map_err(|_| FORM)?.len();
        let sum = match version {
            "1" => Sum::Head(Digest::from_bytes(raw)),
            "2" => Sum::Root(Digest::from_bytes(raw)),
            _ => return Err(FORM),
        };
        let said = Said {
            log: crate::hex::decode_array(log)
                .map(Digest::from_bytes)
                .ok_or(FORM)?,
            size: size.parse().map_err(|_| FORM)?,
            sum,
        };
        let line = rest
            .strip_prefix("\u{2014} ")
            .and_then(|line| line.strip_suffix('\n'))
            .ok_or(FORM)?;
        let (signer, blob) = line.split_once(' ').ok_or(FORM)?;
        let blob: [u8; 68] = Base64::decode_vec(blob)
            .ok()
            .and_then(|blob| blob.try_into().ok())
            .ok_or(FORM)?;
        let (key_id, signature) = blob.split_first_chunk::<4>().ok_or(FORM)?;
        let unchecked = Self {
            signer: signer.to_owned(),
            key_id: *key_id,
            signature: signature.try_into().map_err(|_| FORM)?,
            checkpoint: Checkpoint {
                said,
                text: text.to_owned(),
            },
        };
        // A second spelling (leading zero, sloppy base64) would let bytes change without notice.
        let spelling = format!(
            "{}\n\u{2014} {} {}\n",
            note(&said),
            signer,
            Base64::encode_string(&blob)
        );
        if decoded != 32 || spelling != text {
            Err(FORM)
        } else {
            Ok(unchecked)
        }
    }

    pub(crate) fn said(&self) -> Said {
        self.checkpoint.said
    }

    /// The lines that its signatures are over.
    pub(crate) fn note(&self) -> &[u8] {
        self.checkpoint.note()
    }

    /// Its text; whose it is remains to be checked.
    pub(crate) fn text(&self) -> &str {
        &self.checkpoint.text
    }

    /// The checkpoint, if `public` signed it for `session`.
    pub(crate) fn signed_by(
        self,
        session: SessionId,
        public: &SessionPublic,
    ) -> Result<Checkpoint, &'static str> {
        let name = signer(session);
        if self.signer != name || self.key_id != key_id(&name, NOTE_ED25519, public.as_bytes()) {
            return Err(
                "the checkpoint is signed by another session than the one that ended there",
            );
        }
        if !public.signed(self.note(), &self.signature) {
            return Err("the checkpoint's signature is not the session key's");
        }
        Ok(self.checkpoint)
    }
}

/// The lines that a checkpoint's signature is over.
pub(crate) fn note(Said { log, size, sum }: &Said) -> String {
    format!(
        "{ORIGIN}{}/{}\n{size}\n{}\n",
        sum.version(),
        log.hex(),
        Base64::encode_string(sum.digest().as_bytes())
    )
}

/// The key of a session as the text that C2SP's verifiers of notes take.
pub(crate) fn note_key(session: SessionId, public: &SessionPublic) -> String {
    let name = signer(session);
    let id = crate::hex::encode(&key_id(&name, NOTE_ED25519, public.as_bytes()));
    let key = [&[NOTE_ED25519], public.as_bytes().as_slice()].concat();
    format!("{name}+{id}+{}", Base64::encode_string(&key))
}

fn signer(session: SessionId) -> String {
    format!("session-{session}")
}

/// What stands before the empty line of a note.
fn signed_part(text: &str) -> &[u8] {
    let end = text.find("\n\n").map_or(0, |at| at.saturating_add(1));
    text.as_bytes().get(..end).unwrap_or_default()
}

/// C2SP signed-note: the first four bytes of SHA-256 over name, newline, algorithm and key.
pub(crate) fn key_id(name: &str, algorithm: u8, public: &[u8; 32]) -> [u8; 4] {
    let digest = Digest::of_parts(&[name.as_bytes(), b"\n", &[algorithm], public]);
    let [a, b, c, d, ..] = *digest.as_bytes();
    [a, b, c, d]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The note of Go's `sumdb/note` and its tests (BSD-3-Clause), which every implementation repeats, the crate signed_note 0.2.0 (BSD-3-Clause) among them.
    #[test]
    fn ids_and_signatures_are_those_of_go() {
        const KEY: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
        const TEXT: &str = "If you think cryptography is the answer to your problem,\n\
            then you don't know what your problem is.\n";
        const SIGNED: &str = "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=";
        let (name, rest) = KEY.split_once('+').unwrap();
        let (id, key) = rest.split_once('+').unwrap();
        let key: [u8; 33] = Base64::decode_vec(key).unwrap().try_into().unwrap();
        let public: [u8; 32] = key[1..].try_into().unwrap();
        assert_eq!(key[0], NOTE_ED25519);
        assert_eq!(crate::hex::encode(&key_id(name, NOTE_ED25519, &public)), id);
        let blob = Base64::decode_vec(SIGNED).unwrap();
        assert_eq!(crate::hex::encode(&blob[..4]), id);
        let public = format!("ed25519:{}", crate::hex::encode(&public));
        let public: SessionPublic = public.parse().unwrap();
        let signature: [u8; 64] = blob[4..].try_into().unwrap();
        assert!(public.signed(TEXT.as_bytes(), &signature));
        assert!(!public.signed(&TEXT.as_bytes()[1..], &signature));
    }
}
