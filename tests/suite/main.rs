//! Behaviour of wscore, by topic. The ids in test names (HS, CL, FR, CVE, …) are those of the
//! catalogue of bad input that the project is built against.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::cast_possible_truncation,
    clippy::semicolon_if_nothing_returned,
    reason = "a test that fails panics, and its numbers are small"
)]

mod allocations;
mod checks;
mod client_handshake;
#[allow(dead_code, reason = "the parts that wsutil's tests need")]
mod counting;
mod drivers;
mod extensions;
mod frames;
mod handlers;
mod loopback;
mod masking;
mod origins;
mod readme;
mod rig;
mod server_handshake;
mod shared_use;
mod urls;
