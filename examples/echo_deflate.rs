//! Echo with compressed frames, decompressed and compressed in one call each. Messages in several
//! frames are refused, and whether text is UTF-8 is left to the client that gets it back:
//! `echo_deflate_stream` is the whole thing.

pub(crate) mod common;

use std::{error::Error, net::TcpStream, time::Duration};

use wscore::{
    CloseBody, CloseCode, CloseReason, DeadlineStream, Frame, Handshake, OpCode, Replay, Role,
    State, Upgrader, check_header, lingering_close, read_frame, write_frame,
};
use wsflate::{
    Compressor, Config, Decompressor, Deflate, FrameError, compress_frame, decompress_frame,
};

/// The longest message, in bytes, on the wire and decompressed.
const LIMIT: u64 = 16 << 20;

fn main() {
    let deflate = Deflate::new(Config::default());
    common::run("Echoes WebSocket messages in compressed frames.", move |mut stream| {
        let mut timed = DeadlineStream::new(&mut stream, Duration::from_secs(10));
        let upgraded = Upgrader::new().negotiate(&deflate).upgrade(&mut timed);
        drop(timed);
        let served = upgraded
            .map_err(Into::into)
            .and_then(|up| echo(&mut Replay::new(up.early_data, &stream), &deflate, &up.handshake));
        common::log(served);
        lingering_close(stream);
    });
}

/// Echoes until the client closes, which is answered, or breaks a rule, which it is told.
pub(crate) fn echo(
    stream: &mut Replay<&TcpStream>,
    deflate: &Deflate,
    handshake: &Handshake,
) -> Result<(), Box<dyn Error>> {
    let agreed = deflate.agreed(Role::Server, handshake);
    let mut codecs = agreed.map(|agreed| {
        (Decompressor::new(deflate, agreed.receive), Compressor::new(deflate, agreed.send))
    });
    let state = State { fragmented: false, extension_rsv: handshake.rsv() };
    loop {
        let mut frame = read_frame(stream, LIMIT)?;
        if let Err(error) = check_header(&frame.header(), Role::Server, state) {
            return fail(stream, error.close_code(), &error.to_string());
        }
        frame.unmask_in_place();
        match frame.opcode {
            OpCode::Ping => write_frame(stream, &Frame::pong(frame.payload)?)?,
            OpCode::Pong => {}
            OpCode::Close => {
                let body = CloseReason::parse(&frame.payload)?
                    .map_or(Ok(CloseBody::EMPTY), |reason| CloseBody::new(reason.code, ""));
                return Ok(write_frame(stream, &Frame::close(body?))?);
            }
            _ if !frame.fin => {
                return fail(stream, CloseCode::POLICY_VIOLATION, "no fragments, please");
            }
            _ => {
                let Some((decompressor, compressor)) = &mut codecs else {
                    write_frame(stream, &frame)?;
                    continue;
                };
                let message = match decompress_frame(&frame, decompressor, LIMIT) {
                    Ok(message) => message,
                    Err(FrameError::Decompress(error)) => {
                        return fail(stream, error.close_code(), &error.to_string());
                    }
                    Err(error) => return Err(error.into()),
                };
                write_frame(stream, &compress_frame(&message, compressor)?)?;
            }
        }
    }
}

/// Tells the client what it did wrong.
fn fail(stream: &mut Replay<&TcpStream>, code: CloseCode, why: &str) -> Result<(), Box<dyn Error>> {
    write_frame(stream, &Frame::close(CloseBody::truncated(code, why)?))?;
    Err(why.into())
}
