//! Headers and frames through both drivers: the same table, every split, every failure.

use std::{
    future::Future,
    io::{self, Read},
    pin::pin,
    task::{Context, Poll, Waker},
};

use wscore::{
    Frame, Header, HeaderBuffer, OpCode, ProtocolError, ReadError, read_frame, read_frame_into,
    read_header, read_header_with, write_frame, write_header,
};

use crate::{
    frames::headers,
    rig::{Script, Step, block_on},
};

#[test]
fn fr36_both_drivers_read_every_header_in_pieces_of_any_size() {
    for (name, bytes, header) in headers() {
        let followed = [&bytes[..], b"rest"].concat();
        for size in 1..=followed.len() {
            let mut stream = Script::pieces(&followed, size).failing(io::ErrorKind::Interrupted);
            assert_eq!(read_header(&mut stream).unwrap(), header, "{name} by {size}");
            let mut rest = String::new();
            stream.read_to_string(&mut rest).unwrap();
            assert_eq!(rest, "rest", "{name} by {size}: the payload is not touched");

            let mut stream = Script::pieces(&followed, size).failing(io::ErrorKind::WouldBlock);
            assert_eq!(
                block_on(wscore::tokio::read_header(&mut stream)).unwrap(),
                header,
                "{name}"
            );
        }
    }
}

#[test]
fn a_header_survives_errors_and_cancellations_in_the_caller_s_buffer() {
    for (name, bytes, header) in headers() {
        let script = Script::pieces(&bytes, 1).failing(io::ErrorKind::WouldBlock);
        let (mut stream, mut buffer, mut errors) = (script.clone(), HeaderBuffer::new(), 0);
        let read = loop {
            match read_header_with(&mut stream, &mut buffer) {
                Ok(read) => break read,
                Err(ReadError::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => {
                    errors += 1
                }
                Err(error) => panic!("{name}: {error}"),
            }
        };
        assert_eq!((read, errors), (header, bytes.len()), "{name}");

        // TR7: the future is dropped each time it is not ready.
        let (mut stream, mut buffer, mut cancelled) = (script, HeaderBuffer::new(), 0);
        let read = loop {
            let future = pin!(wscore::tokio::read_header_with(&mut stream, &mut buffer));
            match future.poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(read) => break read.unwrap(),
                Poll::Pending => cancelled += 1,
            }
        };
        assert_eq!((read, cancelled), (header, bytes.len()), "{name}");
    }
}

#[test]
fn tr3_gobwas_5_the_end_between_frames_is_told_from_the_end_inside_one() {
    for (name, bytes, _) in headers() {
        for cut in 0..bytes.len() {
            let script = Script::whole(&bytes[..cut]);
            let by_std = read_header(&mut script.clone()).unwrap_err();
            let by_tokio = block_on(wscore::tokio::read_header(&mut script.clone())).unwrap_err();
            for error in [by_std, by_tokio] {
                match error {
                    ReadError::Closed => assert_eq!(cut, 0, "{name}"),
                    ReadError::Truncated => assert_ne!(cut, 0, "{name}"),
                    error => panic!("{name}: {error}"),
                }
            }
        }
    }
}

#[test]
fn tr3_frames_are_read_whole_or_not_at_all_at_every_cut() {
    let bytes = b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58";
    for cut in 0..=bytes.len() {
        let script = Script::pieces(&bytes[..cut], 3).failing(io::ErrorKind::Interrupted);
        let by_std = read_frame(&mut script.clone(), 5);
        let script = Script::pieces(&bytes[..cut], 3).failing(io::ErrorKind::WouldBlock);
        let by_tokio = block_on(wscore::tokio::read_frame(&mut script.clone(), 5));
        for read in [by_std, by_tokio] {
            match read {
                Ok(mut frame) => {
                    assert_eq!(cut, bytes.len());
                    assert_eq!(frame.mask, Some([0x37, 0xfa, 0x21, 0x3d]));
                    frame.unmask_in_place();
                    assert_eq!(frame, Frame::text(b"Hello".to_vec()));
                }
                Err(ReadError::Closed) => assert_eq!(cut, 0),
                Err(ReadError::Truncated) => assert!((1..bytes.len()).contains(&cut)),
                Err(error) => panic!("{error}"),
            }
        }
    }
}

#[test]
fn fr3_a_frame_over_the_limit_is_refused_before_its_payload() {
    let mut stream = &b"\x82\x7e\x01\x00payload"[..];
    match read_frame(&mut stream, 255) {
        Err(ReadError::Protocol(ProtocolError::FrameTooLarge { len: 256, limit: 255 })) => {}
        other => panic!("{other:?}"),
    }
    assert_eq!(stream, b"payload");
    let mut script = Script::whole(b"\x82\x7e\x01\x00payload");
    let read = block_on(wscore::tokio::read_frame(&mut script, 255));
    assert!(matches!(read, Err(ReadError::Protocol(ProtocolError::FrameTooLarge { .. }))));
}

