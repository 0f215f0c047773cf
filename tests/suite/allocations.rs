//! What is allocated, counted: nothing in the steady state, nothing for a declared length.

use std::io::{self, Read, Write};

use wscore::{
    Frame, Headers, ReadError, Rejection, Upgrader, read_frame, read_frame_into, write_frame,
};

use crate::{
    counting::allocated,
    rig::replaced,
    server_handshake::{ACCEPTED, BASE},
};

/// A stream that allocates nothing itself.
struct Pipe<'a> {
    input: &'a [u8],
    output: [u8; 2048],
    written: usize,
}

impl<'a> Pipe<'a> {
    fn new(input: &'a [u8]) -> Self {
        Self { input, output: [0; 2048], written: 0 }
    }
    fn written(&self) -> &[u8] {
        &self.output[..self.written]
    }
}

impl Read for Pipe<'_> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        self.input.read(room)
    }
}

impl Write for Pipe<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = (&mut self.output[self.written..]).write(bytes)?;
        self.written += taken;
        Ok(taken)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn the_counter_counts() {
    assert_eq!(allocated(|| drop(vec![0_u8; 100])), (1, 100));
}

#[test]
fn an_accepted_upgrade_allocates_nothing() {
    let upgrader = Upgrader::new()
        .protocols(["chat"])
        .header("X-Server", "b7")
        .unwrap()
        .on_host(|host| if host.is_empty() { Err(Rejection::new(403)) } else { Ok(()) })
        .on_header(|_, value| if value.is_empty() { Err(Rejection::new(400)) } else { Ok(()) })
        .on_before_upgrade(|| Ok(Headers::new()));
    let plain = BASE.to_owned();
    let offer = replaced(
        BASE,
        &[("\r\n\r\n", "\r\nCookie: a=b\r\nSec-WebSocket-Protocol: x, chat\r\n\r\n")],
    );
    for (request, protocol) in [(&plain, None), (&offer, Some("chat"))] {
        let mut pipe = Pipe::new(request.as_bytes());
        let mut upgraded = None;
        assert_eq!(
            allocated(|| upgraded = Some(upgrader.upgrade(&mut pipe))),
            (0, 0),
            "{protocol:?}"
        );
        assert_eq!(upgraded.unwrap().unwrap().handshake.protocol(), protocol);
        assert!(pipe.written().starts_with(&ACCEPTED.as_bytes()[..127]));

        let mut pipe = crate::rig::Script::whole(request.as_bytes());
        pipe.written.reserve(1024);
        pipe.steps.reserve(4);
        let counted = allocated(|| {
            let upgraded = crate::rig::block_on(wscore::tokio::upgrade(&upgrader, &mut pipe));
            assert!(upgraded.is_ok());
        });
        assert_eq!(counted, (0, 0), "{protocol:?} under tokio");

        let (mut parser, mut out) = (upgrader.parser(), Vec::with_capacity(512));
        let counted = allocated(|| {
            let accepted = upgrader.advance(&mut parser, request.as_bytes(), &mut (), &mut out);
            assert!(accepted.is_ok_and(|accepted| accepted.is_some()));
        });
        assert_eq!(counted, (0, 0), "{protocol:?} by the machine");
    }
}

#[test]
fn a_refused_upgrade_allocates_nothing() {
    let upgrader = Upgrader::new();
    for (old, new) in [("GET", "POST"), ("Version: 13", "Version: 8"), ("Host", "Hots")] {
        let request = replaced(BASE, &[(old, new)]);
        let mut pipe = Pipe::new(request.as_bytes());
        let counted = allocated(|| assert!(upgrader.upgrade(&mut pipe).is_err()));
        assert_eq!(counted, (0, 0), "{new}");
    }
}

#[test]
fn frames_through_reused_buffers_allocate_nothing() {
    let mut bytes = vec![];
    for size in [0, 125, 126, 2000, 65536] {
        Frame::binary(vec![7; size]).encode_masked([1, 2, 3, 4], &mut bytes).unwrap();
    }
    let mut payload = Vec::with_capacity(65536);
    let mut echoed = Vec::with_capacity(2 * bytes.len());
    let counted = allocated(|| {
        let mut stream = &bytes[..];
        while !stream.is_empty() {
            let mut frame = read_frame_into(&mut stream, &mut payload, 1 << 20).unwrap();
            frame.unmask_in_place();
            write_frame(&mut echoed, &frame).unwrap();
            frame.encode(&mut echoed).unwrap();
            frame.encode_masked([4, 3, 2, 1], &mut Vec::new()).unwrap_or_default();
        }
    });
    // Five vectors of the last line and nothing else.
    assert_eq!(counted.0, 5);
}

#[test]
fn cve_2022_35922_gobwas_8_a_declared_length_allocates_nothing() {
    for len in [1 << 20, 1 << 32, 1 << 62, (1_u64 << 63) - 1] {
        let header = [&[0x82, 0x7f][..], &len.to_be_bytes(), b"stalls"].concat();
        let (_, bytes) = allocated(|| {
            let read = read_frame(&mut &header[..], u64::MAX);
            assert!(matches!(read, Err(ReadError::Truncated)));
        });
        assert!(bytes <= 1024, "{bytes} bytes for a frame that says {len}");
        let mut script = crate::rig::Script::whole(&header);
        let (_, bytes) = allocated(|| {
            let read = crate::rig::block_on(wscore::tokio::read_frame(&mut script, u64::MAX));
            assert!(matches!(read, Err(ReadError::Truncated)));
        });
        assert!(bytes <= 1024, "{bytes} bytes under tokio for a frame that says {len}");
    }
}

#[test]
fn memory_for_a_payload_grows_with_what_came() {
    let header = [&[0x82, 0x7f][..], &(1_u64 << 40).to_be_bytes(), &[7; 100_000]].concat();
    let (_, bytes) = allocated(|| assert!(read_frame(&mut &header[..], u64::MAX).is_err()));
    assert!(bytes < 8 * 100_000, "{bytes}");
}
