//! Contents that an entry names and does not say: salted commitments, and the sealed form in which salt and bytes are kept beside the ledger
//! (SPEC.md section 20). Pure: random bytes and files are passed in.

use std::fmt;
use std::str::FromStr;

use base64ct::{Base64, Encoding};
use chacha20poly1305::ChaCha20Poly1305;
use chacha20poly1305::aead::{Aead, KeyInit, Nonce, Payload};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::digest::Digest;
use crate::error::AttestError;
use crate::hex;

/// Stands before salt and bytes in the hash that commits to them.
const COMMITMENT_DOMAIN: &[u8] = b"cloister-content/v1\0";
/// Stands before the session's key in the hash that gives the key of one content.
const KEY_DOMAIN: &[u8] = b"cloister-content-key/v1\0";
/// What a commitment's text begins with.
const PREFIX: &str = "commit:";
/// What the text of a key file begins with.
const KEY_PREFIX: &str = "contents-key:";
/// Bytes of a salt: as many as the hash has, so that guessing it is no easier than breaking that.
const SALT: usize = 32;

/// Binds to a content and tells nothing of it to whoever does not have its salt. Text form `commit:<64 lower-case hex digits>`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Commitment(Digest);

/// What stands in an entry for arguments or an output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContentHash {
    /// In versions 1 and 2, the digest: whoever guesses the bytes can tell that they are these.
    Plain(Digest),
    /// From version 3 on.
    Salted(Commitment),
}

/// A content and its salt. Wiped when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Content {
    salt: Zeroizing<[u8; SALT]>,
    bytes: Zeroizing<Vec<u8>>,
}

/// The key under which a session's contents are kept. Without it none of them can be opened. Wiped when dropped.
pub struct ContentsKey(Zeroizing<[u8; 32]>);

impl Content {
    /// `bytes` under a salt from the system's random source, drawn by the caller for these bytes alone.
    pub fn new(salt: [u8; SALT], bytes: Vec<u8>) -> Self {
        let (salt, bytes) = (Zeroizing::new(salt), Zeroizing::new(bytes));
        Self { salt, bytes }
    }

    /// What binds to it.
    pub fn commitment(&self) -> Commitment {
        Commitment(Digest::of_parts(&[
            COMMITMENT_DOMAIN,
            self.salt.as_slice(),
            &self.bytes,
        ]))
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The salt: whoever has it can try out what the bytes are.
    pub fn salt(&self) -> &[u8; SALT] {
        &self.salt
    }

    /// The line that keeps it, with its newline.
    ///
    /// # Errors
    /// [`AttestError::Content`] for bytes beyond what the cipher takes under one key (256 GiB).
    pub fn seal(&self, key: &ContentsKey) -> Result<String, AttestError> {
        let commitment = self.commitment();
        let plain = Zeroizing::new([self.salt.as_slice(), &self.bytes].concat());
        let sealed = key.cipher(commitment).encrypt(
            &Nonce::<ChaCha20Poly1305>::default(),
            commitment.over(&plain),
        );
        let sealed = sealed.map_err(|_| commitment.fault("is too long to be kept"))?;
        Ok(format!("{commitment} {}\n", Base64::encode_string(&sealed)))
    }

    /// Opens the content that `commitment` binds to, from the lines that keep a session's contents.
    ///
    /// # Errors
    /// [`AttestError::Content`], which names the commitment, when no line is its or the line is not as it was sealed under this key.
    pub fn open(
        lines: &[u8],
        commitment: Commitment,
        key: &ContentsKey,
    ) -> Result<Self, AttestError> {
        let name = format!("{commitment} ");
        let sealed = lines
            .split_inclusive(|byte| *byte == b'\n')
            .find_map(|line| line.strip_prefix(name.as_bytes()))
            .ok_or_else(|| commitment.fault("is not kept"))?;
        Self::unseal(sealed, commitment, key)
            .ok_or_else(|| commitment.fault("is not kept as it was sealed"))
    }

    fn unseal(sealed: &[u8], commitment: Commitment, key: &ContentsKey) -> Option<Self> {
        let text = std::str::from_utf8(sealed.strip_suffix(b"\n")?).ok()?;
        let sealed = Base64::decode_vec(text).ok()?;
        let plain = key.cipher(commitment).decrypt(
            &Nonce::<ChaCha20Poly1305>::default(),
            commitment.over(&sealed),
        );
        let plain = Zeroizing::new(plain.ok()?);
        let (salt, bytes) = plain.split_first_chunk()?;
        let content = Self::new(*salt, bytes.to_vec());
        (content.commitment() == commitment).then_some(content)
    }
}

impl ContentsKey {
    /// A key from 32 bytes of the system's random source, drawn by the caller.
    pub fn from_random(bytes: Zeroizing<[u8; 32]>) -> Self {
        Self(bytes)
    }

