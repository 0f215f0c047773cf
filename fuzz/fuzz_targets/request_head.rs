//! Requests: the same answer however they arrive, and nothing accepted that is not strict.

#![no_main]

use libfuzzer_sys::fuzz_target;
use wscore::{HeaderSlots, Limits, Origin, RequestParser, Upgrader};

fuzz_target!(|input: (u16, bool, &[u8])| {
    let (cut, small, bytes) = input;
    // Small ones, so that every limit is within reach.
    let limits = match small {
        true => Limits { head: 512, line: 128, headers: 8 },
        false => Limits::default(),
    };
    let upgrader = Upgrader::new()
        .limits(limits)
        .protocols(["chat", "a"])
        .protocol(|offered| offered.len() == 3)
        .origin(Origin::same_host().allow("https://*.example.com").unwrap());
    let whole = answer(&upgrader, &[bytes]);
    let cut = usize::from(cut) % (bytes.len() + 1);
    assert_eq!(answer(&upgrader, &[&bytes[..cut], &bytes[cut..]]), whole, "split at {cut}");
    let single: Vec<&[u8]> = bytes.chunks(1).collect();
    assert_eq!(answer(&upgrader, &single), whole, "byte by byte");

    let (size, out) = whole;
    let Some(size) = size else {
        assert!(out.is_empty() || is_refusal(&out), "{}", String::from_utf8_lossy(&out));
        return;
    };
    assert!(out.starts_with(b"HTTP/1.1 101 ") && out.ends_with(b"\r\n\r\n"));
    assert_strict(&bytes[..size]);
    let mut slots = HeaderSlots::new();
    let request = RequestParser::new(Default::default()).parse(bytes, &mut slots).unwrap().unwrap();
    assert!(request.path().starts_with('/') && request.upgrade().is_ok());
    assert!(request.protocols().count() <= 64 && request.extensions().count() <= 64);
});

/// The size of an accepted request, and what was answered.
fn answer(upgrader: &Upgrader<'_>, pieces: &[&[u8]]) -> (Option<usize>, Vec<u8>) {
    let (mut parser, mut received, mut out) = (upgrader.parser(), vec![], vec![]);
    for piece in pieces {
        received.extend_from_slice(piece);
        match upgrader.advance(&mut parser, &received, &mut (), &mut out) {
            Ok(None) => assert!(out.is_empty()),
            Ok(Some((_, size))) => return (Some(size), out),
            Err(_) => return (None, out),
        }
    }
    (None, out)
}

fn is_refusal(out: &[u8]) -> bool {
    let mut headers = [httparse::EMPTY_HEADER; 16];
    let mut response = httparse::Response::new(&mut headers);
    let Ok(httparse::Status::Complete(size)) = response.parse(out) else { return false };
    let body = (out.len() - size).to_string();
    let has = |name: &str, value: &[u8]| {
        response.headers.iter().any(|header| header.name == name && header.value.ends_with(value))
    };
    (400..600).contains(&response.code.unwrap())
        && has("Connection", b"close")
        && has("Content-Length", body.as_bytes())
}

/// What every accepted head has, checked on its text.
fn assert_strict(head: &[u8]) {
    let mut headers = [httparse::EMPTY_HEADER; 128];
    let mut request = httparse::Request::new(&mut headers);
    assert!(request.parse(head).unwrap().is_complete(), "httparse accepts what we accept");
    for line in head.split_inclusive(|&byte| byte == b'\n') {
        assert!(line.ends_with(b"\r\n"));
        assert!(!line[..line.len() - 2].iter().any(|byte| matches!(byte, 0..=8 | 10..=31 | 127)));
    }
    let values = |name: &str| -> Vec<&[u8]> {
        let named = request.headers.iter().filter(|header| header.name.eq_ignore_ascii_case(name));
        named.map(|header| header.value).collect()
    };
    assert_eq!((request.method, request.version), (Some("GET"), Some(1)));
    assert_eq!(values("Host").len(), 1);
    assert_eq!(values("Sec-WebSocket-Version"), [b"13"]);
    assert!(matches!(values("Sec-WebSocket-Key")[..], [key] if key.len() == 24));
    assert!(values("Transfer-Encoding").is_empty() && values("Origin").len() <= 1);
    let names = |name: &str, token: &str| {
        let text = values(name).join(&b","[..]).to_ascii_lowercase();
        String::from_utf8_lossy(&text)
            .split(',')
            .any(|element| element.trim_matches([' ', '\t']) == token)
    };
    assert!(names("Upgrade", "websocket") && names("Connection", "upgrade"));
}
