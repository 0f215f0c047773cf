//! The client's request, and what it makes of every kind of response.

use std::{error::Error, io, sync::Mutex};

use wscore::{
    ClientHandshake, DialError, Dialer, Handshake, InvalidHeader, Limits, ResponseError, Rsv, Url,
    extension::{Element, ElementBuf, Extension},
};

use crate::rig::{Script, Step, block_on, replaced};

const NONCE: [u8; 16] = *b"the sample nonce";

const BASE: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

const ACCEPT: &str = "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n";

/// An extension that takes one parameter, `level`, which must be below 5.
struct Levels;

impl Extension for Levels {
    fn name(&self) -> &str {
        "levels"
    }
    fn rsv(&self) -> Rsv {
        Rsv::RSV1
    }
    fn accept(&self, _: &Element<'_>) -> Option<ElementBuf> {
        None
    }
    fn offers(&self) -> Vec<ElementBuf> {
        let offer = ElementBuf::new("levels").unwrap();
        vec![offer.clone().param("level", 4).unwrap(), offer]
    }
    fn confirm(&self, answer: &Element<'_>) -> bool {
        answer
            .params()
            .all(|param| param.name == "level" && param.value.is_some_and(|value| *value < *"5"))
    }
}

fn dialer() -> Dialer<'static> {
    Dialer::new().protocols(["chat", "superchat"]).unwrap().negotiate(&Levels)
}

/// What becomes of a response that arrives in these pieces and then ends.
fn judge(dialer: &Dialer<'_>, pieces: &[&[u8]]) -> Result<(Handshake, usize), ResponseError> {
    let mut handshake = ClientHandshake::new(NONCE);
    let mut received = vec![];
    for piece in pieces {
        received.extend_from_slice(piece);
        if let Some(agreed) = dialer.advance(&mut handshake, &received)? {
            return Ok(agreed);
        }
    }
    Err(dialer.finish(&mut handshake, &received))
}

