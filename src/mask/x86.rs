//! The same loops, compiled for AVX2.
//!
//! What it earns is in `benches/README.md`.

#![allow(unsafe_code)]

use super::{copy, xor};

/// In place.
pub(super) fn xor_long(payload: &mut [u8], key: [u8; 4]) {
    if std::is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has AVX2, as just asked; the function needs nothing else.
        unsafe { xor_avx2(payload, key) }
    } else {
        xor(payload, key);
    }
}

/// From one place to another of the same length.
pub(super) fn copy_long(payload: &[u8], out: &mut [u8], key: [u8; 4]) {
    if std::is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has AVX2, as just asked; the function needs nothing else.
        unsafe { copy_avx2(payload, out, key) }
    } else {
        copy(payload, out, key);
    }
}

/// # Safety
/// The processor must have AVX2.
#[target_feature(enable = "avx2")]
unsafe fn xor_avx2(payload: &mut [u8], key: [u8; 4]) {
    xor(payload, key);
}

/// # Safety
/// The processor must have AVX2.
#[target_feature(enable = "avx2")]
unsafe fn copy_avx2(payload: &[u8], out: &mut [u8], key: [u8; 4]) {
    copy(payload, out, key);
}
