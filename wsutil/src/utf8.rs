//! Text that comes in pieces (RFC 6455 §5.6, §8.1).

use core::{error, fmt, str};

/// Checks that text which comes in pieces, cut anywhere, is UTF-8; fails at the first piece that
/// holds a byte no text could go on with.
///
/// ```
/// use wsutil::Utf8;
/// let mut text = Utf8::new();
/// text.push(b"\xe2\x82")?;
/// assert!(text.finish().is_err(), "a character is open");
/// text.push(b"\xac")?;
/// text.finish()?;
/// # Ok::<(), wsutil::NotUtf8>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Utf8 {
    /// The first bytes of a character whose end has not come.
    begun: [u8; 3],
    /// How many there are: 0 <= len <= 3
    len: u8,
}

impl Utf8 {
    /// The check at the beginning of a text.
    #[must_use]
    pub const fn new() -> Self {
        Self { begun: [0; 3], len: 0 }
    }

    /// Takes the next piece in.
    ///
    /// # Errors
    /// [`NotUtf8`] if the text cannot be valid whatever comes behind this piece.
    #[inline]
    pub fn push(&mut self, piece: &[u8]) -> Result<(), NotUtf8> {
        let completed = if self.len == 0 { 0 } else { self.complete(piece)? };
        let rest = &piece[completed..];
        let (whole, cut) = rest.split_at(rest.len() - cut_len(rest));
        if simdutf8::basic::from_utf8(whole).is_err() {
            return Err(not_utf8(whole, completed));
        }
        match cut {
            [] => Ok(()),
            cut => self.begin(cut).ok_or(NotUtf8 { valid_up_to: piece.len() - cut.len() }),
        }
    }

    /// Whether the text may end here.
    ///
    /// # Errors
    /// [`NotUtf8`] if the end of a character is missing.
    #[inline]
    pub const fn finish(&self) -> Result<(), NotUtf8> {
        if self.len == 0 { Ok(()) } else { Err(NotUtf8 { valid_up_to: 0 }) }
    }

    /// Completes the character that is open: how many bytes of the piece belong to it.
    #[cold]
    fn complete(&mut self, piece: &[u8]) -> Result<usize, NotUtf8> {
        let begun = usize::from(self.len);
        let mut character = [0; 4];
        character[..begun].copy_from_slice(&self.begun[..begun]);
        for (used, byte) in piece.iter().enumerate().take(4 - begun) {
            character[begun + used] = *byte;
            let so_far = &character[..=begun + used];
            if str::from_utf8(so_far).is_ok() {
                self.len = 0;
                return Ok(used + 1);
            }
            self.begin(so_far).ok_or(NotUtf8 { valid_up_to: 0 })?;
        }
        Ok(piece.len())
    }

    /// Notes the beginning of a character, if it is one.
    fn begin(&mut self, cut: &[u8]) -> Option<()> {
        match str::from_utf8(cut) {
            Err(error) if error.valid_up_to() == 0 && error.error_len().is_none() => {
                self.begun[..cut.len()].copy_from_slice(cut);
                #[allow(clippy::cast_possible_truncation, reason = "cut.len() <= 3")]
                let len = cut.len() as u8;
                self.len = len;
                Some(())
            }
            _ => None,
        }
    }
}

/// How many bytes at the end may be a character that is cut: 0–3.
#[inline]
fn cut_len(piece: &[u8]) -> usize {
    let [.., last] = piece else { return 0 };
    if last.is_ascii() {
        return 0;
    }
    let lead = piece.iter().rev().take(3).position(|byte| byte & 0xc0 != 0x80);
    let Some(behind) = lead else { return 0 };
    let size = match piece[piece.len() - 1 - behind] {
        0xc2..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf4 => 4,
        _ => return 0,
    };
    if behind + 1 < size { behind + 1 } else { 0 }
}

#[cold]
fn not_utf8(whole: &[u8], before: usize) -> NotUtf8 {
    let valid = str::from_utf8(whole).map_or_else(|error| error.valid_up_to(), str::len);
    NotUtf8 { valid_up_to: before + valid }
}

/// Text that is not UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotUtf8 {
    /// How many bytes of the piece belong to valid characters.
    pub valid_up_to: usize,
}

impl fmt::Display for NotUtf8 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text is not valid UTF-8")
    }
}

impl error::Error for NotUtf8 {}
