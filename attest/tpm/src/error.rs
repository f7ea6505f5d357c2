//! The one error of this crate. Lower case, culprit in backticks; `hint` says what a person can do.

use std::io::ErrorKind;

/// What can go wrong with a TPM.
#[derive(Debug, thiserror::Error)]
pub enum TpmError {
    /// A name that stands for no TPM.
    #[error("`{tcti}` does not name a TPM")]
    Name {
        /// As given.
        tcti: String,
    },
    /// The TPM's device cannot be opened.
    #[error("the TPM `{path}` cannot be opened: {source}")]
    Device {
        /// Which.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// The TPM or the TSS libraries refused.
    #[error("could not {doing}: {source}")]
    Tss {
        /// What was being done.
        doing: &'static str,
        /// What they said.
        source: tss_esapi::Error,
    },
    /// The way to the TPM broke.
    #[error("the TPM cannot be reached: {source}")]
    Wire {
        /// Why.
        source: std::io::Error,
    },
    /// The TPM refused a command.
    #[error("the TPM refused with code `{code:#x}`")]
    Code {
        /// `TPM_RC`, TPM 2.0 part 2 section 6.6.
        code: u32,
    },
    /// The PCRs asked for cannot be quoted.
    #[error("the PCRs cannot be quoted: {why}")]
    Pcrs {
        /// Why.
        why: &'static str,
    },
    /// The TPM answered with something that our verifier would refuse.
    #[error("the TPM gave a key that cannot be used: {0}")]
    Answer(#[source] cloister_attest::AttestError),
    /// The TPM answered with something else than was asked for.
    #[error("the TPM did not answer with {wanted}")]
    Unexpected {
        /// What was asked for.
        wanted: &'static str,
    },
}

impl TpmError {
    pub(crate) fn doing(doing: &'static str) -> impl FnOnce(tss_esapi::Error) -> Self {
        move |source| Self::Tss { doing, source }
    }

    pub(crate) fn unexpected(wanted: &'static str) -> Self {
        Self::Unexpected { wanted }
    }

    /// What the person can do about it, if anything.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Name { .. } => "name it `device:/dev/tpmrm0` or `swtpm:host=127.0.0.1,port=2321`",
            Self::Device { source, .. } if source.kind() == ErrorKind::PermissionDenied => {
                "join the group that may use the TPM: `sudo usermod -aG tss $USER`, then log in again"
            }
            Self::Device { .. } => {
                "turn the TPM on in the firmware's set-up, or allow attestation `none` in the policy"
            }
            Self::Tss {
                doing: "open the TPM",
                ..
            } => "look whether the TPM is there and no other program holds it",
            Self::Tss {
                doing: "make the attestation key",
                ..
            } => "the TPM's owner hierarchy must be enabled and have no password",
            Self::Wire { .. } => "look whether the TPM is there and no other program holds it",
            Self::Tss { .. } | Self::Unexpected { .. } | Self::Code { .. } => {
                "try again; if it stays so, restart the machine to reset its TPM"
            }
            Self::Pcrs { .. } => "turn on the TPM's SHA-256 bank in the firmware's set-up",
            Self::Answer(_) => return None,
        };
        Some(hint.to_owned())
    }
}
