//! Headers and frames: one table for parsing, encoding and both drivers.

use proptest::prelude::*;
use wscore::{
    CloseBody, CloseCode, CloseReason, Frame, Header, HeaderBuffer, InvalidClose, OpCode,
    ProtocolError, Rsv, compile_frame,
};

const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// Name, bytes on the wire, header.
pub(crate) fn headers() -> Vec<(&'static str, Vec<u8>, Header)> {
    let header = Header::new;
    let masked = |opcode, len| Header { mask: Some(MASK), ..Header::new(opcode, len) };
    let long = |len: u64, mask: &[u8]| {
        [&[0x82, 0x7f | (mask.len() as u8) << 5][..], &len.to_be_bytes(), mask].concat()
    };
    vec![
        ("empty text", vec![0x81, 0x00], header(OpCode::Text, 0)),
        ("ping of 5", vec![0x89, 0x05], header(OpCode::Ping, 5)),
        ("masked pong", vec![0x8a, 0x85, 0x37, 0xfa, 0x21, 0x3d], masked(OpCode::Pong, 5)),
        ("close of 125", vec![0x88, 125], header(OpCode::Close, 125)),
        ("126 in 16 bits", vec![0x82, 126, 0x00, 0x7e], header(OpCode::Binary, 126)),
        ("65535 in 16 bits", vec![0x82, 126, 0xff, 0xff], header(OpCode::Binary, 65535)),
        (
            "256 masked",
            vec![0x82, 0xfe, 0x01, 0x00, 0x37, 0xfa, 0x21, 0x3d],
            masked(OpCode::Binary, 256),
        ),
        ("65536 in 64 bits", long(65536, &[]), header(OpCode::Binary, 65536)),
        ("65536 masked", long(65536, &MASK), masked(OpCode::Binary, 65536)),
        ("2^63 - 1", long((1 << 63) - 1, &[]), header(OpCode::Binary, (1 << 63) - 1)),
        ("first fragment", vec![0x01, 0x03], Header { fin: false, ..header(OpCode::Text, 3) }),
        ("last fragment", vec![0x80, 0x02], header(OpCode::Continuation, 2)),
        ("RSV1", vec![0xc1, 0x07], Header { rsv: Rsv::RSV1, ..header(OpCode::Text, 7) }),
        ("RSV2", vec![0xa1, 0x07], Header { rsv: Rsv::RSV2, ..header(OpCode::Text, 7) }),
        ("RSV3", vec![0x91, 0x07], Header { rsv: Rsv::RSV3, ..header(OpCode::Text, 7) }),
        ("reserved opcode", vec![0x8f, 0x00], header(OpCode::Reserved15, 0)),
        (
            "zero key",
            vec![0x82, 0x80, 0, 0, 0, 0],
            Header { mask: Some([0; 4]), ..header(OpCode::Binary, 0) },
        ),
    ]
}

#[test]
fn fr36_fr40_headers_parse_and_encode_at_every_cut() {
    for (name, bytes, header) in headers() {
        assert_eq!(Header::parse(&bytes), Ok(Some((header, bytes.len()))), "{name}");
        assert_eq!(*header.encode(), *bytes, "{name}");
        assert_eq!(header.size(), bytes.len(), "{name}");
        assert_eq!(Header::size_of([bytes[0], bytes[1]]), bytes.len(), "{name}");
        for cut in 0..bytes.len() {
            assert_eq!(Header::parse(&bytes[..cut]), Ok(None), "{name} cut at {cut}");
        }
        let followed = [&bytes[..], b"payload"].concat();
        assert_eq!(Header::parse(&followed), Ok(Some((header, bytes.len()))), "{name}");
    }
}

