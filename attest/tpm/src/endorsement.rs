//! The endorsement key, which the TPM's maker may have certified, and what only its TPM can do: give out the secret of a credential
//! (`attest/SPEC.md` section 18). Touches the TPM.

use tss_esapi::Context;
use tss_esapi::abstraction::ek::{create_ek_public_from_default_template_2, retrieve_ek_pubcert};
use tss_esapi::abstraction::{AsymmetricAlgorithmSelection, nv};
use tss_esapi::constants::SessionType;
use tss_esapi::handles::{AuthHandle, KeyHandle, SessionHandle};
use tss_esapi::interface_types::algorithm::HashingAlgorithm;
use tss_esapi::interface_types::ecc::EccCurve;
use tss_esapi::interface_types::key_bits::RsaKeyBits;
use tss_esapi::interface_types::resource_handles::Hierarchy;
use tss_esapi::interface_types::session_handles::{AuthSession, PolicySession};
use tss_esapi::structures::{Digest, EncryptedSecret, IdObject, Nonce, SymmetricDefinition};
use tss_esapi::traits::Marshall;

use crate::error::TpmError;
use crate::key;

/// The kinds of endorsement key that we know, and where the TPM keeps the certificate of each (TCG EK Credential Profile 2.5, section 2.2.1.4).
const KINDS: [(AsymmetricAlgorithmSelection, u32); 2] = [
    (
        AsymmetricAlgorithmSelection::Rsa(RsaKeyBits::Rsa2048),
        0x01c0_0002,
    ),
    (
        AsymmetricAlgorithmSelection::Ecc(EccCurve::NistP256),
        0x01c0_000a,
    ),
];
/// Length of what is encrypted to an RSA key of 2,048 bits, bytes. To P-256 it is a point, of 68.
const TO_RSA: usize = 256;

/// An endorsement key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endorsement {
    /// Its public area, `TPMT_PUBLIC`.
    pub public: Vec<u8>,
    /// The maker's certificate, DER, where the TPM has it.
    pub certificate: Option<Vec<u8>>,
}

/// The first kind of which the TPM has a certificate; without any, the first that it can make.
pub(crate) fn find(context: &mut Context) -> Result<Endorsement, TpmError> {
    let indices = context
        .execute_without_session(nv::list)
        .map_err(TpmError::doing("list the TPM's memory"))?;
    let has = |index: u32| {
        indices
            .iter()
            .any(|(public, _)| u32::from(public.nv_index()) == index)
    };
    let Some((kind, _)) = KINDS.into_iter().find(|(_, index)| has(*index)) else {
        let [(first, _), (second, _)] = KINDS;
        let public = public_area(context, first).or_else(|_| public_area(context, second))?;
        return Ok(Endorsement {
            public,
            certificate: None,
        });
    };
    let certificate = retrieve_ek_pubcert(context, kind)
        .map_err(TpmError::doing("read the endorsement key's certificate"))?;
    Ok(Endorsement {
        public: public_area(context, kind)?,
        certificate: Some(der(certificate)),
    })
}

/// A certificate without what the NV memory holds after it: some makers fill up its space.
fn der(mut bytes: Vec<u8>) -> Vec<u8> {
    if let [0x30, 0x82, high, low, ..] = *bytes {
        bytes.truncate(usize::from(u16::from_be_bytes([high, low])).saturating_add(4));
    }
    bytes
}

fn public_area(
    context: &mut Context,
    kind: AsymmetricAlgorithmSelection,
) -> Result<Vec<u8>, TpmError> {
    let (handle, public) = create(context, kind)?;
    key::flush(context, handle)?;
    Ok(public)
}

fn create(
    context: &mut Context,
    kind: AsymmetricAlgorithmSelection,
) -> Result<(KeyHandle, Vec<u8>), TpmError> {
    const DOING: &str = "make the endorsement key";
    let template =
        create_ek_public_from_default_template_2(kind, None).map_err(TpmError::doing(DOING))?;
    let created = context
        .execute_with_session(Some(key::NO_PASSWORD), |context| {
            context.create_primary(Hierarchy::Endorsement, template, None, None, None, None)
        })
        .map_err(TpmError::doing(DOING))?;
    match created.out_public.marshall() {
        Ok(public) => Ok((created.key_handle, public)),
        Err(error) => {
            key::flush(context, created.key_handle)?;
            Err(TpmError::doing(DOING)(error))
        }
    }
}

/// The secret of a credential that was made for this TPM and its attestation key. What was loaded is let go of, whatever happened: without a resource manager
/// three forgotten keys fill the TPM.
pub(crate) fn activate(
    context: &mut Context,
    id_object: &[u8],
    encrypted: &[u8],
) -> Result<Vec<u8>, TpmError> {
    let [(rsa, _), (ecc, _)] = KINDS;
    let kind = if encrypted.len() == TO_RSA { rsa } else { ecc };
    let (ak, _) = key::create(context)?;
    let activated = create(context, kind).and_then(|(ek, _)| {
        let activated = activate_between(context, (ak, ek), id_object, encrypted);
        key::flush(context, ek)?;
        activated
    });
    key::flush(context, ak)?;
    activated
}

fn activate_between(
    context: &mut Context,
    (ak, ek): (KeyHandle, KeyHandle),
    id_object: &[u8],
    encrypted: &[u8],
) -> Result<Vec<u8>, TpmError> {
    const DOING: &str = "activate the credential";
    let id_object = IdObject::try_from(id_object).map_err(TpmError::doing(DOING))?;
    let encrypted = EncryptedSecret::try_from(encrypted).map_err(TpmError::doing(DOING))?;
    let session = by_endorsement(context)?;
    let sessions = (Some(key::NO_PASSWORD), Some(session), None);
    let secret = context
        .execute_with_sessions(sessions, |context| {
            context.activate_credential(ak, ek, id_object, encrypted)
        })
        .map_err(TpmError::doing(DOING));
    // A session that was used for a command that succeeded may be gone already, which is no failure.
    let _ = context.flush_context(SessionHandle::from(session).into());
    secret.map(|secret| secret.as_slice().to_vec())
}

/// A session that has met the endorsement key's policy: to know the endorsement hierarchy's password, which is empty.
fn by_endorsement(context: &mut Context) -> Result<AuthSession, TpmError> {
    const DOING: &str = "meet the endorsement key's policy";
    let session = context
        .execute_without_session(|context| {
            let (none, hash) = (None, HashingAlgorithm::Sha256);
            context.start_auth_session(
                None,
                None,
                none,
                SessionType::Policy,
                SymmetricDefinition::AES_128_CFB,
                hash,
            )
        })
        .map_err(TpmError::doing(DOING))?;
    let session = session.ok_or(TpmError::unexpected("a session"))?;
    let policy = PolicySession::try_from(session).map_err(TpmError::doing(DOING))?;
    let (cp_hash, by) = (Digest::default(), AuthHandle::Endorsement);
    let met = context.execute_with_session(Some(key::NO_PASSWORD), |context| {
        context.policy_secret(
            policy,
            by,
            Nonce::default(),
            cp_hash,
            Nonce::default(),
            None,
        )
    });
    met.map_err(TpmError::doing(DOING))?;
    Ok(session)
}
