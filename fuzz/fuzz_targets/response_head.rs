//! Responses: the same judgement however they arrive, and nothing accepted that is not strict.

#![no_main]

use libfuzzer_sys::fuzz_target;
use wscore::{
    ClientHandshake, Dialer, Limits, ResponseError, Rsv,
    extension::{Element, ElementBuf, Extension},
};

struct Any;

impl Extension for Any {
    fn name(&self) -> &str {
        "x"
    }
    fn rsv(&self) -> Rsv {
        Rsv::RSV1
    }
    fn accept(&self, _: &Element<'_>) -> Option<ElementBuf> {
        None
    }
    fn offers(&self) -> Vec<ElementBuf> {
        vec![]
    }
    fn confirm(&self, _: &Element<'_>) -> bool {
        true
    }
}

fuzz_target!(|input: (u16, bool, &[u8])| {
    let (cut, small, bytes) = input;
    // Small ones, so that every limit is within reach.
    let limits = match small {
        true => Limits { head: 512, line: 128, headers: 8 },
        false => Limits::default(),
    };
    let dialer = Dialer::new().limits(limits).negotiate(Any).protocols(["chat", "a"]).unwrap();
    let whole = judge(&dialer, &[bytes]);
    let cut = usize::from(cut) % (bytes.len() + 1);
    assert_eq!(judge(&dialer, &[&bytes[..cut], &bytes[cut..]]), whole, "split at {cut}");
    let single: Vec<&[u8]> = bytes.chunks(1).collect();
    assert_eq!(judge(&dialer, &single), whole, "byte by byte");

    if let Ok(size) = whole {
        let heads = String::from_utf8_lossy(&bytes[..size]).to_ascii_lowercase();
        // Behind interim responses, whose headers mean nothing.
        let start = heads[..heads.len() - 4].rfind("\r\n\r\n").map_or(0, |end| end + 4);
        let head = heads[start..].trim_start();
        assert!(head.starts_with("http/1.1 101"));
        assert_eq!(head.matches("\nsec-websocket-accept:").count(), 1);
        assert!(head.ends_with("\r\n\r\n"));
    }
});

/// The size of an accepted response, or why it is not.
fn judge(dialer: &Dialer<'_>, pieces: &[&[u8]]) -> Result<usize, String> {
    let mut handshake = ClientHandshake::new(*b"the sample nonce");
    let mut received = vec![];
    for piece in pieces {
        received.extend_from_slice(piece);
        match dialer.advance(&mut handshake, &received) {
            Ok(None) => {}
            Ok(Some((_, size))) => return Ok(size),
            Err(error) => return Err(said(&error)),
        }
    }
    Err(said(&dialer.finish(&mut handshake, &received)))
}

fn said(error: &ResponseError) -> String {
    if let ResponseError::Status(error) = error {
        assert_ne!(error.status, 101);
        assert!(error.body.len() <= 64 * 1024);
    }
    format!("{error:?}")
}