#[test]
fn fr36_a_header_buffer_takes_headers_in_pieces_of_any_size() {
    for (name, bytes, header) in headers() {
        for size in 1..=bytes.len() {
            let mut buffer = HeaderBuffer::new();
            let mut used = 0;
            let parsed = loop {
                let room = buffer.room();
                let taken = room.len().min(size);
                room[..taken].copy_from_slice(&bytes[used..used + taken]);
                used += taken;
                match buffer.advance(taken) {
                    Ok(None) => assert!(!buffer.is_empty()),
                    parsed => break parsed,
                }
            };
            assert_eq!((parsed, used), (Ok(Some(header)), bytes.len()), "{name} by {size}");
            assert!(buffer.is_empty());
        }
    }
}

#[test]
fn what_two_bytes_tell_is_what_the_whole_header_tells() {
    for (name, bytes, header) in headers() {
        let peeked = Header::peek([bytes[0], bytes[1]]);
        assert_eq!(
            (peeked.fin, peeked.rsv, peeked.opcode),
            (header.fin, header.rsv, header.opcode)
        );
        assert_eq!(peeked.mask.is_some(), header.mask.is_some(), "{name}");
        assert_eq!(peeked.len > 125, header.len > 125, "{name}");
    }
}

#[test]
fn fr1_lengths_in_a_longer_form_than_needed_are_refused() {
    for masked in [0x00, 0x80] {
        for len in 0..=125_u16 {
            let bytes = [&[0x82, masked | 126][..], &len.to_be_bytes()].concat();
            assert_eq!(Header::parse(&bytes), Err(ProtocolError::LengthNotMinimal), "{len}");
        }
        for len in [0, 125, 126, 65535_u64] {
            let bytes = [&[0x82, masked | 127][..], &len.to_be_bytes()].concat();
            assert_eq!(Header::parse(&bytes), Err(ProtocolError::LengthNotMinimal), "{len}");
        }
    }
    assert_eq!(ProtocolError::LengthNotMinimal.close_code(), CloseCode::PROTOCOL_ERROR);
}

#[test]
fn fr2_fr4_cve_2020_13935_cve_2026_27889_cve_2026_1528_huge_lengths_are_an_error_or_a_number() {
    let lengths = (0..=14).map(|k| u64::MAX - k).chain([
        1 << 63,
        (1 << 63) + 1,
        (1 << 63) - 1,
        1 << 62,
        1 << 32,
        (1 << 32) - 1,
        (1 << 32) + 1,
        usize::MAX as u64,
        usize::MAX as u64 - 13,
    ]);
    for len in lengths {
        for first in [0x82, 0x80, 0x89, 0x00] {
            for mask in [&[][..], &MASK] {
                let second = 0x7f | (mask.len() as u8) << 5;
                let bytes = [&[first, second][..], &len.to_be_bytes(), mask].concat();
                match Header::parse(&bytes) {
                    Err(error) => {
                        assert_eq!((error, len >> 63), (ProtocolError::LengthOverflow, 1))
                    }
                    Ok(header) => assert_eq!(header.map(|(header, _)| header.len), Some(len)),
                }
            }
        }
    }
}

#[test]
#[should_panic(expected = "2^63")]
fn gobwas_6_a_length_that_no_header_can_say_is_not_encoded() {
    let _ = Header::new(OpCode::Binary, u64::MAX).encode();
}