/// A row: the case, what is replaced in [`BASE`], by what, and the result in short.
const ROWS: &[(&str, &str, &str, &str)] = &[
    ("plain", "Upgrade: websocket", "Upgrade: WebSocket", "OK"),
    ("CL1 100", "HTTP", "HTTP/1.1 100 Continue\r\n\r\nHTTP", "OK"),
    (
        "CL1 103 twice",
        "HTTP",
        "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\nHTTP",
        "OK",
    ),
    ("CL2 CVE-2024-23326 200", "101", "200", "Status(200)"),
    ("CL2 201", "101", "201", "Status(201)"),
    ("CL2 204", "101", "204", "Status(204)"),
    ("CL2 426", "101", "426", "Status(426)"),
    (
        "CL3 301",
        "101 Switching Protocols\r\n",
        "301 Moved\r\nLocation: ws://elsewhere/\r\n",
        "Status(301)",
    ),
    ("CL3 307", "101", "307", "Status(307)"),
    ("CL4 401", "101", "401", "Status(401)"),
    ("CL4 503", "101", "503", "Status(503)"),
    ("CL5 no Upgrade", "Upgrade: websocket\r\n", "", "UpgradeInvalid"),
    ("CL5 other Upgrade", "Upgrade: websocket", "Upgrade: h2c", "UpgradeInvalid"),
    ("CL5 Upgrade with a list", "Upgrade: websocket", "Upgrade: h2c, websocket", "UpgradeInvalid"),
    (
        "CL5 Upgrade twice",
        "Upgrade: websocket\r\n",
        "Upgrade: websocket\r\nUpgrade: websocket\r\n",
        "UpgradeInvalid",
    ),
    ("CL5 no Connection", "Connection: Upgrade\r\n", "", "ConnectionInvalid"),
    ("CL5 other Connection", "Connection: Upgrade", "Connection: notupgrade", "ConnectionInvalid"),
    ("CL5 lists", "Connection: Upgrade", "Connection: keep-alive, upgrade", "OK"),
    ("CL6 missing", ACCEPT, "", "AcceptInvalid"),
    ("CL6 wrong", "s3pP", "s3pQ", "AcceptInvalid"),
    ("CL6 empty", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", "", "AcceptInvalid"),
    (
        "CL6 of the key alone",
        "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
        "GIS5Wq6VDS8rBl2DJ4+Y0MqX6xY=",
        "AcceptInvalid",
    ),
    ("CL6 in another case", "s3pPLMBi", "S3pPLMBi", "AcceptInvalid"),
    (
        "CL6 twice",
        ACCEPT,
        "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n",
        "AcceptInvalid",
    ),
    (
        "CL6 space around",
        "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
        " \ts3pPLMBiTxaQ9kYGzzhZRbK+xOo= \t",
        "OK",
    ),
    (
        "CL7 not offered",
        "\r\n\r\n",
        "\r\nSec-WebSocket-Extensions: foo\r\n\r\n",
        "ExtensionsInvalid",
    ),
    ("CL7 offered", "\r\n\r\n", "\r\nSec-WebSocket-Extensions: levels; level=3\r\n\r\n", "OK"),
    (
        "CL7 not as offered",
        "\r\n\r\n",
        "\r\nSec-WebSocket-Extensions: levels; level=9\r\n\r\n",
        "ExtensionsInvalid",
    ),
    (
        "CL7 twice",
        "\r\n\r\n",
        "\r\nSec-WebSocket-Extensions: levels, levels\r\n\r\n",
        "ExtensionsInvalid",
    ),
    (
        "CL7 bad grammar",
        "\r\n\r\n",
        "\r\nSec-WebSocket-Extensions: levels;\r\n\r\n",
        "ExtensionsInvalid",
    ),
    (
        "CL8 two lines",
        "\r\n\r\n",
        "\r\nSec-WebSocket-Extensions: levels\r\nSec-WebSocket-Extensions: foo\r\n\r\n",
        "ExtensionsInvalid",
    ),
    (
        "CL9 CVE-2026-19534 not requested",
        "\r\n\r\n",
        "\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n",
        "ProtocolInvalid",
    ),
    ("CL9 requested", "\r\n\r\n", "\r\nSec-WebSocket-Protocol: superchat\r\n\r\n", "OK"),
    (
        "CL9 two lines",
        "\r\n\r\n",
        "\r\nSec-WebSocket-Protocol: chat\r\nSec-WebSocket-Protocol: chat\r\n\r\n",
        "ProtocolInvalid",
    ),
    (
        "CL9 a list",
        "\r\n\r\n",
        "\r\nSec-WebSocket-Protocol: chat, superchat\r\n\r\n",
        "ProtocolInvalid",
    ),
    ("CL9 empty", "\r\n\r\n", "\r\nSec-WebSocket-Protocol:\r\n\r\n", "ProtocolInvalid"),
    ("CL10 HTTP/1.0", "HTTP/1.1", "HTTP/1.0", "VersionNotSupported"),
    ("CL10 HTTP/2", "HTTP/1.1", "HTTP/2", "Malformed"),
    ("CL10 gobwas 22 HTTP/1.:", "HTTP/1.1", "HTTP/1.:", "Malformed"),
    ("CL10 gobwas 22 status 10:", "101", "10:", "Malformed"),
    ("CL10 bad status line", "HTTP/1.1 101", "101", "Malformed"),
    ("CL10 bare LF", "Upgrade: websocket\r\n", "Upgrade: websocket\n", "Malformed"),
    ("CL10 folded", "Upgrade: websocket", "Upgrade:\r\n websocket", "Malformed"),
    ("CL10 NUL", "Upgrade: websocket", "Upgrade: websocket\0", "Malformed"),
    ("CL10 space before colon", "Upgrade:", "Upgrade :", "Malformed"),
];

fn in_short(result: &Result<(Handshake, usize), ResponseError>) -> String {
    match result {
        Ok(_) => "OK".into(),
        Err(ResponseError::Status(error)) => format!("Status({})", error.status),
        Err(error) => format!("{error:?}").split(['(', ' ']).next().unwrap().into(),
    }
}

#[test]
fn cl1_to_cl13_every_response_is_judged_the_same_at_every_split() {
    let dialer = dialer();
    for (name, old, new, expected) in ROWS {
        let response = replaced(BASE, &[(old, new)]) + "\x01\x02";
        let bytes = response.as_bytes();
        let whole = judge(&dialer, &[bytes]);
        assert_eq!(in_short(&whole), *expected, "{name}");
        if let Ok((_, size)) = &whole {
            assert_eq!(&bytes[*size..], b"\x01\x02", "{name}: what is behind the response");
        }
        for at in 1..bytes.len() {
            let (head, tail) = bytes.split_at(at);
            let split = judge(&dialer, &[head, tail]);
            assert_eq!(in_short(&split), *expected, "{name} split at {at}");
            assert_eq!(split.ok(), judge(&dialer, &[bytes]).ok(), "{name} split at {at}");
        }
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(in_short(&judge(&dialer, &single)), *expected, "{name} byte by byte");
    }
}

#[test]
fn cl1_more_than_eight_interim_responses_are_too_many() {
    let response = |count| "HTTP/1.1 100 Continue\r\n\r\n".repeat(count) + BASE;
    assert!(judge(&dialer(), &[response(8).as_bytes()]).is_ok());
    let refused = judge(&dialer(), &[response(9).as_bytes()]);
    assert!(matches!(refused, Err(ResponseError::TooManyInterim)));
}

#[test]
fn cl7_cl9_what_was_agreed_is_told() {
    let lines = "\r\nSec-WebSocket-Protocol: superchat\r\nSec-WebSocket-Extensions: levels; level=\"3\"\r\n\r\n";
    let (agreed, _) =
        judge(&dialer(), &[replaced(BASE, &[("\r\n\r\n", lines)]).as_bytes()]).unwrap();
    assert_eq!((agreed.protocol(), agreed.rsv()), (Some("superchat"), Rsv::RSV1));
    assert_eq!(agreed.extensions()[0].to_string(), "levels; level=3");
}

#[test]
fn cl9_a_subprotocol_when_none_was_asked_for() {
    let response = replaced(BASE, &[("\r\n\r\n", "\r\nSec-WebSocket-Protocol: chat\r\n\r\n")]);
    let refused = judge(&Dialer::new(), &[response.as_bytes()]);
    assert!(matches!(refused, Err(ResponseError::ProtocolInvalid)));
}

#[test]
fn cl3_cl4_a_refusal_is_told_with_headers_and_body_however_it_is_framed() {
    let body = "0123456789".repeat(10);
    let chunked: String = body
        .as_bytes()
        .chunks(7)
        .map(|chunk| {
            format!("{:x};x=y\r\n{}\r\n", chunk.len(), std::str::from_utf8(chunk).unwrap())
        })
        .collect();
    let framings = [
        format!("HTTP/1.1 302 Found\r\nLocation: /login\r\nContent-Length: 100\r\n\r\n{body}more"),
        format!(
            "HTTP/1.1 302 Found\r\nLocation: /login\r\nTransfer-Encoding: chunked\r\n\r\n{chunked}0\r\n\r\nmore"
        ),
        format!("HTTP/1.1 302 Found\r\nLocation: /login\r\n\r\n{body}"),
        format!("HTTP/1.1 302 Found\r\nLocation: /login\r\nContent-Length: 1000\r\n\r\n{body}"),
    ];
    for response in framings {
        for size in [1, 2, 3, 5, 64, 10_000] {
            let pieces: Vec<&[u8]> = response.as_bytes().chunks(size).collect();
            let seen = Mutex::new(None);
            let dialer =
                Dialer::new().on_status_error(|error| *seen.lock().unwrap() = Some(error.clone()));
            let Err(ResponseError::Status(error)) = judge(&dialer, &pieces) else {
                panic!("{response}")
            };
            assert_eq!((error.status, &*error.reason), (302, "Found"));
            assert_eq!(error.location(), Some(&b"/login"[..]));
            assert_eq!(String::from_utf8_lossy(&error.body), body, "by {size}: {response}");
            assert_eq!(seen.lock().unwrap().as_ref(), Some(&*error));
        }
    }
}

#[test]
fn cl4_a_body_is_cut_at_64_kib_and_never_waited_for() {
    let endless = [b"HTTP/1.1 500 No\r\n\r\n", &[b'x'; 70_000][..]].concat();
    let Err(ResponseError::Status(error)) = judge(&Dialer::new(), &[&endless]) else { panic!() };
    assert_eq!(error.body.len(), 64 * 1024);
    for head in [
        "HTTP/1.1 204 No\r\n\r\n",
        "HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 403 No\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ] {
        let mut handshake = ClientHandshake::new(NONCE);
        assert!(Dialer::new().advance(&mut handshake, head.as_bytes()).is_err(), "{head}");
    }
    let huge = "HTTP/1.1 403 No\r\nContent-Length: 18446744073709551615\r\n\r\nab";
    let Err(ResponseError::Status(error)) = judge(&Dialer::new(), &[huge.as_bytes()]) else {
        panic!()
    };
    assert_eq!(error.body, b"ab");
    let tiny_chunks = "HTTP/1.1 403 No\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned()
        + &"1\r\nx\r\n".repeat(200_000);
    let mut stream = Script::pieces(tiny_chunks.as_bytes(), 100_000);
    assert!(matches!(
        Dialer::new().shake_hands(&"ws://h".parse().unwrap(), &mut stream),
        Err(DialError::Response(ResponseError::Status(_)))
    ));
    assert!(!stream.steps.is_empty(), "the chunks were read to the end");
}

#[test]
fn cl11_heads_without_end_are_refused_at_the_cap() {
    let long = format!("HTTP/1.1 101 X\r\nA: {0}\r\nB: {0}\r\nC: {0}", "x".repeat(6000));
    let many = format!("HTTP/1.1 101 X\r\n{}", "A: b\r\n".repeat(101));
    let line = format!("HTTP/1.1 101 {}", "x".repeat(8192));
    for response in [long, many, line] {
        let mut handshake = ClientHandshake::new(NONCE);
        let refused = Dialer::new().advance(&mut handshake, response.as_bytes());
        assert!(matches!(refused, Err(ResponseError::TooLarge)));
    }
    let limits = Limits { head: 50, ..Limits::default() };
    let refused = judge(&Dialer::new().limits(limits), &[BASE.as_bytes()]);
    assert!(matches!(refused, Err(ResponseError::TooLarge)));
}

#[test]
fn cl14_an_end_or_an_error_at_every_byte_is_told() {
    for at in 0..BASE.len() {
        let cut = &BASE.as_bytes()[..at];
        let Err(ResponseError::Closed { received }) = judge(&dialer(), &[cut]) else { panic!() };
        assert_eq!(received, at);
        for kind in [io::ErrorKind::ConnectionReset, io::ErrorKind::TimedOut] {
            let script = Script::new([Step::Bytes(cut.to_vec()), Step::Fail(kind)]);
            let url: Url = "ws://h/".parse().unwrap();
            let by_std = dialer().shake_hands(&url, &mut script.clone()).unwrap_err();
            let by_tokio =
                block_on(wscore::tokio::shake_hands(&dialer(), &url, &mut script.clone()))
                    .unwrap_err();
            for error in [by_std, by_tokio] {
                let DialError::Io(error) = error else { panic!("{error}") };
                assert_eq!(error.kind(), kind);
            }
        }
    }
}

#[test]
fn on_header_sees_the_others_and_can_refuse() {
    let response = replaced(BASE, &[("\r\n\r\n", "\r\nServer: x\r\nDate: y\r\n\r\n")]);
    let seen = Mutex::new(vec![]);
    let dialer = Dialer::new().on_header(|name, _| {
        seen.lock().unwrap().push(name.to_owned());
        if name == "Date" { Err("too late".into()) } else { Ok(()) }
    });
    let error = judge(&dialer, &[response.as_bytes()]).unwrap_err();
    assert_eq!(*seen.lock().unwrap(), ["Server", "Date"]);
    assert_eq!(error.source().unwrap().to_string(), "too late");
}

fn request(dialer: &Dialer<'_>, url: &str) -> String {
    let mut out = vec![];
    dialer.request(&url.parse().unwrap(), &ClientHandshake::new(NONCE), &mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn cl15_the_request_to_the_letter() {
    let dialer = dialer().header("Origin", "http://x").unwrap();
    assert_eq!(
        request(&dialer, "ws://Example.com?a=b"),
        "GET /?a=b HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Sec-WebSocket-Protocol: chat, superchat\r\n\
         Sec-WebSocket-Extensions: levels; level=4, levels\r\nOrigin: http://x\r\n\r\n"
    );
    let host = |url| request(&Dialer::new(), url).lines().nth(1).unwrap().to_owned();
    assert_eq!(host("ws://h:80/"), "Host: h");
    assert_eq!(host("ws://h:443/"), "Host: h:443");
    assert_eq!(host("wss://h:443/"), "Host: h");
    assert_eq!(host("wss://h:80/"), "Host: h:80");
    assert_eq!(host("ws://[::1]:9001/"), "Host: [::1]:9001");
    let other = Dialer::new().host("front.example:8080").unwrap();
    assert!(request(&other, "ws://10.0.0.1/").contains("\r\nHost: front.example:8080\r\n"));
}

#[test]
fn cl15_gobwas_30_nothing_can_be_injected_or_overridden() {
    for protocol in ["", "a b", "a\r\nX: y", "a,b", "é"] {
        assert!(Dialer::new().protocols([protocol]).is_err(), "{protocol:?}");
    }
    assert!(Dialer::new().protocols(["a", "a"]).is_err());
    for host in ["", "a b", "a\r\nX: y", "user@h", "h:x"] {
        assert!(Dialer::new().host(host).is_err(), "{host:?}");
    }
    for name in [
        "Host",
        "connection",
        "Upgrade",
        "Sec-WebSocket-Key",
        "Sec-WebSocket-Version",
        "Sec-WebSocket-Extensions",
    ] {
        assert!(matches!(Dialer::new().header(name, "x"), Err(InvalidHeader::Reserved(_))));
    }
    assert!(Dialer::new().header("X", "a\r\nb").is_err());
}

#[test]
fn cl15_cve_2026_2833_a_fresh_key_each_time_and_nothing_behind_the_request() {
    let url: Url = "ws://h/".parse().unwrap();
    let requests: Vec<_> = (0..2)
        .map(|_| {
            let mut stream = Script::new([]);
            assert!(Dialer::new().shake_hands(&url, &mut stream).is_err());
            String::from_utf8(stream.written).unwrap()
        })
        .collect();
    assert!(requests.iter().all(|request| request.ends_with("\r\n\r\n")));
    assert!(requests.iter().all(|request| request.matches("\r\n\r\n").count() == 1));
    assert_ne!(requests[0], requests[1]);
}

#[test]
fn cl4_a_chunk_size_without_end_is_judged_the_same_at_every_split() {
    for extension in [200, 240, 255, 256, 300] {
        let line = format!("5;{}", "x".repeat(extension));
        let response = format!(
            "HTTP/1.1 403 No\r\nTransfer-Encoding: chunked\r\n\r\n{line}\r\nhello\r\n0\r\n\r\n"
        );
        let body = |size: usize| {
            let pieces: Vec<&[u8]> = response.as_bytes().chunks(size).collect();
            let Err(ResponseError::Status(error)) = judge(&Dialer::new(), &pieces) else {
                panic!("accepted");
            };
            error.body
        };
        let expected = if extension < 253 { &b"hello"[..] } else { b"" };
        for size in [1, 2, 100, 10_000] {
            assert_eq!(body(size), expected, "{extension} by {size}");
        }
    }
}

#[test]
fn cl4_a_refusal_is_told_though_the_stream_fails_behind_its_head() {
    let refusal = b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic\r\n\r\nwho";
    let url: Url = "ws://h/".parse().unwrap();
    for kind in [io::ErrorKind::ConnectionReset, io::ErrorKind::TimedOut] {
        let script = Script::new([Step::Bytes(refusal.to_vec()), Step::Fail(kind)]);
        let by_std = Dialer::new().shake_hands(&url, &mut script.clone());
        let by_tokio =
            block_on(wscore::tokio::shake_hands(&Dialer::new(), &url, &mut script.clone()));
        for result in [by_std, by_tokio] {
            let Err(DialError::Response(ResponseError::Status(error))) = result else {
                panic!("{result:?}");
            };
            assert_eq!((error.status, &error.body[..]), (401, &b"who"[..]));
            assert_eq!(error.header("www-authenticate"), Some(&b"Basic"[..]));
        }
    }
}

#[test]
fn a_wrong_response_stays_wrong_whatever_follows() {
    let wrong = replaced(BASE, &[("s3pP", "s3pQ")]);
    let bytes = wrong + BASE;
    let mut handshake = ClientHandshake::new(NONCE);
    for _ in 0..2 {
        let judged = dialer().advance(&mut handshake, bytes.as_bytes());
        assert!(matches!(judged, Err(ResponseError::AcceptInvalid)));
    }
    let mut handshake = ClientHandshake::new(NONCE);
    for _ in 0..2 {
        assert_eq!(
            dialer().advance(&mut handshake, BASE.as_bytes()).unwrap().unwrap().1,
            BASE.len()
        );
    }
}

#[test]
fn errors_say_one_thing_each_and_lead_to_what_they_came_from() {
    let refused = DialError::Response(
        judge(&Dialer::new(), &[b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n"]).unwrap_err(),
    );
    let mut chain = vec![refused.to_string()];
    let mut source = refused.source();
    while let Some(error) = source {
        chain.push(error.to_string());
        source = error.source();
    }
    assert_eq!(
        chain,
        ["response not accepted", "upgrade refused", "server answered 403 No instead of 101"]
    );
}

#[test]
fn tr6_the_nth_write_of_the_request_fails_and_nothing_is_read() {
    let url: Url = "ws://h/".parse().unwrap();
    for write_fails_behind in 0..20 {
        let script = Script { write_size: 7, write_fails_behind, ..Script::whole(BASE.as_bytes()) };
        let (mut by_std, mut by_tokio) = (script.clone(), script);
        let results = [
            Dialer::new().shake_hands(&url, &mut by_std),
            block_on(wscore::tokio::shake_hands(&Dialer::new(), &url, &mut by_tokio)),
        ];
        for (result, stream) in results.into_iter().zip([by_std, by_tokio]) {
            let Err(DialError::Io(error)) = result else { panic!("{result:?}") };
            assert_eq!((error.kind(), stream.steps.len()), (io::ErrorKind::BrokenPipe, 1));
        }
    }
}
