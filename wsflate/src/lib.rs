//! permessage-deflate for WebSocket (RFC 7692), without I/O: negotiation, and messages compressed
//! and decompressed on the caller's slices.
//!
//! ```text
//! handshake   Config ─▶ negotiate, confirm ─▶ Parameters ─▶ Agreed: two Directions
//! messages    message ─▶ Compressor ─▶ payload, RSV1      payload, RSV1 ─▶ Decompressor ─▶ message
//!                           │ turns                                          │ window, tables
//!                        Compress: Fast, Zlib, or yours                  Decompress: Inflate, or yours
//! ```
//!
//! [`Deflate`] holds what the connections of a service share, and is what the handshakes of
//! [`wscore`] negotiate with. `wsutil`'s connections take it with their feature `deflate`.
//!
//! # Memory
//! A message in work leases a compressor of 125 KB, or 380 KB at the levels of zlib, and for
//! the other direction code tables and a window, at most 40 KB together. Between messages a
//! connection holds nothing, or with takeover its two windows: as much as was said, and at most
//! 32 KiB each, or less where that was agreed. See [`Config::dedicated`] for the other way.
//!
//! # Secrets
//! Who can put words into a message beside a secret, and sees how long it is on the wire, can find
//! out the secret, compression and encryption notwithstanding (CRIME, BREACH; RFC 7692 §8). With
//! takeover that holds for messages beside a message with a secret, too. Send secrets uncompressed.
//!
//! # Features
//! - `std` (default): the compressor of zlib-rs for the levels 0 and 3 to 9, and compressors that
//!   connections take turns with. Without it the crate is `no_std` with `alloc`.

#![cfg_attr(not(feature = "std"), no_std)]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![cfg_attr(
    not(feature = "std"),
    allow(
        rustdoc::broken_intra_doc_links,
        reason = "links to what a feature that is off would add"
    )
)]
extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

mod bits;
mod codec;
mod compressor;
mod config;
mod decompressor;
mod deflate;
mod fast;
mod frame;
mod huffman;
mod inflate;
mod negotiate;
mod output;
mod parameters;
#[cfg_attr(not(feature = "std"), path = "pool_none.rs")]
mod pool;
#[cfg_attr(not(feature = "std"), path = "scratch_none.rs")]
mod scratch;
mod window;
#[cfg(feature = "std")]
mod zlib;

pub use codec::{Codec, CodecStep, Compress, Decompress};
pub use compressor::{CodecError, Compressor, Flush, MIN_ROOM, Progress};
pub use config::Config;
pub use decompressor::{DecompressError, Decompressor, InvalidData};
pub use deflate::Deflate;
pub use fast::Fast;
pub use frame::{FrameError, MessageState, compress_frame, decompress_frame, is_compressed};
pub use inflate::Inflate;
pub use negotiate::{Agreed, Direction, confirm, negotiate};
pub use parameters::{ClientMaxWindowBits, Parameters, ParametersError, WindowBits};
#[cfg(feature = "std")]
pub use zlib::Zlib;

/// The name of the extension, as it is registered.
pub const NAME: &str = "permessage-deflate";
