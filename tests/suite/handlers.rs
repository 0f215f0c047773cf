//! Callbacks, handlers, subprotocols, headers: what the application decides about a request.

use std::{
    error::Error,
    fmt, io,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use wscore::{
    Acceptance, Handler, HeaderSlots, Headers, InvalidHeader, Limits, NotOffered, Rejection,
    Request, RequestError, RequestParser, UpgradeError, Upgrader,
};

use crate::{
    rig::{Script, replaced},
    server_handshake::{ACCEPTED, BASE, assert_refusal},
};

/// The request with these lines behind the others.
fn with_lines(lines: &str) -> String {
    replaced(BASE, &[("\r\n\r\n", &format!("\r\n{lines}\r\n"))])
}

/// What an upgrader answers to a request.
fn answer_of(upgrader: &Upgrader<'_>, handler: &mut impl Handler, request: &str) -> String {
    let mut out = vec![];
    let _ = upgrader.advance(&mut upgrader.parser(), request.as_bytes(), handler, &mut out);
    String::from_utf8(out).unwrap()
}

fn line<'a>(answer: &'a str, name: &str) -> Option<&'a str> {
    answer.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

#[test]
fn callbacks_see_the_request_in_order_and_where_it_lies() {
    let seen = Mutex::new(vec![]);
    let note = |what: String| seen.lock().unwrap().push(what);
    let upgrader = Upgrader::new()
        .on_request(|request| {
            let _: () = note(format!("request {}", request.target()));
            Ok(())
        })
        .on_host(|host| {
            let _: () = note(format!("host {host}"));
            Ok(())
        })
        .on_header(|name, value| {
            let _: () = note(format!("header {name}={}", String::from_utf8_lossy(value)));
            Ok(())
        })
        .protocol(|offered| {
            note(format!("protocol {offered}"));
            offered == "b"
        })
        .on_before_upgrade(|| {
            note("before".into());
            Ok(Headers::new().with("X-Last", "1")?)
        });
    let request =
        with_lines("Cookie: sid=1\r\nSec-WebSocket-Protocol: a, b, c\r\nORIGIN: http://x\r\n");
    let answer = answer_of(&upgrader, &mut (), &request);
    let expected = [
        "request /chat",
        "host example.com",
        "header Cookie=sid=1",
        "header ORIGIN=http://x",
        "protocol a",
        "protocol b",
        "before",
    ];
    assert_eq!(*seen.lock().unwrap(), expected);
    assert_eq!(line(&answer, "Sec-WebSocket-Protocol"), Some("b"));
    assert_eq!(line(&answer, "X-Last"), Some("1"));
}

#[test]
fn callbacks_never_see_a_request_that_is_wrong() {
    let calls = AtomicUsize::new(0);
    let count = || {
        calls.fetch_add(1, Ordering::Relaxed);
        Ok(())
    };
    let upgrader =
        Upgrader::new().on_request(|_| count()).on_host(|_| count()).on_header(|_, _| count());
    let request = replaced(&with_lines("Cookie: a=b\r\n"), &[("Version: 13", "Version: 8")]);
    assert_refusal("version", answer_of(&upgrader, &mut (), &request).as_bytes(), 426);
    assert_eq!(calls.load(Ordering::Relaxed), 0);
}

#[derive(Default)]
struct Session {
    path: String,
    cookie: Option<Vec<u8>>,
    refuse_at: &'static str,
}

impl Session {
    fn step(&self, name: &str) -> Result<(), Rejection> {
        match self.refuse_at == name {
            true => Err(Rejection::new(403)
                .body(format!("refused in {name}"))
                .header("X-Step", name)?),
            false => Ok(()),
        }
    }
}

impl Handler for Session {
    fn on_request(&mut self, request: &Request<'_>) -> Result<(), Rejection> {
        self.path = request.path().into();
        self.step("on_request")
    }
    fn on_host(&mut self, _: &str) -> Result<(), Rejection> {
        self.step("on_host")
    }
    fn on_header(&mut self, name: &str, value: &[u8]) -> Result<(), Rejection> {
        if name.eq_ignore_ascii_case("cookie") {
            self.cookie = Some(value.to_vec());
        }
        self.step("on_header")
    }
    fn protocol(&mut self, offered: &str) -> bool {
        offered.len() == 2
    }
    fn on_before_upgrade(&mut self, acceptance: &mut Acceptance<'_>) -> Result<(), Rejection> {
        acceptance.headers_mut().insert("X-Path", &self.path)?;
        self.step("on_before_upgrade")
    }
}

