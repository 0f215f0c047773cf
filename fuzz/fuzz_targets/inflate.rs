//! Any bytes as the payload of a message, cut anywhere, against miniz_oxide.

#![no_main]

use libfuzzer_sys::fuzz_target;
use miniz_oxide::{
    DataFormat, MZError, MZFlush, MZStatus,
    inflate::stream::{InflateState, inflate},
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
        let (theirs, is_whole) = plainly(&payload);
        let (said, is_ok) = &whole;
        if is_whole {
            assert!(said.starts_with(&theirs));
        } else if theirs.len() < MOST {
            assert!(!is_ok || said.len() == MOST);
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

/// What miniz_oxide makes of the first stream, and whether that ends.
fn plainly(payload: &[u8]) -> (Vec<u8>, bool) {
    let mut state = InflateState::new_boxed(DataFormat::Raw);
    let mut said = vec![0; MOST];
    let result = inflate(&mut state, payload, &mut said, MZFlush::Sync);
    said.truncate(result.bytes_written);
    match result.status {
        Ok(MZStatus::StreamEnd) => (said, true),
        Ok(_) => {
            let is_whole = result.bytes_consumed == payload.len() && said.len() < MOST;
            let end = inflate(&mut state, &[1, 0, 0, 0xff, 0xff], &mut [0; 1], MZFlush::Sync);
            let is_end = end.status == Ok(MZStatus::StreamEnd) && end.bytes_written == 0;
            (said, is_whole && is_end)
        }
        Err(MZError::Buf) => (said, false),
        Err(_) => (vec![], false),
    }
}