    /// The text of the file that keeps it: one line, `contents-key:<64 hex digits>`. Wiped when dropped.
    pub fn to_text(&self) -> Zeroizing<String> {
        let digits = Zeroizing::new(hex::encode(self.0.as_slice()));
        Zeroizing::new(format!("{KEY_PREFIX}{}\n", digits.as_str()))
    }

    /// Reads what [`ContentsKey::to_text`] wrote.
    ///
    /// # Errors
    /// [`AttestError::Notation`], without repeating the text.
    pub fn from_text(text: &str) -> Result<Self, AttestError> {
        text.strip_suffix('\n')
            .and_then(|line| line.strip_prefix(KEY_PREFIX))
            .and_then(hex::decode_array)
            .map(|bytes| Self(Zeroizing::new(bytes)))
            .ok_or_else(|| AttestError::Notation {
                what: "key of contents",
                text: "(not shown)".to_owned(),
            })
    }

    /// What seals one content, and never another: a commitment stands for one salt and one row of bytes, so that one nonce is enough.
    fn cipher(&self, commitment: Commitment) -> ChaCha20Poly1305 {
        let mut key = Zeroizing::new([0; 32]);
        let mut hasher = Sha256::new();
        hasher.update(KEY_DOMAIN);
        hasher.update(self.0.as_slice());
        hasher.update(commitment.0.as_bytes());
        hasher.finalize_into((&mut *key).into());
        ChaCha20Poly1305::new((&*key).into())
    }
}

impl fmt::Debug for ContentsKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ContentsKey(not shown)")
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Content({})", self.commitment())
    }
}

impl Commitment {
    /// Sealed under this name, and under no other.
    fn over<'a>(&'a self, msg: &'a [u8]) -> Payload<'a, 'a> {
        let aad = self.0.as_bytes();
        Payload { msg, aad }
    }

    fn fault(self, why: &'static str) -> AttestError {
        AttestError::Content {
            commitment: self,
            why,
        }
    }
}

impl fmt::Display for Commitment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}", self.0.hex())
    }
}

impl fmt::Debug for Commitment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Commitment {
    type Err = AttestError;

    fn from_str(text: &str) -> Result<Self, AttestError> {
        text.strip_prefix(PREFIX)
            .and_then(hex::decode_array)
            .map(|bytes| Self(Digest::from_bytes(bytes)))
            .ok_or_else(|| AttestError::Notation {
                what: "commitment",
                text: text.to_owned(),
            })
    }
}

impl From<Commitment> for ContentHash {
    fn from(commitment: Commitment) -> Self {
        Self::Salted(commitment)
    }
}

impl fmt::Display for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain(digest) => fmt::Display::fmt(digest, f),
            Self::Salted(commitment) => fmt::Display::fmt(commitment, f),
        }
    }
}

