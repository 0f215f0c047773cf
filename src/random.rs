//! Mask keys and nonces that nobody can guess (RFC 6455 §5.3, §10.3).

use std::cell::RefCell;

/// Bytes of the system's generator, fetched in blocks.
struct Pool {
    bytes: [u8; 1024],
    /// Bytes that were handed out, and wiped: 0 <= used <= 1024
    used: usize,
}

thread_local! {
    static POOL: RefCell<Pool> = const { RefCell::new(Pool { bytes: [0; 1024], used: 1024 }) };
}

impl Pool {
    fn draw<const N: usize>(&mut self) -> [u8; N] {
        if self.bytes.len() - self.used < N {
            fill(&mut self.bytes);
            self.used = 0;
        }
        let mut drawn = [0; N];
        let fresh = &mut self.bytes[self.used..self.used + N];
        drawn.copy_from_slice(fresh);
        fresh.fill(0);
        self.used += N;
        drawn
    }
}

#[allow(clippy::panic, reason = "documented: without random bytes no client may go on")]
fn fill(bytes: &mut [u8]) {
    if let Err(error) = getrandom::fill(bytes) {
        panic!("the system's random generator failed: {error}");
    }
}

/// A fresh key for a frame that a client sends, from the system's generator.
///
/// The bytes are fetched in blocks per thread, so a key costs a few nanoseconds. A process that
/// forks should not use keys in both halves before it runs another program.
///
/// # Panics
/// If the system's generator fails, which it does not once a system is up.
///
/// ```
/// let mut frame = wscore::Frame::text(b"Hello".to_vec());
/// frame.mask_in_place(wscore::random_mask());
/// ```
#[must_use]
pub fn random_mask() -> [u8; 4] {
    POOL.with_borrow_mut(Pool::draw)
}

/// A fresh nonce for [`ClientHandshake`](crate::ClientHandshake), from the system's generator.
///
/// # Panics
/// As [`random_mask`].
#[must_use]
pub fn random_nonce() -> [u8; 16] {
    POOL.with_borrow_mut(Pool::draw)
}
