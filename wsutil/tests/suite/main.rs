//! How messages, helpers and connections behave, by topic. The ids of CASES are in the names.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::cast_possible_truncation,
    clippy::semicolon_if_nothing_returned,
    clippy::needless_pass_by_value,
    reason = "tests"
)]

mod allocations;
mod cases;
mod compressed;
#[path = "../../../tests/suite/counting.rs"]
mod counting;
mod deflate_cases;
mod differential;
mod drivers;
mod faults;
mod floods;
mod halves;
mod receiving;
#[path = "../../../tests/suite/rig.rs"]
#[allow(dead_code, reason = "the parts that wscore's tests need")]
mod rig;
mod sending;
mod traces;
mod waiting;
