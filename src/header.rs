//! The header of a frame (RFC 6455 §5.2).
//!
//! ```text
//!  0               1               2 … 9          then
//! ┌─┬─┬─┬─┬───────┬─┬─────────────┬──────────────┬───────────┬─────────┐
//! │F│R│R│R│opcode │M│ length      │ 0, 2 or 8    │ 0 or 4    │ payload │
//! │I│S│S│S│       │A│ 0–125, or   │ bytes of     │ bytes of  │         │
//! │N│V│V│V│ 4 bits│S│ 126 or 127  │ length, big- │ mask key  │         │
//! │ │1│2│3│       │K│             │ endian       │           │         │
//! └─┴─┴─┴─┴───────┴─┴─────────────┴──────────────┴───────────┴─────────┘
//! ```

use core::{fmt, ops::BitOr};

use crate::ProtocolError;

/// The longest header, in bytes: 2, an 8-byte length, a 4-byte mask key.
pub const MAX_HEADER: usize = 14;

/// The longest payload of a control frame, in bytes (RFC 6455 §5.5).
pub const MAX_CONTROL_PAYLOAD: usize = 125;

/// What a frame is: the 4-bit opcode, reserved values kept (RFC 6455 §5.2, §11.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum OpCode {
    /// 0: a further fragment of a message.
    Continuation = 0,
    /// 1: a text message, or its first fragment.
    Text = 1,
    /// 2: a binary message, or its first fragment.
    Binary = 2,
    /// 3: reserved for data frames.
    Reserved3 = 3,
    /// 4: reserved for data frames.
    Reserved4 = 4,
    /// 5: reserved for data frames.
    Reserved5 = 5,
    /// 6: reserved for data frames.
    Reserved6 = 6,
    /// 7: reserved for data frames.
    Reserved7 = 7,
    /// 8: the sender closes.
    Close = 8,
    /// 9: asks for a pong with the same payload.
    Ping = 9,
    /// 10: answers a ping.
    Pong = 10,
    /// 11: reserved for control frames.
    Reserved11 = 11,
    /// 12: reserved for control frames.
    Reserved12 = 12,
    /// 13: reserved for control frames.
    Reserved13 = 13,
    /// 14: reserved for control frames.
    Reserved14 = 14,
    /// 15: reserved for control frames.
    Reserved15 = 15,
}

impl OpCode {
    /// The opcode in the low four bits; the others are ignored.
    #[must_use]
    #[inline]
    pub const fn from_bits(bits: u8) -> Self {
        match bits & 0x0f {
            0 => Self::Continuation,
            1 => Self::Text,
            2 => Self::Binary,
            3 => Self::Reserved3,
            4 => Self::Reserved4,
            5 => Self::Reserved5,
            6 => Self::Reserved6,
            7 => Self::Reserved7,
            8 => Self::Close,
            9 => Self::Ping,
            10 => Self::Pong,
            11 => Self::Reserved11,
            12 => Self::Reserved12,
            13 => Self::Reserved13,
            14 => Self::Reserved14,
            _ => Self::Reserved15,
        }
    }

    /// The value on the wire: 0–15.
    #[must_use]
    #[inline]
    pub const fn bits(self) -> u8 {
        self as u8
    }

    /// Whether this is a control opcode, reserved ones included: 8–15 (RFC 6455 §5.5).
    #[must_use]
    #[inline]
    pub const fn is_control(self) -> bool {
        self.bits() & 0x08 != 0
    }

    /// Whether this is a data opcode, reserved ones included: 0–7 (RFC 6455 §5.6).
    #[must_use]
    #[inline]
    pub const fn is_data(self) -> bool {
        !self.is_control()
    }

    /// Whether RFC 6455 leaves the opcode undefined: 3–7 and 11–15.
    #[must_use]
    #[inline]
    pub const fn is_reserved(self) -> bool {
        matches!(self.bits(), 3..=7 | 11..=15)
    }
}

/// The three bits that extensions may define (RFC 6455 §5.2, §9).
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Rsv(u8);

impl Rsv {
    /// No bit.
    pub const NONE: Self = Self(0);
    /// The first bit, which permessage-deflate owns (RFC 7692 §6).
    pub const RSV1: Self = Self(0b100);
    /// The second bit.
    pub const RSV2: Self = Self(0b010);
    /// The third bit.
    pub const RSV3: Self = Self(0b001);

    /// The bits `0b0rrr` in the order RSV1, RSV2, RSV3; higher bits are ignored.
    #[must_use]
    #[inline]
    pub const fn from_bits(bits: u8) -> Self {
        Self(bits & 0b111)
    }