#[test]
fn fr1_fr2_a_wrong_length_is_the_driver_s_error_too() {
    for (bytes, expected) in [
        (&b"\x82\x7e\x00\x7d"[..], ProtocolError::LengthNotMinimal),
        (b"\x82\x7f\x00\x00\x00\x00\x00\x00\xff\xff", ProtocolError::LengthNotMinimal),
        (b"\x82\x7f\x80\x00\x00\x00\x00\x00\x00\x00", ProtocolError::LengthOverflow),
    ] {
        for size in 1..=bytes.len() {
            let script = Script::pieces(bytes, size);
            let by_std = read_header(&mut script.clone()).unwrap_err();
            let by_tokio = block_on(wscore::tokio::read_header(&mut script.clone())).unwrap_err();
            for error in [by_std, by_tokio] {
                assert!(matches!(error, ReadError::Protocol(error) if error == expected));
            }
        }
    }
}

#[test]
fn the_caller_s_buffer_is_replaced_and_lent() {
    let mut stream = &b"\x81\x03one\x82\x05three\x89\x00"[..];
    let mut buffer = b"left over".to_vec();
    for (opcode, payload) in [(OpCode::Text, "one"), (OpCode::Binary, "three"), (OpCode::Ping, "")]
    {
        let frame = read_frame_into(&mut stream, &mut buffer, 100).unwrap();
        assert_eq!((frame.opcode, &*frame.payload), (opcode, payload.as_bytes()));
    }
    assert!(matches!(read_frame_into(&mut stream, &mut buffer, 100), Err(ReadError::Closed)));
}

/// Payloads on both sides of what is copied behind the header.
const SIZES: [usize; 9] = [0, 1, 125, 126, 511, 512, 513, 65535, 65536];

#[test]
fn fr40_gobwas_a_frame_is_one_write() {
    for size in SIZES {
        let payload = vec![7; size];
        let frame = Frame::binary(&payload);
        let mut expected = vec![];
        frame.encode(&mut expected).unwrap();
        let (mut by_std, mut by_tokio) = (Script::new([]), Script::new([]));
        write_frame(&mut by_std, &frame).unwrap();
        block_on(wscore::tokio::write_frame(&mut by_tokio, &frame)).unwrap();
        for stream in [by_std, by_tokio] {
            assert_eq!((stream.writes, stream.written == expected), (1, true), "{size}");
        }
    }
}

#[test]
fn tr1_tr2_short_and_interrupted_writes_give_the_same_bytes() {
    for size in SIZES.into_iter().filter(|size| *size < 2000) {
        let payload: Vec<u8> = (0..size).map(|index| index as u8).collect();
        let frame = Frame::binary(&payload);
        let mut expected = vec![];
        frame.encode(&mut expected).unwrap();
        for write_size in [1, 2, 3, 13, 14, 15, 500] {
            let script = Script { write_size, ..Script::new([]) };
            let mut by_std = script.clone();
            write_frame(&mut by_std, &frame).unwrap();
            let mut by_tokio = Script { write_blocks: true, ..script };
            block_on(wscore::tokio::write_frame(&mut by_tokio, &frame)).unwrap();
            assert!(
                by_std.written == expected && by_tokio.written == expected,
                "{size} by {write_size}"
            );
        }
    }
}

#[test]
fn tr1_a_stream_that_takes_nothing_is_an_error_and_not_a_loop() {
    let frame = Frame::binary(vec![0; 5000]);
    let script = Script { write_size: 0, ..Script::new([]) };
    let by_std = write_frame(&mut script.clone(), &frame).unwrap_err();
    let by_tokio = block_on(wscore::tokio::write_frame(&mut script.clone(), &frame)).unwrap_err();
    assert_eq!(
        (by_std.kind(), by_tokio.kind()),
        (io::ErrorKind::WriteZero, io::ErrorKind::WriteZero)
    );
}

#[test]
fn tr6_the_nth_read_fails_and_the_error_is_kept() {
    let bytes = b"\x82\xfe\x01\x00\x01\x02\x03\x04";
    for n in 0..bytes.len() {
        let mut steps: Vec<_> = bytes.iter().map(|byte| Step::Bytes(vec![*byte])).collect();
        steps.insert(n, Step::Fail(io::ErrorKind::ConnectionReset));
        let script = Script::new(steps);
        let by_std = read_header(&mut script.clone()).unwrap_err();
        let by_tokio = block_on(wscore::tokio::read_header(&mut script.clone())).unwrap_err();
        for error in [by_std, by_tokio] {
            assert!(
                matches!(error, ReadError::Io(error) if error.kind() == io::ErrorKind::ConnectionReset)
            );
        }
    }
}

