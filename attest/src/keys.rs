//! Ed25519 keys (RFC 8032): the admin's, which signs pins and policy, and a session's, which lives in memory only. Pure.

use std::fmt;
use std::str::FromStr;

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::error::AttestError;
use crate::hex;

/// Stands before a key in the hash that gives the next.
const EPOCH_DOMAIN: &[u8] = b"cloister-epoch/v1\0";

/// An Ed25519 public key as text: `ed25519:` and 64 lower-case hex digits. Keys of small order are refused.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Public(VerifyingKey);

impl Public {
    /// Strict verification: no small-order keys or points, no second encoding of a signature (RFC 8032 section 5.1.7,
    /// cofactorless, plus the checks of `verify_strict`).
    fn verify(
        &self,
        message: &[u8],
        signature: &[u8; 64],
    ) -> Result<(), ed25519_dalek::SignatureError> {
        self.0
            .verify_strict(message, &Signature::from_bytes(signature))
    }
}

impl fmt::Display for Public {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ed25519:{}", hex::encode(self.0.as_bytes()))
    }
}

impl FromStr for Public {
    type Err = AttestError;

    fn from_str(text: &str) -> Result<Self, AttestError> {
        text.strip_prefix("ed25519:")
            .and_then(hex::decode_array)
            .and_then(|bytes| VerifyingKey::from_bytes(&bytes).ok())
            // `from_bytes` accepts a second encoding of some points; the text must be the one we would write.
            .filter(|key| {
                !key.is_weak()
                    && format!(
                        "ed25519:{}",
                        hex::encode(key.to_edwards().compress().as_bytes())
                    ) == text
            })
            .map(Self)
            .ok_or_else(|| AttestError::Notation {
                what: "public key",
                text: text.to_owned(),
            })
    }
}

macro_rules! public_key {
    ($(#[$doc:meta])* $vis:vis struct $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq)]
        $vis struct $name(Public);

        impl $name {
            /// The 32 bytes of the key.
            $vis fn as_bytes(&self) -> &[u8; 32] {
                self.0.0.as_bytes()
            }

            /// Whether `signature` is this key's over `message`; strict, see [`ed25519_dalek::VerifyingKey::verify_strict`].
            pub(crate) fn signed(&self, message: &[u8], signature: &[u8; 64]) -> bool {
                self.0.verify(message, signature).is_ok()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl FromStr for $name {
            type Err = AttestError;

            fn from_str(text: &str) -> Result<Self, AttestError> {
                text.parse().map(Self)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

public_key! {
    /// The admin's public key: the root of every pin. Text form `ed25519:<64 hex digits>`.
    pub struct AdminPublic
}

public_key! {
    /// A witness's public key, without its name.
    pub(crate) struct WitnessPublic
}

impl WitnessPublic {
    pub(crate) fn of(key: &SigningKey) -> Self {
        Self(Public(key.verifying_key()))
    }
}

public_key! {
    /// A session's public key, bound by the session's statement. Text form `ed25519:<64 hex digits>`.
    pub struct SessionPublic
}

/// The admin's private key. It signs locks and policy bundles; wiped when dropped.
pub struct AdminKey(SigningKey);

impl AdminKey {
    /// A key from 32 bytes of the system's random source, drawn by the caller.
    pub fn from_random(seed: Zeroizing<[u8; 32]>) -> Self {
        Self(SigningKey::from_bytes(&seed))
    }

    /// The public half.
    pub fn public(&self) -> AdminPublic {
        AdminPublic(Public(self.0.verifying_key()))
    }

    /// The text of a private key file: one line, `ed25519-private:<64 hex digits>`. Wiped when dropped.
    pub fn to_text(&self) -> Zeroizing<String> {
        let digits = Zeroizing::new(hex::encode(self.0.as_bytes()));
        Zeroizing::new(format!("ed25519-private:{}\n", digits.as_str()))
    }

    /// Reads what [`AdminKey::to_text`] wrote; a missing last newline is forgiven.
    ///
    /// # Errors
    /// [`AttestError::Notation`], without repeating the text.
    pub fn from_text(text: &str) -> Result<Self, AttestError> {
        let line = text.strip_suffix('\n').unwrap_or(text);
        line.strip_prefix("ed25519-private:")
            .and_then(hex::decode_array)
            .map(|seed| Self::from_random(Zeroizing::new(seed)))
            .ok_or_else(|| AttestError::Notation {
                what: "private key",
                text: "(not shown)".to_owned(),
            })
    }

    pub(crate) fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message).to_bytes()
    }
}

impl fmt::Debug for AdminKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AdminKey({})", self.public())
    }
}

/// A session's private key: born in memory, never written, wiped when dropped.
pub struct SessionKey(SigningKey);

impl SessionKey {
    /// A key from 32 bytes of the system's random source, drawn by the caller.
    pub fn from_random(seed: Zeroizing<[u8; 32]>) -> Self {
        Self(SigningKey::from_bytes(&seed))
    }

    /// The key that follows in the session: a hash of this one, so that whoever takes it learns nothing of this one.
    pub(crate) fn next(&self) -> Self {
        let mut seed = Zeroizing::new([0; 32]);
        let mut hasher = Sha256::new();
        hasher.update(EPOCH_DOMAIN);
        hasher.update(self.0.as_bytes());
        hasher.finalize_into((&mut *seed).into());
        Self::from_random(seed)
    }

    /// The public half, which names the session.
    pub fn public(&self) -> SessionPublic {
        SessionPublic(Public(self.0.verifying_key()))
    }

    pub(crate) fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message).to_bytes()
    }
}

impl fmt::Debug for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionKey({})", self.public())
    }
}
