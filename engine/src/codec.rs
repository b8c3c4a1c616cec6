//! How values stand in blocks, in checkpoints, in the log and in what is spilled: postcard, one encoding after the other.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Error, Result};

/// Appends `value` to `bytes`.
///
/// # Errors
/// When the type's own serialization fails.
pub(crate) fn encode<T: Serialize + ?Sized>(value: &T, bytes: &mut Vec<u8>) -> Result<()> {
    let appended = postcard::to_extend(value, std::mem::take(bytes));
    *bytes = appended.map_err(|e| codec_error::<T>("written", &e))?;
    Ok(())
}

/// `value` alone.
///
/// # Errors
/// As for [`encode`].
pub(crate) fn encoded<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    encode(value, &mut bytes)?;
    Ok(bytes)
}

/// Takes a value from the beginning of `bytes`.
///
/// # Errors
/// When what stands there is no such value.
#[inline]
pub(crate) fn decode<T: DeserializeOwned>(bytes: &mut &[u8]) -> Result<T> {
    let (value, rest) = postcard::take_from_bytes(bytes).map_err(|e| codec_error::<T>("read", &e))?;
    *bytes = rest;
    Ok(value)
}

fn codec_error<T: ?Sized>(what: &str, error: &postcard::Error) -> Error {
    Error::Codec(format!("a value of type {} cannot be {what}: {error}", std::any::type_name::<T>()))
}
