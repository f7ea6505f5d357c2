//! The attestation key: a primary key of the owner hierarchy, so that the TPM derives the same one from its seed each time.
//! In the owner hierarchy a cleared TPM gets another key, which shows: resets are counted from zero then.

use tss_esapi::Context;
use tss_esapi::attributes::ObjectAttributesBuilder;
use tss_esapi::handles::KeyHandle;
use tss_esapi::interface_types::algorithm::{
    EccSchemeAlgorithm, HashingAlgorithm, PublicAlgorithm,
};
use tss_esapi::interface_types::ecc::EccCurve;
use tss_esapi::interface_types::resource_handles::Hierarchy;
use tss_esapi::interface_types::session_handles::AuthSession;
use tss_esapi::structures::{
    EccParameter, EccPoint, EccScheme, KeyDerivationFunctionScheme, Public, PublicBuilder,
    PublicEccParametersBuilder, Signature, SymmetricDefinitionObject,
};
use tss_esapi::traits::Marshall;

use crate::error::TpmError;

/// Authorises with the empty password: the key guards nothing, it only says what its TPM measured.
pub(crate) const NO_PASSWORD: AuthSession = AuthSession::Password;

/// Goes into the key's derivation and keeps it apart from other programs' keys under the same template.
const UNIQUE: &[u8; 32] = b"cloister attestation key, v1\0\0\0\0";

/// Makes the key in the TPM; returns its handle, to be flushed, and its `TPMT_PUBLIC`.
pub(crate) fn create(context: &mut Context) -> Result<(KeyHandle, Vec<u8>), TpmError> {
    const DOING: &str = "make the attestation key";
    let template = template().map_err(TpmError::doing(DOING))?;
    let created = context
        .execute_with_session(Some(NO_PASSWORD), |context| {
            context.create_primary(Hierarchy::Owner, template, None, None, None, None)
        })
        .map_err(TpmError::doing(DOING))?;
    match created.out_public.marshall() {
        Ok(public) => Ok((created.key_handle, public)),
        Err(error) => {
            flush(context, created.key_handle)?;
            Err(TpmError::doing(DOING)(error))
        }
    }
}

pub(crate) fn flush(context: &mut Context, key: KeyHandle) -> Result<(), TpmError> {
    context
        .flush_context(key.into())
        .map_err(TpmError::doing("let go of the attestation key"))
}

/// r and s of an ECDSA signature, padded to 32 bytes.
pub(crate) fn scalars(signature: &Signature) -> Result<([u8; 32], [u8; 32]), TpmError> {
    let Signature::EcDsa(signature) = signature else {
        return Err(TpmError::unexpected("an ECDSA signature"));
    };
    Ok((
        scalar(signature.signature_r())?,
        scalar(signature.signature_s())?,
    ))
}

fn scalar(parameter: &EccParameter) -> Result<[u8; 32], TpmError> {
    padded(parameter.as_slice())
}

/// A number of at most 32 bytes, with the zeros in front that some TPMs leave out.
pub(crate) fn padded(bytes: &[u8]) -> Result<[u8; 32], TpmError> {
    let missing = 32_usize
        .checked_sub(bytes.len())
        .ok_or(TpmError::unexpected("a number of 32 bytes"))?;
    let mut padded = [0; 32];
    for (to, from) in padded.iter_mut().skip(missing).zip(bytes) {
        *to = *from;
    }
    Ok(padded)
}

/// The key's template as bytes, `TPMT_PUBLIC`.
pub(crate) fn template_bytes() -> Result<Vec<u8>, TpmError> {
    template()
        .and_then(|template| template.marshall())
        .map_err(TpmError::doing("make the attestation key"))
}

fn template() -> tss_esapi::Result<Public> {
    let attributes = ObjectAttributesBuilder::new()
        .with_fixed_tpm(true)
        .with_fixed_parent(true)
        .with_sensitive_data_origin(true)
        .with_user_with_auth(true)
        .with_no_da(true)
        .with_restricted(true)
        .with_sign_encrypt(true)
        .build()?;
    let parameters = PublicEccParametersBuilder::new()
        .with_symmetric(SymmetricDefinitionObject::Null)
        .with_ecc_scheme(EccScheme::create(
            EccSchemeAlgorithm::EcDsa,
            Some(HashingAlgorithm::Sha256),
            None,
        )?)
        .with_curve(EccCurve::NistP256)
        .with_key_derivation_function_scheme(KeyDerivationFunctionScheme::Null)
        .with_is_signing_key(true)
        .with_restricted(true)
        .build()?;
    let unique = EccPoint::new(
        EccParameter::try_from(UNIQUE.as_slice())?,
        EccParameter::try_from([0_u8; 32].as_slice())?,
    );
    PublicBuilder::new()
        .with_public_algorithm(PublicAlgorithm::Ecc)
        .with_name_hashing_algorithm(HashingAlgorithm::Sha256)
        .with_object_attributes(attributes)
        .with_ecc_parameters(parameters)
        .with_ecc_unique_identifier(unique)
        .build()
}
