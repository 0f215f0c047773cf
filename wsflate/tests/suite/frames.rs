//! Whole frames, and the bit that says that a message is compressed.

use std::borrow::Cow;

use wscore::{Frame, Header, OpCode, ProtocolError, Rsv};
use wsflate::{
    Compressor, Config, DecompressError, Deflate, FrameError, MessageState, compress_frame,
    decompress_frame, is_compressed,
};

use crate::inflating::{NO_TAKEOVER, decompressor};

fn compressor() -> Compressor {
    let deflate = Deflate::new(Config { min_size: 10, ..Config::default() });
    Compressor::new(&deflate, NO_TAKEOVER)
}

#[test]
fn a_frame_comes_back_as_it_was() {
    let text = Frame::text("over and over and over and over again".as_bytes());
    let frame = compress_frame(&text, &mut compressor()).unwrap();
    assert!(is_compressed(&frame.header()));
    assert!(frame.payload.len() < text.payload.len());
    let frame = decompress_frame(&frame, &mut decompressor(NO_TAKEOVER), 100).unwrap();
    assert_eq!(frame.header(), text.header());
    assert_eq!(frame.payload, text.payload);
}

#[test]
fn df24_small_frames_and_control_frames_stay_as_they_are() {
    for frame in [Frame::text(&b"small"[..]), Frame::ping(&b"over and over and over"[..]).unwrap()]
    {
        let same = compress_frame(&frame, &mut compressor()).unwrap();
        assert!(matches!(same.payload, Cow::Borrowed(_)));
        assert_eq!(same.header(), frame.header());
        let same = decompress_frame(&frame, &mut decompressor(NO_TAKEOVER), 0).unwrap();
        assert_eq!(same.header(), frame.header());
    }
}

#[test]
fn frames_that_are_no_messages_are_refused() {
    let payload = &b"over and over and over"[..];
    let fragment = Frame::new(OpCode::Text, false, payload);
    let continuation = Frame::continuation(true, payload);
    let masked = Frame { mask: Some([1; 4]), ..Frame::text(payload) };
    let compressed = Frame { rsv: Rsv::RSV1, ..Frame::text(payload) };
    for (frame, error) in [
        (fragment, FrameError::Fragment),
        (continuation, FrameError::Fragment),
        (masked, FrameError::Masked),
        (compressed, FrameError::Compressed),
    ] {
        assert_eq!(compress_frame(&frame, &mut compressor()), Err(error));
    }
    for (frame, error) in [
        (fragment, FrameError::Fragment),
        (continuation, FrameError::Fragment),
        (masked, FrameError::Masked),
        (compressed, FrameError::Decompress(DecompressError::Invalid)),
    ] {
        let frame = Frame { rsv: Rsv::RSV1, ..frame };
        assert_eq!(decompress_frame(&frame, &mut decompressor(NO_TAKEOVER), 99), Err(error));
    }
    let zeros = Frame::binary(vec![0; 1000]);
    let bomb = compress_frame(&zeros, &mut compressor()).unwrap().payload;
    let bomb = Frame { rsv: Rsv::RSV1, ..Frame::binary(bomb) };
    let error = FrameError::Decompress(DecompressError::TooLarge { limit: 999 });
    assert_eq!(decompress_frame(&bomb, &mut decompressor(NO_TAKEOVER), 999), Err(error));
}

#[test]
fn df11_only_the_first_frame_of_a_message_says_it() {
    let header = |opcode, rsv| Header { rsv, ..Header::new(opcode, 1) };
    let mut state = MessageState::default();
    assert_eq!(state.unset_bits(header(OpCode::Text, Rsv::RSV1)).unwrap().rsv, Rsv::NONE);
    assert!(state.is_compressed());
    assert!(state.unset_bits(header(OpCode::Ping, Rsv::NONE)).is_ok());
    assert!(state.unset_bits(header(OpCode::Continuation, Rsv::NONE)).is_ok());
    assert!(state.is_compressed());
    let error = Err(ProtocolError::RsvUnexpected(Rsv::RSV1));
    for opcode in [OpCode::Continuation, OpCode::Ping, OpCode::Pong, OpCode::Close] {
        assert_eq!(state.unset_bits(header(opcode, Rsv::RSV1)), error);
    }
    // Other bits are others' business.
    assert_eq!(state.unset_bits(header(OpCode::Binary, Rsv::RSV2)).unwrap().rsv, Rsv::RSV2);
    assert!(!state.is_compressed());
    assert_eq!(state.set_bits(header(OpCode::Text, Rsv::NONE)).rsv, Rsv::NONE);
    state.set_compressed(true);
    assert_eq!(state.set_bits(header(OpCode::Text, Rsv::RSV3)).rsv, Rsv::RSV1 | Rsv::RSV3);
    for opcode in [OpCode::Continuation, OpCode::Ping, OpCode::Pong, OpCode::Close] {
        assert_eq!(state.set_bits(header(opcode, Rsv::NONE)).rsv, Rsv::NONE);
    }
}
