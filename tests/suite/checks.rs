//! The rules of RFC 6455 §5 that a header can break.

use proptest::prelude::*;
use wscore::{
    CloseCode, Header, OpCode, ProtocolError, Role, Rsv, State, check_header, check_length,
};

fn header(first: u8, masked: bool, len: u64) -> Header {
    Header { len, ..Header::peek([first, u8::from(masked) << 7]) }
}

const OPEN: State = State { fragmented: true, extension_rsv: Rsv::NONE };
const BETWEEN: State = State { fragmented: false, extension_rsv: Rsv::NONE };

#[test]
fn fr5_masks_are_for_clients_to_send() {
    for first in [0x81, 0x82, 0x88, 0x89, 0x8a] {
        for len in [0, 5] {
            let check = |masked, role| check_header(&header(first, masked, len), role, BETWEEN);
            assert_eq!(check(true, Role::Server), Ok(()));
            assert_eq!(check(false, Role::Server), Err(ProtocolError::MaskMissing));
            assert_eq!(check(false, Role::Client), Ok(()));
            assert_eq!(check(true, Role::Client), Err(ProtocolError::MaskUnexpected));
        }
    }
}

#[test]
fn fr6_rsv_bits_need_an_owner() {
    for rsv in 1..8 {
        for first in [0x81, 0x80, 0x89, 0x88] {
            let state = State { fragmented: first == 0x80, ..BETWEEN };
            let header = header(first | rsv << 4, true, 0);
            let error = ProtocolError::RsvUnexpected(Rsv::from_bits(rsv));
            assert_eq!(check_header(&header, Role::Server, state), Err(error));
            let owned = State { extension_rsv: Rsv::from_bits(rsv), ..state };
            assert_eq!(check_header(&header, Role::Server, owned), Ok(()));
            let others = State { extension_rsv: Rsv::from_bits(!rsv), ..state };
            assert_eq!(check_header(&header, Role::Server, others), Err(error));
        }
    }
}

#[test]
fn fr7_reserved_opcodes_are_refused_at_the_second_byte() {
    for bits in (3..8).chain(11..16) {
        for fin in [0x00, 0x80] {
            let peeked = Header::peek([fin | bits, 0xff]);
            let error = ProtocolError::OpCodeReserved(OpCode::from_bits(bits));
            assert_eq!(check_header(&peeked, Role::Server, BETWEEN), Err(error));
        }
    }
}

#[test]
fn fr8_control_frames_are_short_and_whole() {
    for opcode in [0x8, 0x9, 0xa] {
        let check = |header: &Header| check_header(header, Role::Server, OPEN);
        assert_eq!(check(&header(0x80 | opcode, true, 125)), Ok(()));
        assert_eq!(check(&header(0x80 | opcode, true, 126)), Err(ProtocolError::ControlTooLong));
        assert_eq!(check(&header(opcode, true, 0)), Err(ProtocolError::ControlFragmented));
        for form in [126, 127] {
            let peeked = Header::peek([0x80 | opcode, 0x80 | form]);
            assert_eq!(check(&peeked), Err(ProtocolError::ControlTooLong));
        }
    }
}

#[test]
fn fr9_fr10_fragments_follow_their_first_and_nothing_else_does() {
    let check = |first, state| check_header(&header(first, true, 1), Role::Server, state);
    for fin in [0x00, 0x80] {
        assert_eq!(check(fin, BETWEEN), Err(ProtocolError::ContinuationUnexpected));
        assert_eq!(check(fin, OPEN), Ok(()));
        for opcode in [1, 2] {
            assert_eq!(check(fin | opcode, OPEN), Err(ProtocolError::ContinuationExpected));
            assert_eq!(check(fin | opcode, BETWEEN), Ok(()));
        }
    }
}

#[test]
fn the_state_follows_data_frames_and_not_control_frames() {
    let mut state = BETWEEN;
    for (first, fragmented) in
        [(0x01, true), (0x89, true), (0x00, true), (0x8a, true), (0x80, false), (0x82, false)]
    {
        let header = header(first, true, 0);
        assert_eq!(check_header(&header, Role::Server, state), Ok(()));
        state = state.after(&header);
        assert_eq!(state.fragmented, fragmented, "behind {first:#x}");
    }
}

#[test]
fn fr3_cve_2026_54274_the_limit_is_checked_on_the_declared_length() {
    let limit = 1 << 20;
    assert_eq!(check_length(&header(0x82, true, limit), limit), Ok(()));
    let error = check_length(&header(0x82, true, 10 << 20), limit).unwrap_err();
    assert_eq!(error, ProtocolError::FrameTooLarge { len: 10 << 20, limit });
    assert_eq!(error.close_code(), CloseCode::MESSAGE_TOO_BIG);
}

proptest! {
    #[test]
    fn every_refusal_has_a_code_that_may_be_sent(first: u8, masked: bool, len: u64, fragmented: bool, rsv in 0..8_u8, server: bool) {
        let role = if server { Role::Server } else { Role::Client };
        let state = State { fragmented, extension_rsv: Rsv::from_bits(rsv) };
        let header = header(first, masked, len);
        let legal = !header.opcode.is_reserved()
            && (!header.opcode.is_control() || header.fin && len <= 125)
            && header.rsv.bits() & !rsv == 0
            && masked == server
            && (header.opcode.is_control() || (header.opcode == OpCode::Continuation) == fragmented);
        match check_header(&header, role, state) {
            Ok(()) => prop_assert!(legal),
            Err(error) => {
                prop_assert!(!legal);
                prop_assert!(error.close_code().is_sendable());
                prop_assert!(!error.to_string().ends_with('.'));
            }
        }
    }
}
