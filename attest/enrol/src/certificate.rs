//! Whether a maker of TPMs vouches for an endorsement key: an X.509 chain. Pure; the time is passed in; reads hostile bytes.

use std::time::Duration;

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, UnixTime};
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};

use crate::endorsement::EndorsementKey;
use crate::error::EnrolError;

/// tcg-kp-EKCertificate, 2.23.133.8.1.
const EK_CERTIFICATE: &[u8] = &[0x67, 0x81, 0x05, 0x08, 0x01];

/// When a certificate is looked at, by the clock of the admin's machine.
#[derive(Debug, Clone, Copy)]
pub struct Moment(UnixTime);

impl Moment {
    /// Seconds since 1970-01-01T00:00:00Z.
    pub fn from_unix(seconds: u64) -> Self {
        Self(UnixTime::since_unix_epoch(Duration::from_secs(seconds)))
    }
}

/// Whom the admin trusts to say which endorsement keys are a TPM's.
#[derive(Debug, Clone, Default)]
pub struct Makers {
    trusted: Vec<CertificateDer<'static>>,
    between: Vec<CertificateDer<'static>>,
}

impl Makers {
    /// Adds the certificates in a file, PEM or DER, as ones that are trusted by themselves.
    ///
    /// # Errors
    /// [`EnrolError::Certificate`].
    pub fn trusting(mut self, file: &[u8]) -> Result<Self, EnrolError> {
        self.trusted.extend(certificates(file)?);
        Ok(self)
    }

    /// Adds certificates that are trusted only if one of the trusted ones issued them.
    ///
    /// # Errors
    /// [`EnrolError::Certificate`].
    pub fn over(mut self, file: &[u8]) -> Result<Self, EnrolError> {
        self.between.extend(certificates(file)?);
        Ok(self)
    }

    /// Whether `certificate` vouches for `ek` at this moment.
    pub(crate) fn vouch(
        &self,
        certificate: &[u8],
        ek: &EndorsementKey,
        at: Moment,
    ) -> Result<(), EnrolError> {
        let refused = |error: webpki::Error| EnrolError::Certificate(error.to_string());
        let anchors = self.trusted.iter().map(anchor_from_trusted_cert);
        let anchors = anchors.collect::<Result<Vec<_>, _>>().map_err(refused)?;
        let der = CertificateDer::from(certificate);
        let found = EndEntityCert::try_from(&der).map_err(refused)?;
        let usage = KeyUsage::required_if_present(EK_CERTIFICATE);
        let between = &self.between;
        found
            .verify_for_usage(
                webpki::ALL_VERIFICATION_ALGS,
                &anchors,
                between,
                at.0,
                usage,
                None,
                None,
            )
            .map_err(refused)?;
        if found.subject_public_key_info().as_ref() != ek.subject_public_key_info() {
            let what = "it is another key's".to_owned();
            return Err(EnrolError::Certificate(what));
        }
        Ok(())
    }
}

/// All certificates of a PEM file, or the one of a DER file.
fn certificates(file: &[u8]) -> Result<Vec<CertificateDer<'static>>, EnrolError> {
    let refused = |what: &str| EnrolError::Certificate(what.to_owned());
    if file.first() == Some(&0x30) {
        return Ok(vec![CertificateDer::from(file.to_vec())]);
    }
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(file).collect();
    let read = read.map_err(|error| refused(&error.to_string()))?;
    match read.is_empty() {
        true => Err(refused("there is none in the file")),
        false => Ok(read),
    }
}
