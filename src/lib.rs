//! The low level of WebSocket (RFC 6455): frames, masking, checks and handshakes.
//!
//! Everything that knows the protocol works on slices of the caller's and holds its own state;
//! payloads stay where they were received; a message costs no allocation. Two thin drivers move
//! the bytes: over `std::io` here in the root, over tokio in [`tokio`] with the same names.
//!
//! What this crate is not: it joins no fragments, answers no pings and validates no text by
//! itself. It gives you the pieces that do each of it in a line or two.
//!
//! ```text
//!             server                                     client
//!   Upgrader::upgrade ◀── request ─────────────────── Dialer::dial
//!                     ─── 101 or a Rejection ───────▶
//!   read_header       ◀── masked frames ───────────── write_frame
//!   check_header
//!   cipher, in place
//!   write_header      ─── frames ───────────────────▶ read_frame
//! ```
//!
//! # The same echo, three ways
//! Each is the bare loop of its level; `examples/echo_frames.rs` adds what a server owes its peers
//! besides: pings answered, closing, text that is UTF-8.
//!
//! With headers and the caller's buffer, on any `Read + Write` that was upgraded:
//! ```
//! use std::io::{Read, Write};
//! use wscore::{Header, Role, State, check_header, check_length, cipher, read_header, write_header};
//!
//! fn echo(stream: &mut (impl Read + Write), buffer: &mut Vec<u8>) -> Result<(), Box<dyn std::error::Error>> {
//!     let mut state = State::default();
//!     loop {
//!         let header = read_header(stream)?;
//!         check_header(&header, Role::Server, state)?;
//!         check_length(&header, 1 << 20)?;
//!         state = state.after(&header);
//!         buffer.resize(header.len as usize, 0);
//!         stream.read_exact(buffer)?;
//!         cipher(buffer, header.mask.unwrap_or_default(), 0);
//!         write_header(stream, &Header { mask: None, ..header })?;
//!         stream.write_all(buffer)?;
//!     }
//! }
//! # let mut stream = std::io::Cursor::new(b"\x81\x81\x01\x02\x03\x04\x60".to_vec());
//! # assert!(echo(&mut stream, &mut vec![]).is_err());
//! # assert_eq!(&stream.get_ref()[7..], b"\x81\x01a");
//! ```
//! With frames:
//! ```
//! # use std::io::{Read, Write};
//! use wscore::{read_frame_into, write_frame};
//!
//! fn echo(stream: &mut (impl Read + Write), buffer: &mut Vec<u8>) -> Result<(), Box<dyn std::error::Error>> {
//!     loop {
//!         let mut frame = read_frame_into(stream, buffer, 1 << 20)?;
//!         frame.unmask_in_place();
//!         write_frame(stream, &frame)?;
//!     }
//! }
//! # let mut stream = std::io::Cursor::new(b"\x81\x81\x01\x02\x03\x04\x60".to_vec());
//! # assert!(echo(&mut stream, &mut vec![]).is_err());
//! # assert_eq!(&stream.get_ref()[7..], b"\x81\x01a");
//! ```
//! Without any I/O, on bytes that lie in a buffer of your event loop:
//! ```
//! use wscore::{Header, ProtocolError, check_length, cipher};
//!
//! /// Echoes the frame at the front of `received`; how long it was, or `None` while it is not whole.
//! fn echo(received: &mut [u8], out: &mut Vec<u8>) -> Result<Option<usize>, ProtocolError> {
//!     let Some((header, size)) = Header::parse(received)? else { return Ok(None) };
//!     check_length(&header, 1 << 20)?;
//!     let Some(payload) = received[size..].get_mut(..header.len as usize) else { return Ok(None) };
//!     cipher(payload, header.mask.unwrap_or_default(), 0);
//!     out.extend_from_slice(&Header { mask: None, ..header }.encode());
//!     out.extend_from_slice(payload);
//!     Ok(Some(size + payload.len()))
//! }
//! # let mut out = vec![];
//! # assert_eq!(echo(&mut b"\x81\x81\x01\x02\x03\x04\x60".to_vec(), &mut out), Ok(Some(7)));
//! # assert_eq!(out, b"\x81\x01a");
//! ```
//!
//! # Features
//! - `std` (default): the blocking driver, random keys, processor features found at run time.
//!   Without it the crate is `no_std` with `alloc`: every machine, no driver.
//! - `tokio`: the driver in [`tokio`].

#![cfg_attr(not(feature = "std"), no_std)]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![cfg_attr(
    not(feature = "tokio"),
    allow(
        rustdoc::broken_intra_doc_links,
        reason = "links to the module of a feature that is off"
    )
)]

extern crate alloc;

mod check;
mod close;
mod error;
pub mod extension;
mod frame;
mod handshake;
mod header;
mod http;
mod mask;

#[cfg(feature = "std")]
mod deadline;
#[cfg(feature = "std")]
mod dial;
#[cfg(feature = "std")]
mod drive;
#[cfg(feature = "std")]
mod io;
#[cfg(feature = "std")]
mod random;
#[cfg(feature = "std")]
mod replay;
#[cfg(feature = "std")]
mod scratch;
#[cfg(feature = "tokio")]
pub mod tokio;

pub use check::{
    Role, State, check_continuation, check_control, check_header, check_length, check_mask,
    check_opcode, check_rsv,
};
pub use close::{CloseBody, CloseCode, CloseReason, InvalidClose, MAX_CLOSE_REASON};
pub use error::ProtocolError;
pub use extension::Extension;
pub use frame::{Frame, compile_frame};
pub use handshake::{
    Handshake, Key, Limits, MAX_HEADERS,
    client::{ClientHandshake, Dialer},
    headers::{Headers, InvalidHeader},
    origin::{InvalidOrigin, Origin},
    query::query_pairs,
    rejection::Rejection,
    request::{HeaderSlots, Request, RequestParser},
    request_error::RequestError,
    response::{Acceptance, NotOffered},
    response_error::{ResponseError, StatusError},
    upgrader::{Handler, Upgrader},
    url::{InvalidUrl, Url},
};
pub use header::{
    EncodedHeader, Header, HeaderBuffer, MAX_CONTROL_PAYLOAD, MAX_HEADER, OpCode, Rsv,
};
pub use mask::{Mask, cipher, copy_masked};

#[cfg(feature = "std")]
pub use deadline::{Deadline, DeadlineStream, Timeouts, lingering_close};
#[cfg(feature = "std")]
pub use dial::{Connect, Tcp};
#[cfg(feature = "std")]
pub use drive::{DialError, ReadError, UpgradeError, Upgraded};
#[cfg(feature = "std")]
pub use io::{
    read_frame, read_frame_into, read_header, read_header_with, write_frame, write_header,
};
#[cfg(feature = "std")]
pub use random::{random_mask, random_nonce};
#[cfg(feature = "std")]
pub use replay::Replay;
