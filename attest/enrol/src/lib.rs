//! Enrolment of an attestation key without standing at the device: what the admin's machine, which has no TPM, checks and makes (`attest/SPEC.md` section 18).
//! Pure: randomness, time and files are passed in; reads hostile bytes.

mod certificate;
mod credential;
mod document;
mod endorsement;
mod error;
#[cfg(test)]
mod tests;

pub use certificate::{Makers, Moment};
pub use credential::{Credential, Drawn, make_credential};
pub use document::{Answer, Challenge, Checked, Pending, Request, Trusting};
pub use endorsement::EndorsementKey;
pub use error::EnrolError;
