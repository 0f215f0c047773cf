//! Bytes that are known to be text.
use core::str;
/// The text that these bytes are.
#[inline]
pub(crate) fn validated(bytes: &[u8]) -> &str {
    simdutf8::basic::from_utf8(bytes).unwrap_or_default()
}