#[test]
fn rfc_6455_5_7_the_examples_are_encoded_and_unmasked() {
    let mut bytes = vec![];
    Frame::text("Hello").encode(&mut bytes).unwrap();
    assert_eq!(bytes, b"\x81\x05Hello");

    let mut masked = Frame::text(b"Hello".to_vec());
    masked.mask_in_place(MASK);
    bytes.clear();
    masked.encode(&mut bytes).unwrap();
    assert_eq!(bytes, b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58");
    masked.unmask_in_place();
    assert_eq!((masked.mask, &masked.payload[..]), (None, &b"Hello"[..]));

    let mut copied = vec![];
    Frame::text("Hello").encode_masked(MASK, &mut copied).unwrap();
    assert_eq!(copied, bytes);

    bytes.clear();
    Frame::new(OpCode::Text, false, "Hel").encode(&mut bytes).unwrap();
    Frame::continuation(true, "lo").encode(&mut bytes).unwrap();
    assert_eq!(bytes, b"\x01\x03Hel\x80\x02lo");

    assert_eq!(*compile_frame(&Frame::ping("Hello").unwrap()).unwrap(), *b"\x89\x05Hello");
    assert_eq!(
        *compile_frame(&Frame::binary([0; 256])).unwrap().first_chunk::<4>().unwrap(),
        [0x82, 0x7e, 1, 0]
    );
}

#[test]
fn masking_twice_and_unmasking_an_unmasked_frame_change_nothing() {
    let mut frame = Frame::binary(b"abc".to_vec());
    frame.unmask_in_place();
    assert_eq!(frame.payload, b"abc");
    frame.mask_in_place([1, 2, 3, 4]);
    let once = frame.clone();
    frame.mask_in_place([5, 6, 7, 8]);
    assert_eq!(frame, once);
}

#[test]
fn fr40_control_frames_that_break_the_rules_are_never_encoded() {
    assert!(Frame::ping([0; 125]).is_ok());
    assert_eq!(Frame::ping([0; 126]).unwrap_err(), ProtocolError::ControlTooLong);
    assert_eq!(Frame::pong([0; 126]).unwrap_err(), ProtocolError::ControlTooLong);
    let mut out = vec![];
    let fragmented = Frame::new(OpCode::Ping, false, "a");
    assert_eq!(fragmented.encode(&mut out), Err(ProtocolError::ControlFragmented));
    assert_eq!(fragmented.encode_masked(MASK, &mut out), Err(ProtocolError::ControlFragmented));
    let long = Frame::new(OpCode::Close, true, [0; 126]);
    assert_eq!(long.encode(&mut out), Err(ProtocolError::ControlTooLong));
    assert_eq!(
        wscore::write_frame(&mut out, &long).unwrap_err().kind(),
        std::io::ErrorKind::InvalidInput
    );
    assert!(out.is_empty());
}

#[test]
fn fr14_fr15_close_bodies_of_no_and_one_byte() {
    assert_eq!(CloseReason::parse(b""), Ok(None));
    assert_eq!(CloseReason::parse(b"\x03"), Err(ProtocolError::CloseBodyTooShort));
    assert_eq!(ProtocolError::CloseBodyTooShort.close_code(), CloseCode::PROTOCOL_ERROR);
}

#[test]
fn fr16_fr17_gobwas_7_every_close_code_is_valid_or_not_in_both_directions() {
    let valid = |code| matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999);
    for code in 0..=u16::MAX {
        let body = code.to_be_bytes();
        let parsed = CloseReason::parse(&body);
        let built = CloseBody::new(CloseCode(code), "");
        if valid(code) {
            assert_eq!(parsed, Ok(Some(CloseReason { code: CloseCode(code), text: "" })));
            assert_eq!(built.unwrap().as_ref(), body);
        } else {
            let error = ProtocolError::CloseCodeInvalid(CloseCode(code));
            assert_eq!(parsed, Err(error));
            assert_eq!(error.close_code(), CloseCode::PROTOCOL_ERROR);
            assert_eq!(built, Err(InvalidClose::Code(CloseCode(code))));
        }
        let ranges =
            [CloseCode::UNUSED, CloseCode::PROTOCOL, CloseCode::REGISTERED, CloseCode::PRIVATE];
        let within = ranges.iter().filter(|range| range.contains(&code)).count();
        assert_eq!(within, usize::from(code < 5000), "{code}");
    }
    for code in [CloseCode::NO_STATUS, CloseCode::ABNORMAL, CloseCode::TLS_HANDSHAKE] {
        assert!(code.is_local() && !code.is_sendable());
    }
}

