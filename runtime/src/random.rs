//! Random bytes of the system's source, for keys, salts and secrets.

use zeroize::Zeroizing;

use crate::failure::Failure;

/// 32 of them, drawn anew. Wiped when dropped.
pub(crate) fn bytes() -> Result<Zeroizing<[u8; 32]>, Failure> {
    let mut bytes = Zeroizing::new([0_u8; 32]);
    getrandom::fill(bytes.as_mut_slice())
        .map_err(|e| Failure::failed(format!("the system gave no random bytes: {e}")))?;
    Ok(bytes)
}