    /// The value `0b0rrr`: 0–7.
    #[must_use]
    #[inline]
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// Whether no bit is set.
    #[must_use]
    #[inline]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether all of these bits are set.
    #[must_use]
    #[inline]
    pub const fn contains(self, bits: Self) -> bool {
        self.0 & bits.0 == bits.0
    }

    /// The bits of `self` that are not in `bits`.
    #[must_use]
    #[inline]
    pub const fn without(self, bits: Self) -> Self {
        Self(self.0 & !bits.0)
    }
}

impl BitOr for Rsv {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl fmt::Debug for Rsv {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            0b000 => "no RSV bit",
            0b100 => "RSV1",
            0b010 => "RSV2",
            0b001 => "RSV3",
            0b110 => "RSV1|RSV2",
            0b101 => "RSV1|RSV3",
            0b011 => "RSV2|RSV3",
            _ => "RSV1|RSV2|RSV3",
        })
    }
}

/// Everything of a frame but its payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Header {
    /// Whether this is the last fragment of its message.
    pub fin: bool,
    /// The bits that extensions define.
    pub rsv: Rsv,
    /// What the frame is.
    pub opcode: OpCode,
    /// The key that the payload is masked with, if it is.
    pub mask: Option<[u8; 4]>,
    /// The length of the payload in bytes: 0 <= len < 2^63
    pub len: u64,
}

impl Header {
    /// The header of an unmasked frame that is a whole message, or a control frame.
    #[must_use]
    pub const fn new(opcode: OpCode, len: u64) -> Self {
        Self { fin: true, rsv: Rsv::NONE, opcode, mask: None, len }
    }

    /// Reads a header from the front of `bytes`: it and its length in bytes, or `None` while more
    /// bytes are wanted.
    ///
    /// Which frames are allowed here is asked of [`check_header`](crate::check_header).
    ///
    /// # Errors
    /// [`ProtocolError::LengthNotMinimal`] or [`ProtocolError::LengthOverflow`], as soon as the
    /// length is there.
    ///
    /// ```
    /// use wscore::{Header, OpCode};
    /// let (header, size) = Header::parse(b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58")?.unwrap();
    /// assert_eq!((header.opcode, header.len, size), (OpCode::Text, 5, 6));
    /// assert_eq!(Header::parse(b"\x81")?, None);
    /// # Ok::<(), wscore::ProtocolError>(())
    /// ```
    #[inline]
    pub const fn parse(bytes: &[u8]) -> Result<Option<(Self, usize)>, ProtocolError> {
        let &[first, second, ref rest @ ..] = bytes else {
            return Ok(None);
        };
        let (len, rest) = match second & 0x7f {
            126 => {
                let Some((len, rest)) = rest.split_first_chunk() else {
                    return Ok(None);
                };
                let len = u16::from_be_bytes(*len) as u64;
                // RFC 6455 §5.2: the minimal number of bytes must be used.
                if len < 126 {
                    return Err(ProtocolError::LengthNotMinimal);
                }
                (len, rest)
            }
            127 => {
                let Some((len, rest)) = rest.split_first_chunk() else {
                    return Ok(None);
                };
                let len = u64::from_be_bytes(*len);
                // RFC 6455 §5.2: the most significant bit must be 0.
                if len >> 63 != 0 {
                    return Err(ProtocolError::LengthOverflow);
                }
                // RFC 6455 §5.2: the minimal number of bytes must be used.
                if len <= u16::MAX as u64 {
                    return Err(ProtocolError::LengthNotMinimal);
                }
                (len, rest)
            }
            len => (len as u64, rest),
        };
        let (mask, rest) = if second & 0x80 == 0 {
            (None, rest)
        } else {
            let Some((mask, rest)) = rest.split_first_chunk() else {
                return Ok(None);
            };
            (Some(*mask), rest)
        };
        let header = Self { mask, len, ..Self::peek([first, second]) };
        Ok(Some((header, bytes.len() - rest.len())))
    }

    /// What the first two bytes already tell: all but the mask key, which reads as zero, and a
    /// length of more than 125, which reads as 126 or 127.
    ///
    /// Enough for [`check_header`](crate::check_header) to refuse a frame before the rest of its
    /// header has arrived.
    #[must_use]
    #[inline]
    pub const fn peek([first, second]: [u8; 2]) -> Self {
        Self {
            fin: first & 0x80 != 0,
            rsv: Rsv::from_bits(first >> 4),
            opcode: OpCode::from_bits(first),
            mask: if second & 0x80 == 0 { None } else { Some([0; 4]) },
            len: (second & 0x7f) as u64,
        }
    }