#[test]
fn fr18_close_reasons_that_are_not_utf_8() {
    let cut = [&b"\x03\xe8"[..], &[b'a'; 122], b"\xc3"].concat();
    for body in [&b"\x03\xe8\xff"[..], b"\x03\xe8\xed\xa0\x80", &cut] {
        assert_eq!(CloseReason::parse(body), Err(ProtocolError::CloseReasonNotUtf8));
    }
    assert_eq!(ProtocolError::CloseReasonNotUtf8.close_code(), CloseCode::INVALID_PAYLOAD);
}

#[test]
fn fr19_our_close_is_refused_or_cut_between_characters() {
    let longest = "x".repeat(123);
    assert_eq!(CloseBody::new(CloseCode::NORMAL, &longest).unwrap().as_ref().len(), 125);
    let longer = "x".repeat(124);
    assert_eq!(CloseBody::new(CloseCode::NORMAL, &longer), Err(InvalidClose::ReasonTooLong(124)));
    for (reason, kept) in [("é".repeat(62), 122), ("€".repeat(42), 123), ("🦀".repeat(31), 120)]
    {
        let body = CloseBody::truncated(CloseCode::NORMAL, &reason).unwrap();
        let parsed = CloseReason::parse(body.as_ref()).unwrap().unwrap();
        assert_eq!(parsed.text, &reason[..kept]);
    }
    assert!(CloseBody::truncated(CloseCode::ABNORMAL, "").is_err());
    let mut out = vec![];
    Frame::close(CloseBody::EMPTY).encode(&mut out).unwrap();
    Frame::close(CloseBody::new(CloseCode::GOING_AWAY, "bye").unwrap()).encode(&mut out).unwrap();
    assert_eq!(out, b"\x88\x00\x88\x05\x03\xe9bye");
}

/// What RFC 6455 §5.2 says, in the most literal way: bit by bit from an iterator.
fn naive_parse(bytes: &[u8]) -> Result<Option<(Header, usize)>, ProtocolError> {
    let mut rest = bytes.iter().copied();
    let mut next = |count: usize| -> Option<Vec<u8>> { (0..count).map(|_| rest.next()).collect() };
    let number =
        |bytes: Vec<u8>| bytes.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    let Some(front) = next(2) else { return Ok(None) };
    let (extended, least) = match front[1] % 128 {
        126 => (2, 126),
        127 => (8, 65536),
        _ => (0, 0),
    };
    let len = if extended > 0 {
        let Some(len) = next(extended) else { return Ok(None) };
        number(len)
    } else {
        u64::from(front[1] % 128)
    };
    if len >= 1 << 63 {
        return Err(ProtocolError::LengthOverflow);
    }
    if len < least {
        return Err(ProtocolError::LengthNotMinimal);
    }
    let mut mask = None;
    if front[1] >= 128 {
        let Some(key) = next(4) else { return Ok(None) };
        mask = Some([key[0], key[1], key[2], key[3]]);
    }
    let header = Header {
        fin: front[0] >= 128,
        rsv: Rsv::from_bits(front[0] / 16 % 8),
        opcode: OpCode::from_bits(front[0] % 16),
        mask,
        len,
    };
    Ok(Some((header, 2 + extended + if mask.is_some() { 4 } else { 0 })))
}

proptest! {
    #[test]
    fn any_bytes_parse_as_the_naive_parser_says(mut bytes in prop::collection::vec(any::<u8>(), 0..20), form in 0..3_u8) {
        // The long forms would be rare.
        if let (Some(second), 1..) = (bytes.get_mut(1), form) {
            *second = *second & 0x80 | (125 + form);
        }
        prop_assert_eq!(Header::parse(&bytes), naive_parse(&bytes));
    }

    #[test]
    fn any_header_survives_the_wire(first: u8, len in prop_oneof![0..130_u64, 65_500..65_600_u64, 0..1_u64 << 63], mask: Option<[u8; 4]>) {
        let header = Header { mask, len, ..Header::peek([first, 0]) };
        let bytes = header.encode();
        prop_assert_eq!(Header::parse(&bytes), Ok(Some((header, bytes.len()))));
    }
}
