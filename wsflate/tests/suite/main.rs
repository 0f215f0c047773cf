//! Everything about wsflate, in one binary.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::cast_possible_truncation)]

mod compressing;
#[path = "../../../tests/suite/counting.rs"]
mod counting;
mod figures;
mod frames;
mod inflating;
mod messages;
mod naive;
mod negotiation;
mod turns;