#[test]
fn headers_are_written_and_impossible_ones_are_not() {
    for (name, bytes, header) in headers() {
        let (mut by_std, mut by_tokio) = (vec![], Script { write_size: 1, ..Script::new([]) });
        write_header(&mut by_std, &header).unwrap();
        block_on(wscore::tokio::write_header(&mut by_tokio, &header)).unwrap();
        assert!(by_std == bytes && by_tokio.written == bytes, "{name}");
    }
    let mut stream = vec![];
    for impossible in [
        Header::new(OpCode::Binary, 1 << 63),
        Header::new(OpCode::Ping, 126),
        Header { fin: false, ..Header::new(OpCode::Pong, 0) },
    ] {
        let written = write_header(&mut stream, &impossible);
        assert_eq!(written.unwrap_err().kind(), io::ErrorKind::InvalidInput);
        let written = block_on(wscore::tokio::write_header(&mut stream, &impossible));
        assert_eq!(written.unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }
    assert!(stream.is_empty());
}

#[test]
fn fr36_frames_in_three_reads_cut_anywhere() {
    let frames: [&[u8]; 3] = [
        b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58",
        b"\x82\xfe\x00\x7e\x01\x02\x03\x04............",
        b"\x89\x04ping\x8a\x04pong\x88\x02\x03\xe8",
    ];
    for bytes in frames {
        let whole: Vec<_> = frames_in(&mut Script::whole(bytes));
        for first in 0..=bytes.len() {
            for second in first..=bytes.len() {
                let cuts = [&bytes[..first], &bytes[first..second], &bytes[second..]];
                let script = Script::new(cuts.map(|piece| Step::Bytes(piece.to_vec())));
                assert_eq!(frames_in(&mut script.clone()), whole, "{first}, {second}");
                assert_eq!(block_on(frames_in_tokio(&mut script.clone())), whole);
            }
        }
    }
}

/// The frames up to the end of the stream, and what the end is.
fn frames_in(stream: &mut Script) -> Vec<Result<Frame<Vec<u8>>, String>> {
    let mut frames = vec![];
    loop {
        let frame = read_frame(stream, 1000).map_err(|error| error.to_string());
        let ended = frame.is_err();
        frames.push(frame);
        if ended {
            return frames;
        }
    }
}

async fn frames_in_tokio(stream: &mut Script) -> Vec<Result<Frame<Vec<u8>>, String>> {
    let mut frames = vec![];
    loop {
        let frame =
            wscore::tokio::read_frame(stream, 1000).await.map_err(|error| error.to_string());
        let ended = frame.is_err();
        frames.push(frame);
        if ended {
            return frames;
        }
    }
}

/// How many reads it takes to read one frame.
fn reads(size: usize, buffer: &mut Vec<u8>) -> usize {
    struct Counted<'a>(&'a [u8], usize);
    impl Read for Counted<'_> {
        fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
            self.1 += 1;
            self.0.read(room)
        }
    }
    let mut bytes = vec![];
    Frame::binary(vec![7; size]).encode(&mut bytes).unwrap();
    let mut stream = Counted(&bytes, 0);
    assert_eq!(read_frame_into(&mut stream, buffer, 1 << 24).unwrap().payload.len(), size);
    stream.1
}

#[test]
fn gobwas_a_frame_takes_few_reads() {
    for (size, fresh, reused) in [(0, 1, 1), (100, 2, 2), (1000, 3, 3), (5000, 4, 3), (8000, 4, 3)]
    {
        let mut buffer = Vec::new();
        assert_eq!(reads(size, &mut buffer), fresh, "{size} into a fresh buffer");
        assert_eq!(reads(size, &mut buffer), reused, "{size} into the same buffer again");
    }
}

#[test]
fn a_header_buffer_is_empty_again_behind_an_error() {
    let mut stream = Script::whole(b"\x82\x7e\x00\x01\x81\x00");
    let mut buffer = HeaderBuffer::new();
    assert!(matches!(read_header_with(&mut stream, &mut buffer), Err(ReadError::Protocol(_))));
    assert!(buffer.is_empty());
    assert_eq!(buffer.room().len(), 2);
}

#[test]
#[should_panic(expected = "than there was room for")]
fn a_header_buffer_takes_no_more_than_it_has_room_for() {
    let _ = HeaderBuffer::new().advance(3);
}

#[test]
fn tr6_the_nth_write_fails_and_what_was_written_is_the_beginning_of_the_frame() {
    let payload: Vec<u8> = (0..40).collect();
    let frame = Frame::binary(&payload);
    let mut whole = vec![];
    frame.encode(&mut whole).unwrap();
    for write_fails_behind in 0..whole.len().div_ceil(3) {
        let script = Script { write_size: 3, write_fails_behind, ..Script::new([]) };
        let (mut by_std, mut by_tokio) = (script.clone(), script);
        let errors = [
            write_frame(&mut by_std, &frame).unwrap_err(),
            block_on(wscore::tokio::write_frame(&mut by_tokio, &frame)).unwrap_err(),
        ];
        for (error, stream) in errors.into_iter().zip([by_std, by_tokio]) {
            assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
            assert_eq!(stream.written, whole[..3 * write_fails_behind]);
        }
    }
}
