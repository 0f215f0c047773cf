//! Addresses of WebSockets (RFC 6455 §3).

use wscore::{DialError, Dialer, InvalidUrl, Url};

#[test]
fn addresses_are_taken_apart() {
    for (url, secure, host, port, target) in [
        ("ws://example.com", false, "example.com", 80, "/"),
        ("WSS://Example.COM/", true, "example.com", 443, "/"),
        ("ws://127.0.0.1:9001/a/b?c=d&e", false, "127.0.0.1", 9001, "/a/b?c=d&e"),
        ("ws://[::1]/", false, "::1", 80, "/"),
        ("wss://[2001:db8::1]:8443?x", true, "2001:db8::1", 8443, "/?x"),
        ("ws://h:/x", false, "h", 80, "/x"),
        ("ws://h/a@b:c//d", false, "h", 80, "/a@b:c//d"),
    ] {
        let parsed: Url = url.parse().unwrap();
        let parts = (parsed.is_secure(), parsed.host(), parsed.port(), parsed.target());
        assert_eq!(parts, (secure, host, port, target), "{url}");
        assert_eq!(parsed.to_string().parse(), Ok(parsed), "{url} written and read again");
    }
}

#[test]
fn cl15_what_is_no_address_says_why() {
    for (url, error) in [
        ("http://h/", InvalidUrl::Scheme),
        ("h:80/", InvalidUrl::Scheme),
        ("", InvalidUrl::Scheme),
        ("ws:h", InvalidUrl::Scheme),
        ("ws://", InvalidUrl::Host),
        ("ws:///x", InvalidUrl::Host),
        ("ws://a b/", InvalidUrl::Host),
        ("ws://h:99999/", InvalidUrl::Host),
        ("ws://h:-1/", InvalidUrl::Host),
        ("ws://[::1/", InvalidUrl::Host),
        ("ws://höst/", InvalidUrl::Host),
        ("ws://a\r\nb/", InvalidUrl::Host),
        ("ws://user:password@h/", InvalidUrl::UserInfo),
        ("ws://h/#part", InvalidUrl::Fragment),
        ("ws://h#part", InvalidUrl::Fragment),
        ("ws://h/a b", InvalidUrl::Target),
        ("ws://h/a\r\nX: y", InvalidUrl::Target),
        ("ws://h/é", InvalidUrl::Target),
    ] {
        assert_eq!(url.parse::<Url>(), Err(error), "{url:?}");
        assert!(matches!(Dialer::new().dial(url), Err(DialError::Url(same)) if same == error));
    }
}

#[test]
fn gobwas_11_wss_without_tls_is_refused_before_anything_is_connected() {
    assert!(matches!(Dialer::new().dial("wss://127.0.0.1:1/"), Err(DialError::TlsMissing)));
    let dialer = Dialer::new();
    let dialled = wscore::tokio::dial(&dialer, "wss://127.0.0.1:1/");
    assert!(matches!(crate::rig::block_on(dialled), Err(DialError::TlsMissing)));
}
