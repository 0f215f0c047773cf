//! Which pages may connect.

use wscore::{HeaderSlots, InvalidOrigin, Limits, Origin, RequestError, RequestParser, Upgrader};

use crate::{
    rig::replaced,
    server_handshake::{BASE, assert_refusal},
};

/// What a policy says of a request for this host with this origin.
fn check(policy: &Origin, host: &str, origin: &str) -> Result<(), RequestError> {
    let lines = format!("{host}\r\nOrigin: {origin}");
    let request = replaced(BASE, &[("example.com", &lines)]);
    let mut slots = HeaderSlots::new();
    let mut parser = RequestParser::new(Limits::default());
    policy.check(&parser.parse(request.as_bytes(), &mut slots).unwrap().unwrap())
}

const FORBIDDEN: Result<(), RequestError> = Err(RequestError::OriginForbidden);

#[test]
fn hs18_cswsh_the_same_host_and_port_only() {
    let same = Origin::same_host();
    for (host, origin, result) in [
        ("example.com", "http://example.com", Ok(())),
        ("example.com", "https://EXAMPLE.com", Ok(())),
        ("example.com", "http://example.com:80", Ok(())),
        ("example.com:443", "https://example.com", Ok(())),
        ("example.com:8080", "http://example.com:8080", Ok(())),
        ("[::1]:9001", "http://[::1]:9001", Ok(())),
        ("example.com", "http://example.com:8080", FORBIDDEN),
        ("example.com:8080", "http://example.com", FORBIDDEN),
        ("example.com", "http://other.com", FORBIDDEN),
        ("example.com", "http://example.com.evil.io", FORBIDDEN),
        ("example.com", "http://evil.io/example.com", FORBIDDEN),
        ("example.com", "http://user@example.com", FORBIDDEN),
        ("example.com", "http://example.com/", FORBIDDEN),
        ("example.com", "http://example.com.", FORBIDDEN),
        ("example.com", "ftp://example.com", FORBIDDEN),
        ("example.com", "null", FORBIDDEN),
        ("example.com", "", FORBIDDEN),
        ("example.com", "example.com", FORBIDDEN),
    ] {
        assert_eq!(check(&same, host, origin), result, "{origin} to {host}");
    }
}

#[test]
fn hs18_no_origin_is_no_browser_and_two_are_malformed() {
    let upgrader = Upgrader::new().origin(Origin::same_host());
    let answer = |request: &str| {
        let mut out = vec![];
        let _ = upgrader.advance(&mut upgrader.parser(), request.as_bytes(), &mut (), &mut out);
        out
    };
    assert!(answer(BASE).starts_with(b"HTTP/1.1 101 "));
    let with =
        |lines: &str| answer(&replaced(BASE, &[("\r\n\r\n", &format!("\r\n{lines}\r\n\r\n"))]));
    assert_refusal("other", &with("Origin: http://other.com"), 403);
    assert_refusal("null", &with("Origin: null"), 403);
    assert_refusal("two", &with("Origin: http://example.com\r\norigin: http://example.com"), 400);
    assert_refusal("not UTF-8", &with("Origin: http://example.com\u{80}"), 403);
}

#[test]
fn cve_2022_42975_wildcards_stand_for_names_below_only() {
    let policy = Origin::none().allow("https://*.example.com").unwrap();
    for (origin, result) in [
        ("https://a.example.com", Ok(())),
        ("https://a.b.example.com", Ok(())),
        ("https://A.EXAMPLE.com:443", Ok(())),
        ("https://example.com", FORBIDDEN),
        ("https://.example.com", FORBIDDEN),
        ("https://evil-example.com", FORBIDDEN),
        ("https://example.com.evil.io", FORBIDDEN),
        ("https://a.example.com.", FORBIDDEN),
        ("https://user@a.example.com", FORBIDDEN),
        ("https://a.example.com:8443", FORBIDDEN),
        ("http://a.example.com", FORBIDDEN),
    ] {
        assert_eq!(check(&policy, "h", origin), result, "{origin}");
    }
}

#[test]
fn nats_allowed_origins_are_compared_with_scheme_and_port() {
    let policy = Origin::none().allow("https://app.example.com").unwrap();
    let policy = policy.allow("http://localhost:3000").unwrap();
    for nonsense in
        ["nonsense", "https://*", "https://a/", "example.com", "https://a*b.com", "https://*."]
    {
        assert_eq!(Origin::none().allow(nonsense).err(), Some(InvalidOrigin), "{nonsense}");
    }
    assert_eq!(check(&policy, "h", "https://app.example.com:443"), Ok(()));
    assert_eq!(check(&policy, "h", "http://app.example.com"), FORBIDDEN);
    assert_eq!(check(&policy, "h", "http://localhost:3000"), Ok(()));
    assert_eq!(check(&policy, "h", "http://localhost"), FORBIDDEN);
    assert_eq!(check(&policy, "h", "http://h"), FORBIDDEN);
    assert_eq!(check(&policy, "h", "nonsense"), FORBIDDEN);
}

#[test]
fn a_rule_of_the_application_sees_the_header_and_the_request() {
    let policy =
        Origin::none().custom(|origin, request| origin == "null" && request.path() == "/chat");
    assert_eq!(check(&policy, "h", "null"), Ok(()));
    assert_eq!(check(&policy, "h", "http://h"), FORBIDDEN);
}

#[test]
fn nats_the_scheme_of_the_same_host_counts_where_it_is_known() {
    for (secure, origin, result) in [
        (true, "https://example.com", Ok(())),
        (true, "http://example.com", FORBIDDEN),
        (false, "http://example.com", Ok(())),
        (false, "https://example.com", FORBIDDEN),
    ] {
        assert_eq!(check(&Origin::same_origin(secure), "example.com", origin), result, "{origin}");
    }
}