#[test]
fn a_handler_keeps_what_belongs_to_one_connection() {
    let upgrader = Upgrader::new();
    let request = with_lines("Cookie: sid=7\r\nSec-WebSocket-Protocol: a, bb, cc\r\n");
    for _ in 0..2 {
        let mut session = Session::default();
        let mut stream = Script::whole(request.as_bytes());
        let upgraded = upgrader.upgrade_with(&mut stream, &mut session).unwrap();
        assert_eq!(upgraded.handshake.protocol(), Some("bb"));
        assert_eq!((&*session.path, session.cookie.as_deref()), ("/chat", Some(&b"sid=7"[..])));
        let answer = String::from_utf8(stream.written).unwrap();
        assert_eq!(line(&answer, "X-Path"), Some("/chat"));
    }
}

#[test]
fn hs41_cve_2026_69243_each_hook_can_refuse_and_nothing_behind_is_parsed() {
    let upgrader = Upgrader::new().header("Server", "test").unwrap();
    let request =
        with_lines("Cookie: a=b\r\n") + "GET /admin HTTP/1.1\r\nHost: example.com\r\n\r\n";
    for refuse_at in ["on_request", "on_host", "on_header", "on_before_upgrade"] {
        let mut session = Session { refuse_at, ..Session::default() };
        let mut stream = Script::whole(request.as_bytes());
        match upgrader.upgrade_with(&mut stream, &mut session) {
            Err(UpgradeError::Rejected(rejection)) => assert_eq!(rejection.status(), 403),
            other => panic!("{other:?}"),
        }
        let answer = String::from_utf8(stream.written).unwrap();
        assert_refusal(refuse_at, answer.as_bytes(), 403);
        assert_eq!(answer.matches("HTTP/1.1").count(), 1);
        assert_eq!(line(&answer, "X-Step"), Some(refuse_at));
        assert_eq!(
            line(&answer, "Server"),
            Some("test"),
            "headers of the upgrader go with refusals"
        );
        assert!(answer.ends_with(&format!("refused in {refuse_at}")));
    }
}

#[test]
fn hs41_hs43_refusals_say_what_the_application_says() {
    for status in [401, 404, 410, 429, 503] {
        let upgrader =
            Upgrader::new().on_request(move |_| Err(Rejection::new(status).retry_after(3)));
        let answer = answer_of(&upgrader, &mut (), BASE);
        assert_refusal("status", answer.as_bytes(), status);
        assert_eq!(line(&answer, "Retry-After"), Some("3"));
    }
    let html = Rejection::new(403)
        .reason("Go\r\nAway")
        .body("<p>no")
        .header("Content-Type", "text/html")
        .unwrap();
    let mut answer = vec![];
    html.encode(&mut answer);
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 403 GoAway\r\n"), "{answer}");
    assert_eq!(answer.matches("Content-Type").count(), 1);
}

#[test]
fn a_rejection_never_accepts() {
    for status in [0, 99, 100, 101, 200, 204, 299, 600, u16::MAX] {
        assert_eq!(Rejection::new(status).status(), 500);
    }
}

#[test]
fn a_304_has_no_body_and_a_426_says_what_to_upgrade_to() {
    let answer = |status| {
        let mut answer = vec![];
        Rejection::new(status).encode(&mut answer);
        String::from_utf8(answer).unwrap()
    };
    assert!(answer(304).ends_with("\r\nContent-Length: 0\r\n\r\n"));
    assert_eq!(line(&answer(426), "Upgrade"), Some("websocket"));
    assert_eq!(line(&answer(426), "Connection"), Some("Upgrade, close"));
}

#[derive(Debug)]
struct Wrapper(Rejection);
impl fmt::Display for Wrapper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("wrapper")
    }
}
impl Error for Wrapper {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0)
    }
}

#[test]
fn gobwas_25_a_wrapped_rejection_keeps_its_status_and_its_source() {
    let wrapped =
        io::Error::other(Wrapper(Rejection::new(403).body("no").header("X-A", "b").unwrap()));
    let upgrader = Upgrader::new().on_before_upgrade(|| {
        let error: Box<dyn Error + Send + Sync> =
            io::Error::other(Wrapper(Rejection::new(403).body("no").header("X-A", "b").unwrap()))
                .into();
        Err(error)?
    });
    let answer = answer_of(&upgrader, &mut (), BASE);
    assert_refusal("wrapped", answer.as_bytes(), 403);
    assert_eq!(line(&answer, "X-A"), Some("b"));
    let rejection = Rejection::from_error(wrapped);
    assert_eq!(rejection.source().unwrap().to_string(), "wrapper");

    let other = Rejection::from_error(io::Error::other("the password is swordfish"));
    let mut answer = vec![];
    other.encode(&mut answer);
    assert_refusal("other", &answer, 500);
    assert!(!String::from_utf8(answer).unwrap().contains("swordfish"));
    assert_eq!(other.source().unwrap().to_string(), "the password is swordfish");

    for error in [
        Box::<dyn Error + Send + Sync>::from(RequestError::OriginForbidden),
        io::Error::other(RequestError::OriginForbidden).into(),
        io::Error::other(Rejection::new(403)).into(),
        UpgradeError::Rejected(Rejection::new(403)).into(),
    ] {
        assert_eq!(Rejection::from_error(error).status(), 403);
    }
}