impl Serialize for ContentHash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ContentHash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let read = match text.starts_with(PREFIX) {
            true => text.parse().map(Self::Salted),
            false => text.parse().map(Self::Plain),
        };
        read.map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(seed: u8) -> ContentsKey {
        ContentsKey::from_random(Zeroizing::new([seed; 32]))
    }

    fn content(salt: u8, bytes: &[u8]) -> Content {
        Content::new([salt; SALT], bytes.to_vec())
    }

    /// What is said when `lines` do not give `of`, and that it is named.
    fn refused(lines: &[u8], of: &Content, key: &ContentsKey) -> &'static str {
        match Content::open(lines, of.commitment(), key).unwrap_err() {
            AttestError::Content { commitment, why } if commitment == of.commitment() => why,
            other => panic!("{other}"),
        }
    }

    const CHANGED: &str = "is not kept as it was sealed";

    /// The answer is Python's, of `hashlib`.
    #[test]
    fn known_answer_and_strict_notation() {
        let commitment = content(7, b"{}").commitment();
        let text = commitment.to_string();
        assert_eq!(
            text,
            "commit:49fa95799f15f055724b4910b31d2a829a395117663bf7fce2f9becf12761529"
        );
        assert_eq!(text.parse::<Commitment>().unwrap(), commitment);
        for bad in [
            &text.to_uppercase(),
            text.trim_start_matches("commit:"),
            &text.replace("commit:", "sha256:"),
            &format!("{text}0"),
            "",
        ] {
            assert!(bad.parse::<Commitment>().is_err(), "{bad}");
        }
    }

    /// The answer is OpenSSL's and Python's: the key of this content alone, and its commitment as associated data.
    #[test]
    fn a_content_is_sealed_as_others_seal_it() {
        let line = "commit:49fa95799f15f055724b4910b31d2a829a395117663bf7fce2f9becf12761529 \
                    ZAO8+MQAmlsypwmWM7uM1zF3LJ49VRndN2B2f6OFryKBK5nN55NrSPO/yhFsFwi3pHA=\n";
        let content = content(7, b"{}");
        assert_eq!(content.seal(&key(5)).unwrap(), line);
        let opened = Content::open(line.as_bytes(), content.commitment(), &key(5));
        assert_eq!(opened.unwrap(), content);
    }

    /// Whoever has the session's key seals anything under any name.
    #[test]
    fn what_opens_under_a_name_that_is_not_its_own_is_refused() {
        let (named, other) = (content(1, b"named").commitment(), content(2, b"other"));
        let plain = [other.salt().as_slice(), other.bytes()].concat();
        let nonce = Nonce::<ChaCha20Poly1305>::default();
        let sealed = key(5).cipher(named).encrypt(&nonce, named.over(&plain));
        let line = format!("{named} {}\n", Base64::encode_string(&sealed.unwrap()));
        assert_eq!(
            refused(line.as_bytes(), &content(1, b"named"), &key(5)),
            CHANGED
        );
    }

    #[test]
    fn a_key_is_read_as_it_was_written_and_never_shown() {
        let text = key(5).to_text();
        let sealed = content(1, b"{}").seal(&key(5)).unwrap();
        let read = ContentsKey::from_text(&text).unwrap();
        assert_eq!(content(1, b"{}").seal(&read).unwrap(), sealed);
        let digits = "05".repeat(32);
        assert!(text.contains(&digits) && !format!("{read:?}").contains(&digits));
        for bad in [text.trim_end(), &text.to_uppercase(), "", &sealed] {
            let error = ContentsKey::from_text(bad).unwrap_err().to_string();
            assert!(!error.contains(&digits), "{error}");
        }
    }

    #[test]
    fn the_same_bytes_twice_have_nothing_in_common() {
        let (one, other) = (content(1, b"{}"), content(2, b"{}"));
        assert_ne!(one.commitment(), other.commitment());
        let sealed = |content: &Content| {
            let line = content.seal(&key(5)).unwrap();
            line.split_once(' ').unwrap().1.to_owned()
        };
        assert_ne!(sealed(&one), sealed(&other));
    }

    #[test]
    fn what_is_swapped_missing_or_under_another_key_is_refused_by_name() {
        let (one, other) = (content(1, b"one"), content(2, b"other"));
        let line = |of: &Content| of.seal(&key(5)).unwrap();
        let both = format!("{}{}", line(&one), line(&other));
        for of in [&one, &other] {
            let opened = Content::open(both.as_bytes(), of.commitment(), &key(5)).unwrap();
            assert_eq!(&opened, of);
        }
        let swapped = line(&other).replace(
            &other.commitment().to_string(),
            &one.commitment().to_string(),
        );
        assert_eq!(refused(swapped.as_bytes(), &one, &key(5)), CHANGED);
        assert_eq!(refused(both.as_bytes(), &one, &key(6)), CHANGED);
        assert_eq!(
            refused(line(&other).as_bytes(), &one, &key(5)),
            "is not kept"
        );
        assert_eq!(refused(b"", &one, &key(5)), "is not kept");
    }

    #[test]
    fn each_bit_and_each_byte_of_a_line_counts() {
        let content = content(1, b"some arguments");
        let line = content.seal(&key(5)).unwrap().into_bytes();
        for at in 0..line.len() {
            refused(&line[..at], &content, &key(5));
            for bit in 0..8 {
                let mut flipped = line.clone();
                flipped[at] ^= 1 << bit;
                refused(&flipped, &content, &key(5));
            }
        }
    }

    proptest! {
        #[test]
        fn what_is_sealed_is_opened_and_only_that(
            salts in any::<[[u8; SALT]; 2]>(),
            bytes in prop::collection::vec(any::<u8>(), 0..300),
            seed in any::<[u8; 32]>(),
        ) {
            let key = ContentsKey::from_random(Zeroizing::new(seed));
            let content = Content::new(salts[0], bytes.clone());
            let line = content.seal(&key).unwrap();
            let opened = Content::open(line.as_bytes(), content.commitment(), &key).unwrap();
            prop_assert_eq!(opened.bytes(), bytes.as_slice());
            prop_assert_eq!(opened.salt(), &salts[0]);
            let shared = bytes.len() > 8 && line.as_bytes().windows(bytes.len()).any(|w| w == bytes);
            prop_assert!(!shared, "in the clear");
            let other = Content::new(salts[1], bytes.clone());
            prop_assert_eq!(other.commitment() == content.commitment(), salts[0] == salts[1]);
            let longer = Content::new(salts[0], [bytes, vec![0]].concat());
            prop_assert_ne!(longer.commitment(), content.commitment());
        }
    }
}
