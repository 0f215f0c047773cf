//! The same loop, compiled for AVX2.
//!
//! What it earns, masking in place: see `benches/README.md`.

#![allow(unsafe_code)]

use super::xor_words;

/// For 8 bytes and more; meant for long payloads.
pub(super) fn xor_long(payload: &mut [u8], key: [u8; 4]) {
    if std::is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has AVX2, as just asked; the function needs nothing else.
        unsafe { xor_words_avx2(payload, key) }
    } else {
        xor_words(payload, key);
    }
}

/// # Safety
/// The processor must have AVX2.
#[target_feature(enable = "avx2")]
unsafe fn xor_words_avx2(payload: &mut [u8], key: [u8; 4]) {
    xor_words(payload, key);
}