#[test]
fn hs19_hs20_subprotocols_by_the_client_s_order_or_by_ours() {
    let two_lines = with_lines("Sec-WebSocket-Protocol: x, b\r\nSec-WebSocket-Protocol: a\r\n");
    let chosen = |upgrader: Upgrader<'_>, request: &str| {
        line(&answer_of(&upgrader, &mut (), request), "Sec-WebSocket-Protocol").map(str::to_owned)
    };
    let ours = || Upgrader::new().protocols(["a", "b"]);
    assert_eq!(chosen(ours(), &two_lines).as_deref(), Some("b"));
    assert_eq!(chosen(ours().server_order(), &two_lines).as_deref(), Some("a"));
    assert_eq!(chosen(Upgrader::new().protocols(["z"]), &two_lines), None);
    assert_eq!(chosen(ours(), BASE), None);
    let upper = with_lines("Sec-WebSocket-Protocol: A\r\n");
    assert_eq!(chosen(ours(), &upper), None, "subprotocols are compared to the letter");
}

#[test]
fn hs42_gobwas_30_nothing_can_be_injected_or_overridden() {
    for value in ["a\r\nb", "a\nb", "a\rb", "a\0b", "a\x7fb", "a\x1fb"] {
        assert_eq!(Headers::new().with("X", value), Err(InvalidHeader::Value("X".into())));
        assert!(Upgrader::new().header("X", value).is_err());
        assert!(Rejection::new(403).header("X", value).is_err());
    }
    for name in ["", "a b", "a:", "a\r\nb", "é", "a\0"] {
        assert_eq!(Headers::new().with(name, "x"), Err(InvalidHeader::Name(name.into())));
    }
    for name in [
        "upgrade",
        "CONNECTION",
        "Sec-WebSocket-Accept",
        "sec-websocket-protocol",
        "Content-Length",
        "Transfer-Encoding",
        "Sec-WebSocket-Extensions",
    ] {
        assert_eq!(Headers::new().with(name, "x"), Err(InvalidHeader::Reserved(name.into())));
    }
    let headers =
        Headers::new().with("A", "1").unwrap().with("B", b"\xff\t").unwrap().with("C", "").unwrap();
    let listed: Vec<_> = headers.iter().collect();
    assert_eq!(listed, [("A", &b"1"[..]), ("B", b"\xff\t"), ("C", b"")]);
}

#[test]
fn hs42_a_subprotocol_that_was_not_offered_is_not_chosen() {
    struct Eager;
    impl Handler for Eager {
        fn on_before_upgrade(&mut self, acceptance: &mut Acceptance<'_>) -> Result<(), Rejection> {
            assert_eq!(acceptance.protocol("b"), Err(NotOffered));
            acceptance.protocol("a").map_err(Rejection::from_error)
        }
    }
    let request = with_lines("Sec-WebSocket-Protocol: a\r\n");
    let answer = answer_of(&Upgrader::new(), &mut Eager, &request);
    assert_eq!(line(&answer, "Sec-WebSocket-Protocol"), Some("a"));
}

#[test]
fn without_callbacks_a_request_is_parsed_and_then_accepted_or_refused() {
    let mut slots = HeaderSlots::new();
    let mut parser = RequestParser::new(Limits::default());
    let request = parser.parse(BASE.as_bytes(), &mut slots).unwrap().unwrap();
    let mut answer = vec![];
    if request.path() == "/chat" {
        Acceptance::new(&request).unwrap().encode(&mut answer);
    } else {
        Rejection::new(404).encode(&mut answer);
    }
    assert_eq!(String::from_utf8(answer).unwrap(), ACCEPTED);
}

#[test]
fn a_refusal_says_its_reason_once() {
    let mut stream = Script::whole(replaced(BASE, &[("GET", "POST")]).as_bytes());
    let error = Upgrader::new().upgrade(&mut stream).unwrap_err();
    let rejection = error.source().unwrap();
    assert_eq!(error.to_string(), "request not accepted");
    assert_eq!(rejection.to_string(), "upgrade refused with status 405: method is not GET");
    assert!(rejection.source().is_none());
}
