//! What the server answers to every kind of request: one table for the machine and both drivers.

use std::io::{self, Read};

use wscore::{HeaderSlots, Limits, Rejection, RequestError, RequestParser, UpgradeError, Upgrader};

use crate::rig::{Script, Step, block_on, replaced};

pub(crate) const BASE: &str = "GET /chat HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Version: 13\r\n\r\n";

pub(crate) const ACCEPTED: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

const HOST: &str = "Host: example.com\r\n";
const UPGRADE: &str = "Upgrade: websocket\r\n";
const CONNECTION: &str = "Connection: Upgrade\r\n";
const KEY: &str = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
const KEY_VALUE: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const VERSION: &str = "Sec-WebSocket-Version: 13\r\n";

/// A row of the table: the case, what is replaced in [`BASE`], by what, and the status.
type Row = (&'static str, &'static str, &'static str, u16);

const ROWS: &[Row] = &[
    ("HS1 POST", "GET", "POST", 405),
    ("HS1 PUT", "GET", "PUT", 405),
    ("HS1 HEAD", "GET", "HEAD", 405),
    ("HS1 get", "GET", "get", 405),
    ("HS2 HTTP/1.0", "HTTP/1.1", "HTTP/1.0", 505),
    ("HS3 HTTP/0.9 without version", " HTTP/1.1", "", 400),
    ("HS3 HTTP/0.9", "HTTP/1.1", "HTTP/0.9", 505),
    ("HS3 HTTP/2.0", "HTTP/1.1", "HTTP/2.0", 505),
    ("HS3 HTTP/1.2", "HTTP/1.1", "HTTP/1.2", 505),
    ("HS3 HTTP/1.11", "HTTP/1.1", "HTTP/1.11", 400),
    ("HS3 http/1.1", "HTTP/1.1", "http/1.1", 400),
    ("HS3 HTTP/1", "HTTP/1.1", "HTTP/1", 400),
    ("HS3 junk", "HTTP/1.1", "HTTP-1.1", 400),
    ("HS3 gobwas 22 HTTP/1.:", "HTTP/1.1", "HTTP/1.:", 400),
    ("HS3 gobwas 14 no spaces", "GET /chat HTTP/1.1", "GET", 400),
    ("HS4 query", "/chat", "/a?b", 101),
    ("HS4 encoded", "/chat", "/%C3%A9", 101),
    ("HS4 asterisk", "/chat", "*", 400),
    ("HS4 empty", "/chat ", "", 400),
    ("HS4 relative", "/chat", "a/b", 400),
    ("HS4 only a fragment", "/chat", "#frag", 400),
    ("HS4 fragment", "/chat", "/a#frag", 400),
    ("HS4 space", "/chat", "/a b", 400),
    ("HS4 control", "/chat", "/a\x01b", 400),
    ("HS4 not ASCII", "/chat", "/é", 400),
    ("HS5 absolute", "/chat", "http://h:1/x", 101),
    ("HS5 absolute https", "/chat", "HTTPS://h/x", 101),
    ("HS5 absolute without path", "/chat", "http://h", 101),
    ("HS5 absolute with only a query", "/chat", "http://h?x", 101),
    ("HS6 ws", "/chat", "ws://example.com/chat", 400),
    ("HS6 authority", "/chat", "example.com:80", 400),
    ("HS6 bad URI", "/chat", "http:///x", 400),
    ("HS6 bad port", "/chat", "http://h:99999/x", 400),
    ("HS7 missing", HOST, "", 400),
    ("HS7 twice", HOST, "Host: example.com\r\nHost: example.com\r\n", 400),
    ("HS7 empty", HOST, "Host:\r\n", 400),
    ("HS7 space", HOST, "Host: a b\r\n", 400),
    ("HS7 comma", HOST, "Host: a,b\r\n", 400),
    ("HS7 port", HOST, "Host: example.com:8080\r\n", 101),
    ("HS7 IPv6", HOST, "Host: [::1]:9001\r\n", 101),
    ("HS8 CVE-2026-59898 missing", UPGRADE, "", 426),
    ("HS8 h2c", UPGRADE, "Upgrade: h2c\r\n", 400),
    ("HS8 longer", UPGRADE, "Upgrade: websocketx\r\n", 400),
    ("HS8 prefixed", UPGRADE, "Upgrade: notwebsocket\r\n", 400),
    ("HS8 in two", UPGRADE, "Upgrade: web socket\r\n", 400),
    ("HS9 case", UPGRADE, "Upgrade: WebSocket\r\n", 101),
    ("HS9 list", UPGRADE, "Upgrade: h2c, websocket\r\n", 101),
    ("HS9 two lines", UPGRADE, "Upgrade: h2c\r\nUpgrade: websocket\r\n", 101),
    ("HS9 two lines, ours first", UPGRADE, "Upgrade: websocket\r\nUpgrade: h2c\r\n", 101),
    ("HS10 CVE-2026-59898 missing", CONNECTION, "", 400),
    ("HS10 keep-alive", CONNECTION, "Connection: keep-alive\r\n", 400),
    ("HS10 notupgrade", CONNECTION, "Connection: notupgrade\r\n", 400),
    ("HS10 upgrade-x", CONNECTION, "Connection: upgrade-x\r\n", 400),
    ("HS11 list", CONNECTION, "Connection: keep-alive, Upgrade\r\n", 101),
    ("HS11 case", CONNECTION, "Connection: upgrade\r\n", 101),
    (
        "HS11 gobwas 24 two lines",
        CONNECTION,
        "Connection: keep-alive\r\nConnection: Upgrade\r\n",
        101,
    ),
    (
        "HS11 two lines, ours first",
        CONNECTION,
        "Connection: Upgrade\r\nConnection: keep-alive\r\n",
        101,
    ),
    ("HS11 tabs and empties", CONNECTION, "Connection:\t,,\tUpgrade ,\r\n", 101),
    ("HS12 CVE-2026-59898 missing", KEY, "", 400),
    ("HS12 empty", KEY_VALUE, "", 400),
    ("HS12 twice", "\r\n\r\n", "\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", 400),
    ("HS13 15 bytes", KEY_VALUE, "AAAAAAAAAAAAAAAAAAAA", 400),
    ("HS13 17 bytes", KEY_VALUE, "AAAAAAAAAAAAAAAAAAAAAAA=", 400),
    ("HS13 no padding", KEY_VALUE, "dGhlIHNhbXBsZSBub25jZQ", 400),
    ("HS13 url-safe", KEY_VALUE, "-GhlIHNhbXBsZSBub25jZ_==", 400),
    ("HS13 inner space", KEY_VALUE, "dGhlIHNhbXB ZSBub25jZQ==", 400),
    ("HS13 gobwas 29 not base64", KEY_VALUE, "!@#$%^&*()!@#$%^&*()!@==", 400),
    ("HS13 not ASCII", KEY_VALUE, "dGhlIHNhbXBsZSBub25jéQ==", 400),
    ("HS13 24 digits", KEY_VALUE, "AAAAAAAAAAAAAAAAAAAAAAAA", 400),
    ("HS15 space around", KEY_VALUE, " \t dGhlIHNhbXBsZSBub25jZQ== \t ", 101),
    ("HS16 8", "Version: 13", "Version: 8", 426),
    ("HS16 CVE-2026-54466 0", "Version: 13", "Version: 0", 426),
    ("HS16 7", "Version: 13", "Version: 7", 426),
    ("HS16 12", "Version: 13", "Version: 12", 426),
    ("HS16 14", "Version: 13", "Version: 14", 426),
    ("HS16 255", "Version: 13", "Version: 255", 426),
    ("HS16 130", "Version: 13", "Version: 130", 426),
    ("HS17 CVE-2026-59898 missing", VERSION, "", 400),
    ("HS17 empty", "Version: 13", "Version:", 400),
    ("HS17 013", "Version: 13", "Version: 013", 400),
    ("HS17 list", "Version: 13", "Version: 13, 8", 400),
    ("HS17 256", "Version: 13", "Version: 256", 400),
    ("HS17 abc", "Version: 13", "Version: abc", 400),
    ("HS17 twice", VERSION, "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Version: 13\r\n", 400),
    ("HS19 duplicate", "\r\n\r\n", "\r\nSec-WebSocket-Protocol: a, b, a\r\n\r\n", 400),
    (
        "HS19 duplicate over lines",
        "\r\n\r\n",
        "\r\nSec-WebSocket-Protocol: a\r\nSec-WebSocket-Protocol: a\r\n\r\n",
        400,
    ),
    ("HS19 empty", "\r\n\r\n", "\r\nSec-WebSocket-Protocol:\r\n\r\n", 400),
    ("HS19 only a comma", "\r\n\r\n", "\r\nSec-WebSocket-Protocol: ,\r\n\r\n", 400),
    ("HS19 not a token", "\r\n\r\n", "\r\nSec-WebSocket-Protocol: a=b\r\n\r\n", 400),
    ("HS19 space", "\r\n\r\n", "\r\nSec-WebSocket-Protocol: a b\r\n\r\n", 400),
    ("HS19 Granian not ASCII", "\r\n\r\n", "\r\nSec-WebSocket-Protocol: é\r\n\r\n", 400),
    (
        "HS20 several lines, none known",
        "\r\n\r\n",
        "\r\nSec-WebSocket-Protocol: a\r\nSec-WebSocket-Protocol: b, c\r\n\r\n",
        101,
    ),
    ("HS21 ;", "\r\n\r\n", "\r\nSec-WebSocket-Extensions: ;\r\n\r\n", 400),
    ("HS21 a;", "\r\n\r\n", "\r\nSec-WebSocket-Extensions: a;\r\n\r\n", 400),
    ("HS21 a;=1", "\r\n\r\n", "\r\nSec-WebSocket-Extensions: a;=1\r\n\r\n", 400),
    ("HS21 a;b=", "\r\n\r\n", "\r\nSec-WebSocket-Extensions: a;b=\r\n\r\n", 400),
    ("HS21 a b", "\r\n\r\n", "\r\nSec-WebSocket-Extensions: a b\r\n\r\n", 400),
    ("HS21 open quote", "\r\n\r\n", "\r\nSec-WebSocket-Extensions: a;b=\"\r\n\r\n", 400),
    (
        "HS21 quoted not a token",
        "\r\n\r\n",
        "\r\nSec-WebSocket-Extensions: a;b=\"x y\"\r\n\r\n",
        400,
    ),
    ("HS21 quoted nothing", "\r\n\r\n", "\r\nSec-WebSocket-Extensions: a;b=\"\"\r\n\r\n", 400),
    (
        "HS21 quoted escape at the end",
        "\r\n\r\n",
        "\r\nSec-WebSocket-Extensions: a;b=\"\\\r\n\r\n",
        400,
    ),
    ("HS21 control character", "\r\n\r\n", "\r\nSec-WebSocket-Extensions: a;b=\x01\r\n\r\n", 400),
    ("HS21 empty", "\r\n\r\n", "\r\nSec-WebSocket-Extensions:\r\n\r\n", 400),
    (
        "HS21 second line",
        "\r\n\r\n",
        "\r\nSec-WebSocket-Extensions: a\r\nSec-WebSocket-Extensions: =[\r\n\r\n",
        400,
    ),
    (
        "HS22 quoted",
        "\r\n\r\n",
        "\r\nSec-WebSocket-Extensions: permessage-deflate; client_max_window_bits=\"1\\0\"\r\n\r\n",
        101,
    ),
    (
        "HS23 unknown",
        "\r\n\r\n",
        "\r\nSec-WebSocket-Extensions: permessage-deflaet; x=1, y\r\n\r\n",
        101,
    ),
    ("HS25 gobwas 23 space before colon", "Upgrade:", "Upgrade :", 400),
    ("HS25 empty name", "Upgrade:", ":", 400),
    ("HS25 space in name", "Upgrade:", "Up grade:", 400),
    ("HS25 not ASCII in name", "Upgrade:", "Upgradé:", 400),
    ("HS25 control in name", "Upgrade:", "Up\x01grade:", 400),
    ("HS25 no colon", UPGRADE, "Upgrade websocket\r\n", 400),
    ("HS26 folded", "Upgrade: websocket", "Upgrade:\r\n websocket", 400),
    ("HS26 space before the first", HOST, " Host: example.com\r\n", 400),
    ("HS27 bare LF", "Upgrade: websocket\r\n", "Upgrade: websocket\n", 400),
    ("HS27 bare LF in the first line", "HTTP/1.1\r\n", "HTTP/1.1\n", 400),
    ("HS27 bare LF at the end", "\r\n\r\n", "\r\n\n", 400),
    ("HS27 bare CR", "Upgrade: websocket", "Upgrade: web\rsocket", 400),
    ("HS27 CR CR LF", "Upgrade: websocket", "Upgrade: websocket\r", 400),
    ("HS27 CR CR LF at the end", "\r\n\r\n", "\r\n\r\r\n", 400),
    ("HS25 space before HEAD", "GET", " HEAD", 400),
    ("HS28 NUL", "example.com", "exam\0ple.com", 400),
    ("HS28 DEL", "Upgrade: websocket", "Upgrade: websocket\x7f", 400),
    ("HS29 not ASCII in a value", "\r\n\r\n", "\r\nCookie: naïve=é\r\n\r\n", 101),
    ("HS33 length 0", "\r\n\r\n", "\r\nContent-Length: 0\r\n\r\n", 101),
    ("HS34 CVE-2018-12541 length 1", "\r\n\r\n", "\r\nContent-Length: 1\r\n\r\n", 400),
    ("HS34 length twice", "\r\n\r\n", "\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n", 400),
    ("HS34 length +0", "\r\n\r\n", "\r\nContent-Length: +0\r\n\r\n", 400),
    ("HS34 length empty", "\r\n\r\n", "\r\nContent-Length:\r\n\r\n", 400),
    ("HS34 CVE-2021-21299 chunked", "\r\n\r\n", "\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
    ("HS34 identity", "\r\n\r\n", "\r\nTransfer-Encoding: identity\r\n\r\n", 400),
    (
        "HS34 POST with a body",
        "GET /chat HTTP/1.1\r\n",
        "POST /chat HTTP/1.1\r\nContent-Length: 5\r\n",
        405,
    ),
    ("HS34 both", "\r\n\r\n", "\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
    ("CVE-2026-54466 hixie-76", KEY, "Sec-WebSocket-Key1: 4 @1  46546xW%0l 1 5\r\n", 400),
    ("9112 §2.2 empty line first", "GET", "\r\nGET", 101),
];

/// The answer of the machine to bytes that arrive in these pieces, and how many were the request.
fn answer(upgrader: &Upgrader<'_>, pieces: &[&[u8]]) -> (Vec<u8>, Option<usize>) {
    let mut parser = upgrader.parser();
    let (mut received, mut out) = (vec![], vec![]);
    for piece in pieces {
        received.extend_from_slice(piece);
        match upgrader.advance(&mut parser, &received, &mut (), &mut out) {
            Ok(None) => assert!(out.is_empty(), "an answer before the request was complete"),
            Ok(Some((_, size))) => return (out, Some(size)),
            Err(_) => return (out, None),
        }
    }
    (out, None)
}

/// Asserts that these bytes are one complete response with this status, which closes.
pub(crate) fn assert_refusal(name: &str, answer: &[u8], status: u16) {
    let text = String::from_utf8(answer.to_vec()).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{name}: {text}"));
    assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{name}: {text}");
    let values = |header: &str| -> Vec<&str> {
        head.lines().filter_map(|line| line.strip_prefix(header)?.strip_prefix(": ")).collect()
    };
    assert_eq!(values("Content-Length"), [body.len().to_string()], "{name}");
    let connection = values("Connection");
    assert!(connection.len() == 1 && connection[0].ends_with("close"), "{name}: {text}");
    assert_eq!(values("Allow"), vec!["GET"; usize::from(status == 405)], "{name}");
    assert!(answer.len() <= 1024, "{name}");
}

#[test]
fn hs1_to_hs38_every_request_gets_its_answer_at_every_split() {
    let upgrader = Upgrader::new();
    for (name, old, new, status) in ROWS {
        let request = replaced(BASE, &[(old, new)]).into_bytes();
        let (whole, size) = answer(&upgrader, &[&request]);
        if *status == 101 {
            assert_eq!(String::from_utf8_lossy(&whole), ACCEPTED, "{name}");
            assert_eq!(size, Some(request.len()), "{name}");
        } else {
            assert_refusal(name, &whole, *status);
        }
        for at in 1..request.len() {
            let (head, tail) = request.split_at(at);
            assert_eq!(answer(&upgrader, &[head, tail]).0, whole, "{name} split at {at}");
        }
        let single: Vec<&[u8]> = request.chunks(1).collect();
        assert_eq!(answer(&upgrader, &single).0, whole, "{name} byte by byte");
    }
}

#[test]
fn hs1_to_hs38_both_drivers_give_the_machine_s_answer() {
    let upgrader = Upgrader::new();
    for (name, old, new, status) in ROWS {
        let request = replaced(BASE, &[(old, new)]).into_bytes();
        let (expected, _) = answer(&upgrader, &[&request]);
        for size in [1, 7, 100_000] {
            let script = Script { write_size: size, ..Script::pieces(&request, size) };
            let mut stream = script.clone();
            let upgraded = upgrader.upgrade(&mut stream);
            assert_eq!(stream.written, expected, "{name} by {size}, std");
            let mut stream =
                Script { write_blocks: true, ..script.failing(io::ErrorKind::WouldBlock) };
            let by_tokio = block_on(wscore::tokio::upgrade(&upgrader, &mut stream));
            assert_eq!(stream.written, expected, "{name} by {size}, tokio");
            for upgraded in [upgraded, by_tokio] {
                match upgraded {
                    Ok(upgraded) => assert!(*status == 101 && upgraded.early_data.is_empty()),
                    Err(UpgradeError::Rejected(rejection)) => {
                        assert_eq!(rejection.status(), *status)
                    }
                    Err(error) => panic!("{name}: {error}"),
                }
            }
        }
    }
}

#[test]
fn hs8_hs16_hs17_refusals_say_what_would_be_accepted() {
    let refusal = |old, new| {
        let request = replaced(BASE, &[(old, new)]);
        String::from_utf8(answer(&Upgrader::new(), &[request.as_bytes()]).0).unwrap()
    };
    let missing = refusal(UPGRADE, "");
    assert!(missing.contains("\r\nUpgrade: websocket\r\n"));
    assert!(missing.contains("\r\nConnection: Upgrade, close\r\n"));
    let version = refusal("Version: 13", "Version: 8");
    for line in ["Sec-WebSocket-Version: 13", "Upgrade: websocket", "Connection: Upgrade, close"] {
        assert!(version.contains(&format!("\r\n{line}\r\n")), "{version}");
    }
    for new in ["", "Sec-WebSocket-Version: 13, 8\r\n"] {
        assert!(refusal(VERSION, new).contains("\r\nSec-WebSocket-Version: 13\r\n"));
    }
}

#[test]
fn hs1_the_answer_to_head_has_no_body() {
    for changes in [&[("GET", "HEAD")][..], &[("GET", "HEAD"), ("Host: ", "Host: ,")]] {
        let request = replaced(BASE, changes);
        let (refusal, _) = answer(&Upgrader::new(), &[request.as_bytes()]);
        assert!(refusal.ends_with(b"\r\nContent-Length: 0\r\n\r\n"));
    }
}

#[test]
fn hs5_the_authority_of_an_absolute_target_replaces_host() {
    let request = replaced(BASE, &[("/chat", "http://other:1/x?y=z")]);
    let mut slots = HeaderSlots::new();
    let mut parser = RequestParser::new(Limits::default());
    let request = parser.parse(request.as_bytes(), &mut slots).unwrap().unwrap();
    assert_eq!((request.host(), request.path(), request.query()), ("other:1", "/x", Some("y=z")));
    assert_eq!(request.header("HOST"), Some(&b"example.com"[..]));
}

#[test]
fn hs22_hs23_extensions_are_borrowed_without_quotes_and_at_most_64() {
    let parse = |value: &str| {
        let line = format!("\r\nSec-WebSocket-Extensions: {value}\r\n\r\n");
        let request = replaced(BASE, &[("\r\n\r\n", &line)]);
        let mut slots = HeaderSlots::new();
        let request = RequestParser::new(Limits::default())
            .parse(request.as_bytes(), &mut slots)
            .unwrap()
            .unwrap();
        let bits: Vec<_> = request
            .extensions()
            .flat_map(|element| {
                element.params().map(|param| param.value.unwrap().into_owned()).collect::<Vec<_>>()
            })
            .collect();
        request.upgrade().map(|_| bits)
    };
    assert_eq!(parse("permessage-deflate; client_max_window_bits=\"10\"").unwrap(), ["10"]);
    assert_eq!(parse("permessage-deflate; client_max_window_bits=\"1\\0\"").unwrap(), ["10"]);
    assert!(parse(&["a"; 64].join(",")).is_ok());
    assert_eq!(parse(&["a"; 65].join(",")), Err(RequestError::ExtensionsInvalid));
    assert_eq!(parse(&["a"; 200].join(", ")), Err(RequestError::ExtensionsInvalid));
}

#[test]
fn hs29_bytes_of_no_character_set_are_kept_in_values() {
    let mut request = replaced(BASE, &[("\r\n\r\n", "\r\nCookie: ?\r\n\r\n")]).into_bytes();
    let at = request.iter().position(|&byte| byte == b'?').unwrap();
    for byte in 0x80..=0xff {
        request[at] = byte;
        let mut slots = HeaderSlots::new();
        let parsed =
            RequestParser::new(Limits::default()).parse(&request, &mut slots).unwrap().unwrap();
        assert_eq!(parsed.header("cookie"), Some(&[byte][..]));
        assert!(parsed.upgrade().is_ok());
    }
}

#[test]
fn hs28_granian_no_byte_anywhere_panics_or_hangs() {
    let upgrader = Upgrader::new().protocols(["chat"]);
    let lines = "\r\nSec-WebSocket-Protocol: chat\r\nSec-WebSocket-Extensions: a;b=\"c\"\r\n\r\n";
    let request = replaced(BASE, &[("\r\n\r\n", lines)]).into_bytes();
    for at in 0..request.len() {
        for byte in 0..=255 {
            let mut changed = request.clone();
            changed[at] = byte;
            let (answered, size) = answer(&upgrader, &[&changed]);
            if size.is_none() && !answered.is_empty() {
                let status = String::from_utf8_lossy(&answered[9..12]).parse().unwrap();
                assert_refusal("mutated", &answered, status);
            }
        }
    }
}

fn refused_with(request: &[u8], limits: Limits) -> Option<RequestError> {
    let upgrader = Upgrader::new().limits(limits);
    let refused = upgrader.advance(&mut upgrader.parser(), request, &mut (), &mut vec![]);
    refused.err().and_then(|rejection: Rejection| rejection.cause())
}

#[test]
fn hs31_hs32_cve_2024_37890_limits_are_decided_without_the_rest() {
    let limits = Limits::default();
    let line = |len: usize| "x".repeat(len);
    let long_target = format!("GET /{}", line(8 * 1024));
    assert_eq!(
        refused_with(long_target.as_bytes(), limits),
        Some(RequestError::RequestLineTooLong)
    );
    assert_eq!(RequestError::RequestLineTooLong.status(), 414);
    let long_header = format!("GET / HTTP/1.1\r\nA: {}", line(8 * 1024));
    assert_eq!(refused_with(long_header.as_bytes(), limits), Some(RequestError::HeaderTooLong));
    let long_head = format!("GET / HTTP/1.1\r\nA: {0}\r\nB: {0}\r\nC: {0}", line(6000));
    assert_eq!(refused_with(long_head.as_bytes(), limits), Some(RequestError::HeadTooLong));
    let many = format!("GET / HTTP/1.1\r\n{}", "A: b\r\n".repeat(101));
    assert_eq!(refused_with(many.as_bytes(), limits), Some(RequestError::TooManyHeaders));
    let last = replaced(BASE, &[(UPGRADE, &("A: b\r\n".repeat(2000) + UPGRADE))]);
    assert_eq!(refused_with(last.as_bytes(), limits), Some(RequestError::TooManyHeaders));
    for error in
        [RequestError::HeaderTooLong, RequestError::HeadTooLong, RequestError::TooManyHeaders]
    {
        assert_eq!(error.status(), 431);
    }
    let just_enough = replaced(BASE, &[(UPGRADE, &("A: b\r\n".repeat(95) + UPGRADE))]);
    assert_eq!(refused_with(just_enough.as_bytes(), limits), None);
    let more_than_there_are_slots = Limits { headers: 10_000, ..limits };
    let many = replaced(BASE, &[(UPGRADE, &("A: b\r\n".repeat(124) + UPGRADE))]);
    assert_eq!(
        refused_with(many.as_bytes(), more_than_there_are_slots),
        Some(RequestError::TooManyHeaders)
    );
}

#[test]
fn hs36_gobwas_13_bytes_behind_the_request_are_kept() {
    let upgrader = Upgrader::new();
    let bytes = [BASE.as_bytes(), b"\x81\x80\x01\x02\x03\x04"].concat();
    for at in 0..=bytes.len() {
        let mut stream = Script::split(&bytes, at);
        let upgraded = upgrader.upgrade(&mut stream).unwrap();
        let mut rest = upgraded.early_data;
        stream.read_to_end(&mut rest).unwrap();
        assert_eq!(rest, b"\x81\x80\x01\x02\x03\x04", "split at {at}");
    }
    let strict = Upgrader::new().refuse_early_data();
    let (refusal, _) = answer(&strict, &[&bytes]);
    assert_refusal("early data", &refusal, 400);
    assert!(answer(&strict, &[BASE.as_bytes()]).1.is_some());
}

#[test]
fn hs37_a_head_that_is_cut_is_not_answered() {
    for at in 0..BASE.len() {
        let script = Script::whole(&BASE.as_bytes()[..at]);
        let mut stream = script.clone();
        match Upgrader::new().upgrade(&mut stream) {
            Err(UpgradeError::Closed { received }) => assert_eq!(received, at),
            other => panic!("{other:?}"),
        }
        assert!(stream.written.is_empty());
        let mut stream = script;
        match block_on(wscore::tokio::upgrade(&Upgrader::new(), &mut stream)) {
            Err(UpgradeError::Closed { received }) => assert_eq!(received, at),
            other => panic!("{other:?}"),
        }
        assert!(stream.written.is_empty());
    }
}

#[test]
fn hs40_what_is_not_http_is_refused_at_once() {
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let hello = [&b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..], &[0x5a; 500]].concat();
    for bytes in [&preface[..], &hello, &hello[..1], b"\x00", b"\xff\xfe", b" GET / HTTP/1.1\r\n"] {
        let (refusal, size) = answer(&Upgrader::new(), &[bytes]);
        assert_refusal("not HTTP", &refusal, 400);
        assert_eq!(size, None);
    }
}

#[test]
fn cve_2021_32640_hostile_lists_are_decided() {
    // The grammar has no backtracking, and only what a list may hold is compared: 64 elements.
    let answer_to = |header: &str, value: &str| {
        let line = format!("\r\n{header}: {value}\r\n\r\n");
        answer(&Upgrader::new(), &[replaced(BASE, &[("\r\n\r\n", &line)]).as_bytes()]).0
    };
    for header in ["Sec-WebSocket-Protocol", "Sec-WebSocket-Extensions"] {
        for hostile in ["b               x", "\\\\\\\\", "a;b=\"\\\\", ",,,,,,,,,,", "a,a,a,a,a"] {
            let value = hostile.repeat(8000 / hostile.len());
            assert_refusal(header, &answer_to(header, &value), 400);
        }
        let accepted = |count: u32| {
            let tokens: Vec<_> = (0..count).map(|number| format!("t{number}")).collect();
            tokens.join(&",".repeat(100))
        };
        assert_eq!(String::from_utf8_lossy(&answer_to(header, &accepted(64))), ACCEPTED);
        assert_refusal(header, &answer_to(header, &accepted(65)), 400);
    }
}

#[test]
fn hs31_hs32_hs38_limits_give_the_same_answer_at_every_split() {
    let limits = [
        Limits::default(),
        Limits { head: 60, line: 30, headers: 3 },
        Limits { head: 30, line: 60, headers: 3 },
        Limits { head: 200, line: 20, headers: 1 },
    ];
    let requests = [
        format!("{}{}\r\n\r\n", "\r\n".repeat(5000), "G".repeat(9000)),
        format!("GET / HTTP/1.1\r\nA: {0}\r\nB: {0}\r\nC: {0}{0}\r\n\r\n", "x".repeat(6000)),
        format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(40)),
        format!("GET / HTTP/1.1\r\n{}\r\n", "A: bcdefg\r\n".repeat(8)),
    ];
    for limits in limits {
        let upgrader = Upgrader::new().limits(limits);
        for request in &requests {
            let request = request.as_bytes();
            let whole = answer(&upgrader, &[request]);
            assert!(!whole.0.is_empty());
            for size in [1, 2, 3, 29, 31, 59, 61, 1000, 8191, 8193] {
                let pieces: Vec<&[u8]> = request.chunks(size).collect();
                assert_eq!(answer(&upgrader, &pieces), whole, "{limits:?} by {size}");
            }
        }
    }
}

#[test]
fn a_parser_that_gets_other_bytes_begins_anew() {
    let mut parser = RequestParser::new(Limits::default());
    assert!(parser.parse(&BASE.as_bytes()[..100], &mut HeaderSlots::new()).unwrap().is_none());
    assert!(parser.parse(b"", &mut HeaderSlots::new()).unwrap().is_none());
    let mut slots = HeaderSlots::new();
    let request = parser.parse(BASE.as_bytes(), &mut slots).unwrap().unwrap();
    assert_eq!(request.size(), BASE.len());
    assert!(parser.parse(&BASE.as_bytes()[..10], &mut HeaderSlots::new()).unwrap().is_none());
}

#[test]
fn tr6_whatever_call_fails_the_upgrade_ends_with_that_error_or_its_refusal() {
    let refused = replaced(BASE, &[("GET", "POST")]);
    for (request, accepted) in [(BASE, true), (&*refused, false)] {
        for fails_at in 0..request.len() {
            let mut script = Script::pieces(request.as_bytes(), 1);
            script.steps.insert(fails_at, Step::Fail(io::ErrorKind::ConnectionReset));
            let by_std = Upgrader::new().upgrade(&mut script.clone());
            let by_tokio = block_on(wscore::tokio::upgrade(&Upgrader::new(), &mut script));
            for result in [by_std, by_tokio] {
                let Err(UpgradeError::Io(error)) = result else { panic!("{result:?}") };
                assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
            }
        }
        // The answer cannot be written: a refusal stays one, an acceptance is none.
        let mut script = Script { write_size: 0, ..Script::whole(request.as_bytes()) };
        let by_std = Upgrader::new().upgrade(&mut script.clone()).unwrap_err();
        let by_tokio = block_on(wscore::tokio::upgrade(&Upgrader::new(), &mut script)).unwrap_err();
        for error in [by_std, by_tokio] {
            match error {
                UpgradeError::Io(error) => {
                    assert!(accepted && error.kind() == io::ErrorKind::WriteZero)
                }
                UpgradeError::Rejected(rejection) => {
                    assert!(!accepted && rejection.status() == 405)
                }
                error => panic!("{error}"),
            }
        }
    }
}

#[test]
fn cve_2026_39807_plain_requests_can_be_told_from_upgrades() {
    let request = "GET https://x/status HTTP/1.1\r\nHost: x\r\n\r\n";
    let mut slots = HeaderSlots::new();
    let parsed = RequestParser::new(Limits::default())
        .parse(request.as_bytes(), &mut slots)
        .unwrap()
        .unwrap();
    assert_eq!((parsed.method(), parsed.path(), parsed.has_upgrade()), ("GET", "/status", false));
    assert_eq!(parsed.upgrade(), Err(RequestError::UpgradeMissing));
}
