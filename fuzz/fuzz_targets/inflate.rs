//! Any bytes as the payload of a message, cut anywhere, against miniz_oxide.

#![no_main]

use libfuzzer_sys::fuzz_target;
use miniz_oxide::inflate::{
    TINFLStatus,
    core::{
        DecompressorOxide, decompress,
        inflate_flags::{TINFL_FLAG_HAS_MORE_INPUT, TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF},
    },
};
use wsflate::{Decompress, Inflate, WindowBits};

const MOST: usize = 100_000;

fuzz_target!(|bytes: &[u8]| {
    let [first, cut, room, payload @ ..] = bytes else { return };
    let window = WindowBits::new(8 + first % 8).unwrap_or_default();
    let payload = [payload, &[0, 0, 0xff, 0xff]].concat();
    let whole = ours(window, &payload, payload.len(), MOST);
    let cut = ours(window, &payload, usize::from(*cut).max(1), usize::from(*room).max(1));
    assert_eq!(whole, cut, "however it comes");
    // With the largest window both accept the same, up to the end of a first stream.
    if window == WindowBits::MAX {
        let (theirs, end) = plainly(&payload);
        let (said, is_ok) = &whole;
        match end {
            End::Payload => assert_eq!((said, *is_ok), (&theirs, true)),
            End::Stream => assert!(!is_ok || said.starts_with(&theirs)),
            End::Neither => assert!(!is_ok || said.len() == MOST),
        }
    }
});

/// What comes out, of at most `MOST` bytes, and whether it ends between two blocks.
fn ours(window: WindowBits, payload: &[u8], piece: usize, room: usize) -> (Vec<u8>, bool) {
    let mut inflate = Inflate::new(window);
    let mut said = vec![];
    for piece in payload.chunks(piece) {
        let mut rest = piece;
        loop {
            let mut place = vec![0; room.min(MOST - said.len())];
            let Ok(step) = inflate.decompress(rest, &mut place) else {
                // Bytes before the error come out as they come.
                return (vec![], false);
            };
            said.extend_from_slice(&place[..step.written]);
            rest = &rest[step.read..];
            if !step.wants_room {
                break;
            }
            if said.len() == MOST {
                return (said, false);
            }
        }
    }
    (said, inflate.is_between_blocks())
}

/// What the first stream ends with.
enum End {
    /// A block that is not final, which ends with the payload.
    Payload,
    /// A final block; what is behind it counts too.
    Stream,
    /// It is broken, or too long.
    Neither,
}

/// What miniz_oxide makes of the first stream.
fn plainly(payload: &[u8]) -> (Vec<u8>, End) {
    // With all output in one place it knows, too, what is before the start.
    let flags = TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF | TINFL_FLAG_HAS_MORE_INPUT;
    let mut state = DecompressorOxide::new();
    let mut said = vec![0; MOST];
    let (status, read, len) = decompress(&mut state, payload, &mut said, 0, flags);
    let end = match status {
        TINFLStatus::Done => End::Stream,
        TINFLStatus::NeedsMoreInput if read == payload.len() && len < MOST => {
            let end = [1, 0, 0, 0xff, 0xff];
            let (status, _, more) = decompress(&mut state, &end, &mut said, len, flags);
            if (status, more) == (TINFLStatus::Done, 0) { End::Payload } else { End::Neither }
        }
        _ => End::Neither,
    };
    said.truncate(len);
    (said, end)
}
