//! How much a peer may ask of us.

/// How large a peer's messages may be (RFC 6455 §10.4).
///
/// ```
/// use wsutil::Limits;
/// let limits = Limits { message: 1 << 20, ..Limits::default() };
/// assert_eq!(limits.fragments, 131_072);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// All fragments of one message together, in bytes: 16 MiB by default. Answered with close
    /// code 1009. Of a compressed message, what comes out; on the
    /// wire it may be little more.
    pub message: u64,
    /// The payload of one frame on the wire, in bytes: by default only the limit of the message holds.
    /// Answered with close code 1009.
    pub frame: u64,
    /// The fragments of one message: 131,072 by default. Answered with close code 1008.
    pub fragments: u32,
}

impl Limits {
    /// No limits; for peers that are trusted.
    pub const NONE: Self = Self { message: u64::MAX, frame: u64::MAX, fragments: u32::MAX };

    /// How large a message may be on the wire by its frames so far if an extension changed it, in
    /// bytes: what cannot be compressed grows by 5 bytes for each of its blocks, which can be as
    /// small as 128 bytes, and by some more for each frame if the sender flushes there.
    pub(crate) const fn compressed(&self, fragments: u32) -> u64 {
        self.message
            .saturating_add(self.message / 16)
            .saturating_add(64)
            .saturating_add(16 * fragments as u64)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self { message: 16 << 20, frame: u64::MAX, fragments: 131_072 }
    }
}