    /// How long the header is that begins with these two bytes: 2–14 bytes.
    #[must_use]
    #[inline]
    pub const fn size_of([_, second]: [u8; 2]) -> usize {
        let len = match second & 0x7f {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        2 + len + if second & 0x80 == 0 { 0 } else { 4 }
    }

    /// How long this header is when encoded: 2–14 bytes.
    #[must_use]
    #[inline]
    pub const fn size(&self) -> usize {
        let len = match self.len {
            0..126 => 0,
            126..0x1_0000 => 2,
            _ => 8,
        };
        2 + len + if self.mask.is_none() { 0 } else { 4 }
    }

    /// The bytes of the header, on the stack, its length in the shortest form.
    ///
    /// # Panics
    /// If `len` is 2^63 or more, which no payload in memory is.
    ///
    /// ```
    /// use wscore::{Header, OpCode};
    /// assert_eq!(*Header::new(OpCode::Binary, 256).encode(), [0x82, 126, 1, 0]);
    /// ```
    #[must_use]
    #[inline]
    pub const fn encode(&self) -> EncodedHeader {
        // RFC 6455 §5.2: the most significant bit of the length is 0.
        assert!(self.len >> 63 == 0, "payload length of 2^63 bytes or more");
        let first = (self.fin as u8) << 7 | self.rsv.bits() << 4 | self.opcode.bits();
        let (form, extended, extended_size) = match self.len {
            0..126 => (self.len, 0, 0),
            126..0x1_0000 => (126, self.len.swap_bytes() >> 48, 2),
            _ => (127, self.len.swap_bytes(), 8),
        };
        let (masked, mask, mask_size) = match self.mask {
            None => (0, [0; 4], 0),
            Some(mask) => (0x80, mask, 4),
        };
        // The header as one little-endian number: pieced together in registers, stored once.
        let fields = first as u128
            | (form as u128 | masked) << 8
            | (extended as u128) << 16
            | (u32::from_le_bytes(mask) as u128) << (16 + 8 * extended_size as u32);
        EncodedHeader { bytes: fields.to_le_bytes(), size: 2 + extended_size + mask_size }
    }
}

/// The bytes of a [`Header`], held inline; dereferences to them.
#[derive(Clone, Copy)]
pub struct EncodedHeader {
    bytes: [u8; 16],
    /// 2 <= size <= 14
    size: u8,
}

impl EncodedHeader {
    /// The header's bytes with zeros behind them, for one store of a known size where there is
    /// room: payload then goes over the zeros.
    #[must_use]
    #[inline]
    pub const fn as_block(&self) -> &[u8; 16] {
        &self.bytes
    }
}

impl core::ops::Deref for EncodedHeader {
    type Target = [u8];
    #[inline]
    fn deref(&self) -> &[u8] {
        &self.bytes[..usize::from(self.size)]
    }
}

impl AsRef<[u8]> for EncodedHeader {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl fmt::Debug for EncodedHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("EncodedHeader").field(&&**self).finish()
    }
}

/// Gathers one header from a stream, never a byte of the payload behind it; resumable at any byte.
///
/// A driver reads into [`room`](Self::room) and says with [`advance`](Self::advance) how much came.
///
/// ```
/// use wscore::{HeaderBuffer, OpCode};
/// let mut buffer = HeaderBuffer::new();
/// buffer.room().copy_from_slice(b"\x81\x7e");
/// assert_eq!(buffer.advance(2)?, None);
/// buffer.room().copy_from_slice(b"\x01\x00");
/// let header = buffer.advance(2)?.unwrap();
/// assert_eq!((header.opcode, header.len), (OpCode::Text, 256));
/// # Ok::<(), wscore::ProtocolError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct HeaderBuffer {
    bytes: [u8; MAX_HEADER],
    /// 0 <= len < 14 between calls
    len: usize,
}

impl HeaderBuffer {
    /// An empty one.
    #[must_use]
    pub const fn new() -> Self {
        Self { bytes: [0; MAX_HEADER], len: 0 }
    }

    /// Whether no byte of the next header is here yet.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Where the next bytes of the header go: as many as it certainly still has, never none.
    pub fn room(&mut self) -> &mut [u8] {
        let size = match self.bytes {
            [first, second, ..] if self.len >= 2 => Header::size_of([first, second]),
            _ => 2,
        };
        &mut self.bytes[self.len..size]
    }

    /// Takes note of `read` bytes in the room: the header, once it is complete, and the buffer is
    /// empty again; `None` while more bytes are wanted.
    ///
    /// # Errors
    /// As [`Header::parse`]; the buffer is empty again, and the connection has failed.
    ///
    /// # Panics
    /// If `read` is more than there was room for.
    pub fn advance(&mut self, read: usize) -> Result<Option<Header>, ProtocolError> {
        assert!(read <= self.room().len(), "more was read than there was room for");
        self.len += read;
        let header = Header::parse(&self.bytes[..self.len]);
        if !matches!(header, Ok(None)) {
            self.len = 0;
        }
        Ok(header?.map(|(header, _)| header))
    }
}
