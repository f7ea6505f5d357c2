//! Sealed documents: text whose last line is the admin's signature over every byte before it (SPEC.md section 9). Pure.

use crate::error::AttestError;
use crate::hex;
use crate::keys::{AdminKey, AdminPublic};

/// What a sealed document is for. It is part of what is signed, so one kind cannot stand in for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// `models.lock`.
    ModelsLock,
    /// `tools.lock`.
    ToolsLock,
    /// The manifest of a policy bundle.
    PolicyBundle,
    /// A sealed copy of the trust roots.
    Roots,
    /// An attestation key that a device asked to have enrolled.
    Enrolment,
}

impl Purpose {
    /// The name that is signed and shown.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ModelsLock => "models.lock",
            Self::ToolsLock => "tools.lock",
            Self::PolicyBundle => "policy bundle",
            Self::Roots => "roots",
            Self::Enrolment => "enrolment",
        }
    }
}

const PREFIX: &str = "signature = \"ed25519:";
const SUFFIX: &str = "\"\n";

/// `body` with the admin's signature as its last line. A missing last newline is added first, and signed.
pub fn seal(body: &str, purpose: Purpose, key: &AdminKey) -> String {
    let newline = if body.ends_with('\n') { "" } else { "\n" };
    let body = format!("{body}{newline}");
    let signature = key.sign(&signed_bytes(&body, purpose));
    format!("{body}{PREFIX}{}{SUFFIX}", hex::encode(&signature))
}

/// The body of a sealed document, if every byte of it is what the admin signed for this purpose.
///
/// # Errors
/// [`AttestError::Seal`].
pub fn unseal<'a>(
    text: &'a str,
    purpose: Purpose,
    key: &AdminPublic,
) -> Result<&'a str, AttestError> {
    let broken = |why| AttestError::Seal {
        purpose: purpose.name(),
        why,
    };
    let unsigned = || broken("its last line is not a signature");
    let stripped = text.strip_suffix(SUFFIX).ok_or_else(unsigned)?;
    let (body, digits) = stripped.rsplit_once(PREFIX).ok_or_else(unsigned)?;
    let signature = hex::decode_array::<64>(digits).ok_or_else(unsigned)?;
    if !body.ends_with('\n') {
        return Err(unsigned());
    }
    if !key.signed(&signed_bytes(body, purpose), &signature) {
        return Err(broken("the signature is not the admin's over these bytes"));
    }
    Ok(body)
}

const VERSION: &str = "version = ";

/// `body` with its version as the first line.
pub fn versioned(body: &str, version: u64) -> String {
    format!("{VERSION}{version}\n{body}")
}

/// The version of a body, and the rest of it. A body that does not begin with one is of version 0.
pub fn version_of(body: &str) -> (u64, &str) {
    let line = body
        .strip_prefix(VERSION)
        .and_then(|rest| rest.split_once('\n'));
    let number = line.and_then(|(digits, rest)| Some((digits.parse().ok()?, digits, rest)));
    match number {
        // One way to write each number.
        Some((version, digits, rest)) if u64::to_string(&version) == digits => (version, rest),
        _ => (0, body),
    }
}

fn signed_bytes(body: &str, purpose: Purpose) -> Vec<u8> {
    [
        b"cloister-sealed/v1\0",
        purpose.name().as_bytes(),
        b"\0",
        body.as_bytes(),
    ]
    .concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use zeroize::Zeroizing;

    fn key(seed: u8) -> AdminKey {
        AdminKey::from_random(Zeroizing::new([seed; 32]))
    }

    #[test]
    fn every_changed_byte_breaks_the_seal() {
        let sealed = seal("[models.m]\nsha256 = \"ab\"", Purpose::ModelsLock, &key(1));
        let public = key(1).public();
        assert_eq!(
            unseal(&sealed, Purpose::ModelsLock, &public).unwrap(),
            "[models.m]\nsha256 = \"ab\"\n"
        );
        for at in 0..sealed.len() {
            for bit in 0..7 {
                let mut bytes = sealed.clone().into_bytes();
                bytes[at] ^= 1 << bit;
                let changed = String::from_utf8(bytes).unwrap();
                assert!(
                    unseal(&changed, Purpose::ModelsLock, &public).is_err(),
                    "byte {at} bit {bit}"
                );
            }
            let mut shorter = sealed.clone();
            shorter.remove(at);
            // Within a run of equal characters a removal at either place gives the same text; it must fail all the same.
            assert!(
                unseal(&shorter, Purpose::ModelsLock, &public).is_err(),
                "without byte {at}"
            );
        }
    }

    #[test]
    fn a_version_is_the_first_line_or_0() {
        for version in [0, 1, 10, u64::MAX] {
            let body = versioned("a = 1\n", version);
            assert_eq!(version_of(&body), (version, "a = 1\n"));
        }
        for body in [
            "a = 1\n",
            "version = 01\n",
            "version = +1\n",
            "version = 1",
            "version = 18446744073709551616\n",
            " version = 1\n",
            "",
        ] {
            assert_eq!(version_of(body), (0, body));
        }
    }

    #[test]
    fn other_keys_and_purposes_do_not_open_it() {
        let sealed = seal("a = 1\n", Purpose::ToolsLock, &key(1));
        assert!(unseal(&sealed, Purpose::ToolsLock, &key(1).public()).is_ok());
        assert!(unseal(&sealed, Purpose::ModelsLock, &key(1).public()).is_err());
        assert!(unseal(&sealed, Purpose::ToolsLock, &key(2).public()).is_err());
        let appended = format!("{sealed}b = 2\n");
        assert!(unseal(&appended, Purpose::ToolsLock, &key(1).public()).is_err());
        assert!(unseal("", Purpose::ToolsLock, &key(1).public()).is_err());
    }
}
