//! Headers against what RFC 6455 §5.2 says literally; masking against the byte-wise loop.

#![no_main]

use libfuzzer_sys::fuzz_target;
use wscore::{
    Frame, Header, HeaderBuffer, Mask, ProtocolError, Role, State, check_header, cipher,
    copy_masked,
};

fuzz_target!(|bytes: &[u8]| {
    let parsed = Header::parse(bytes);
    assert_eq!(parsed.map(|header| header.map(|(_, size)| size)), literally(bytes));
    assert_eq!(in_pieces(bytes), parsed.map(|header| header.map(|(header, _)| header)));
    let Ok(Some((header, size))) = parsed else { return };

    // What was read is written back to the letter: there is one encoding of each header.
    assert_eq!(*header.encode(), bytes[..size]);
    assert_eq!(header.size(), size);
    let peeked = Header::peek([bytes[0], bytes[1]]);
    for role in [Role::Server, Role::Client] {
        for fragmented in [false, true] {
            let state = State { fragmented, ..State::default() };
            let checked = check_header(&header, role, state);
            assert_eq!(check_header(&peeked, role, state), checked);
            assert!(
                checked.is_ok() || checked.is_err_and(|error| error.close_code().is_sendable())
            );
        }
    }

    let payload = &bytes[size..];
    let Some(mask) = header.mask else { return };
    let naive: Vec<u8> =
        payload.iter().zip(mask.iter().cycle()).map(|(byte, key)| byte ^ key).collect();
    let mut frame = Frame::from_parts(&Header { mask: None, ..header }, payload.to_vec());
    frame.mask_in_place(mask);
    assert_eq!(frame.payload, naive);
    let at = header.len as usize % (payload.len() + 1);
    let mut pieces = payload.to_vec();
    let mut position = Mask::new(mask);
    position.apply(&mut pieces[..at]);
    position.apply(&mut pieces[at..]);
    assert_eq!(pieces, naive);
    let mut tail = vec![0; payload.len() - at];
    copy_masked(&payload[at..], &mut tail, mask, at);
    assert_eq!(tail, naive[at..]);
    cipher(&mut pieces, mask, 0);
    assert_eq!(pieces, payload);
});

/// How long the header is, said in the plainest way.
fn literally(bytes: &[u8]) -> Result<Option<usize>, ProtocolError> {
    if bytes.len() < 2 {
        return Ok(None);
    }
    let form = bytes[1] % 128;
    let extended = if form < 126 {
        0
    } else if form == 126 {
        2
    } else {
        8
    };
    if bytes.len() < 2 + extended {
        return Ok(None);
    }
    let len = bytes[2..2 + extended].iter().fold(0_u64, |len, byte| len * 256 + u64::from(*byte));
    if len >= 1 << 63 {
        return Err(ProtocolError::LengthOverflow);
    }
    if extended == 2 && len < 126 || extended == 8 && len < 65536 {
        return Err(ProtocolError::LengthNotMinimal);
    }
    let size = 2 + extended + if bytes[1] >= 128 { 4 } else { 0 };
    Ok((bytes.len() >= size).then_some(size))
}

/// The header from a buffer that gets a byte at a time.
fn in_pieces(bytes: &[u8]) -> Result<Option<Header>, ProtocolError> {
    let mut buffer = HeaderBuffer::new();
    for byte in bytes {
        buffer.room()[0] = *byte;
        if let Some(header) = buffer.advance(1)? {
            return Ok(Some(header));
        }
    }
    Ok(None)
}
