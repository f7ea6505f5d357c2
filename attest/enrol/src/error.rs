//! The one error of this crate. Lower case, culprit in backticks; `hint` says what a person can do.

use cloister_attest::AttestError;

/// Why an enrolment is refused.
#[derive(Debug, thiserror::Error)]
pub enum EnrolError {
    /// A document is not what it should be.
    #[error("the {what} is not as written by us: {why}")]
    Malformed {
        /// Which.
        what: &'static str,
        /// The first thing wrong with it.
        why: String,
    },
    /// The attestation key could sign something that is no quote.
    #[error("the attestation key is refused: {0}")]
    Attestation(#[source] AttestError),
    /// The endorsement key is not one that a credential can be trusted to.
    #[error("the endorsement key is refused: {0}")]
    Endorsement(&'static str),
    /// The certificate does not vouch for the endorsement key.
    #[error("the endorsement key's certificate is refused: {0}")]
    Certificate(String),
    /// The request has no certificate.
    #[error("the request has no certificate of its endorsement key")]
    NoCertificate,
    /// The answer is not to this challenge, or not by the TPM that it was made for.
    #[error("the answer is refused: {0}")]
    Answer(&'static str),
}

impl EnrolError {
    /// What the person can do about it, if anything.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::NoCertificate => {
                "where the maker keeps certificates online, add it to the request; or compare the endorsement key at the device and say --pinned-in-person"
            }
            Self::Certificate(_) => {
                "name the maker's certificates by --makers, and those between by --between"
            }
            Self::Answer(_) => "begin again with a request of the device",
            _ => return None,
        };
        Some(hint.to_owned())
    }
}
