//! Every case of the table, on every driver, whole and cut everywhere.

use crate::{
    cases::{Case, cases},
    deflate_cases::deflate_cases,
    drivers::{DRIVERS, has_no_extensions, has_own_limits},
};

/// The cases of frames, and those of compressed messages.
fn all_cases() -> Vec<Case> {
    [cases(), deflate_cases()].concat()
}

fn check(case: &Case, how: &str, pieces: &[&[u8]]) {
    for (name, driver) in DRIVERS {
        if has_own_limits(name, &case.outcome) {
            continue;
        }
        if case.side.agreed.is_some() && has_no_extensions(name) {
            continue;
        }
        let outcome = driver(case.side, pieces);
        let role = case.side.role;
        assert_eq!(outcome, case.outcome, "{} as {role:?} through {name}, {how}", case.id);
    }
}

#[test]
fn fr1_to_fr33_whole() {
    for case in all_cases() {
        check(&case, "whole", &[&case.wire]);
    }
}

#[test]
fn fr36_byte_by_byte() {
    for case in all_cases().iter().filter(|case| case.wire.len() < 400) {
        let bytes: Vec<&[u8]> = case.wire.chunks(1).collect();
        check(case, "byte by byte", &bytes);
    }
}

#[test]
fn fr36_at_every_split() {
    for case in all_cases().iter().filter(|case| case.wire.len() < 60) {
        for at in 0..=case.wire.len() {
            let (head, tail) = case.wire.split_at(at);
            check(case, &format!("split at {at}"), &[head, tail]);
        }
    }
}

#[test]
fn fr36_at_every_pair_of_splits() {
    for case in all_cases().iter().filter(|case| case.wire.len() < 20) {
        let end = case.wire.len();
        for first in 0..=end {
            for second in first..=end {
                let pieces = [&case.wire[..first], &case.wire[first..second], &case.wire[second..]];
                check(case, &format!("split at {first} and {second}"), &pieces);
            }
        }
    }
}

#[test]
fn large_ones_in_odd_pieces() {
    for case in all_cases().iter().filter(|case| case.wire.len() >= 400) {
        for size in [997, 4096, 65_537] {
            let pieces: Vec<&[u8]> = case.wire.chunks(size).collect();
            check(case, &format!("in pieces of {size}"), &pieces);
        }
    }
}
