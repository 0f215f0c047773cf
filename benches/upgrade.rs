//! How long does the server's handshake take in memory, accepted and refused, next to code that
//! finds the key and trusts the rest?

#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "a bench asserts its results"
)]

mod common;

use std::{
    hint::black_box,
    io::{self, Read, Write},
};

use criterion::{BenchmarkId, Criterion};
use sha1::{Digest, Sha1};
use wscore::{
    Rsv, Upgrader,
    extension::{Element, ElementBuf, Extension},
};

/// 153 bytes, as a small client sends it.
const PLAIN: &str = "GET / HTTP/1.1\r\nHost: 127.0.0.1:9001\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Version: 13\r\n\r\n";

/// 568 bytes, as a browser sends it.
const BROWSER: &str = "GET /feed?channel=7 HTTP/1.1\r\nHost: www.example.com:8080\r\n\
    Connection: Upgrade\r\nPragma: no-cache\r\nCache-Control: no-cache\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) \
    Chrome/142.0.0.0 Safari/537.36\r\nUpgrade: websocket\r\n\
    Origin: http://www.example.com:8080\r\nSec-WebSocket-Version: 13\r\n\
    Accept-Encoding: gzip, deflate, br, zstd\r\nAccept-Language: en;q=0.8\r\n\
    Cookie: session=0123456789abcdef0; lang=en; seen=1763683200\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n";

/// Requests in the shape of the plain one: name, what is replaced, by what, and the status.
const VARIANTS: [(&str, &str, &str, u16); 18] = [
    ("base", "", "", 101),
    ("lowercase", "Sec-WebSocket-Key:", "sec-websocket-key:", 101),
    ("uppercase", "Sec-WebSocket-Key:", "SEC-WEBSOCKET-KEY:", 101),
    (
        "subproto",
        "\r\n\r\n",
        "\r\nSec-WebSocket-Protocol: a\r\nSec-WebSocket-Protocol: b\r\n\r\n",
        101,
    ),
    ("subproto_comma", "\r\n\r\n", "\r\nSec-WebSocket-Protocol: a, b, c, d\r\n\r\n", 101),
    ("extensions", "\r\n\r\n", "\r\nSec-WebSocket-Extensions: a;x=1, b;y=\"2\", c, d\r\n\r\n", 101),
    ("bad_http_method", "GET", "POST", 405),
    ("bad_http_proto", "HTTP/1.1", "HTTP/1.0", 505),
    ("bad_host", "Host:", "Hots:", 400),
    ("bad_upgrade_missing", "Upgrade: websocket\r\n", "", 426),
    ("bad_upgrade_other", "Upgrade: websocket", "Upgrade: h2c", 400),
    ("bad_upgrade_longer", "Upgrade: websocket", "Upgrade: websockets", 400),
    ("bad_connection_missing", "Connection: Upgrade\r\n", "", 400),
    ("bad_connection_other", "Connection: Upgrade", "Connection: keep-alive", 400),
    ("bad_sec_version_missing", "Sec-WebSocket-Version: 13\r\n", "", 400),
    ("bad_sec_version_other", "Version: 13", "Version: 15", 426),
    ("bad_sec_key_missing", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", "", 400),
    ("bad_sec_key_short", "dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZQ==", 400),
];

const REQUESTS: [&str; 2] = ["plain", "browser"];
const WAYS: [&str; 4] = ["trusting", "trusting_sha_ni", "machine", "driver"];

fn main() {
    assert_eq!((PLAIN.len(), BROWSER.len()), (153, 568));
    let mut criterion = common::criterion();
    accepted(&mut criterion);
    variants(&mut criterion);
    criterion.final_summary();

    common::table("upgrade", "trusting", &WAYS, &REQUESTS);
    for chunk in VARIANTS.chunks(6) {
        let names: Vec<_> = chunk.iter().map(|(name, ..)| *name).collect();
        common::table("upgrade_variants", "", &["machine"], &names);
    }
}

fn accepted(criterion: &mut Criterion) {
    let upgrader = Upgrader::new();
    let mut group = criterion.benchmark_group("upgrade");
    for (name, request) in REQUESTS.into_iter().zip([PLAIN, BROWSER]) {
        let request = request.as_bytes();
        group.bench_function(BenchmarkId::new("trusting", name), |bench| {
            let sha1 = |input: &[u8]| sha1_smol::Sha1::from(input).digest().bytes();
            bench.iter(|| black_box(trusting(black_box(request), sha1)));
        });
        group.bench_function(BenchmarkId::new("trusting_sha_ni", name), |bench| {
            bench.iter(|| {
                black_box(trusting(black_box(request), |input| Sha1::digest(input).into()))
            });
        });
        let mut out = Vec::with_capacity(512);
        assert!(upgrader.advance(&mut upgrader.parser(), request, &mut (), &mut out).is_ok());
        assert_eq!(out, trusting(request, |input| Sha1::digest(input).into()));
        group.bench_function(BenchmarkId::new("machine", name), |bench| {
            bench.iter(|| {
                out.clear();
                let upgraded =
                    upgrader.advance(&mut upgrader.parser(), black_box(request), &mut (), &mut out);
                black_box((upgraded.unwrap().unwrap(), &out));
            });
        });
        group.bench_function(BenchmarkId::new("driver", name), |bench| {
            bench.iter(|| {
                let mut stream = Pipe { input: black_box(request), written: 0 };
                let _ = black_box(upgrader.upgrade(&mut stream).unwrap());
                assert_eq!(stream.written, 129);
            });
        });
    }
}

fn variants(criterion: &mut Criterion) {
    struct Custom(&'static str);
    impl Extension for Custom {
        fn name(&self) -> &str {
            self.0
        }
        fn rsv(&self) -> Rsv {
            Rsv::NONE
        }
        fn accept(&self, offer: &Element<'_>) -> Option<ElementBuf> {
            Some(offer.to_owned())
        }
        fn offers(&self) -> Vec<ElementBuf> {
            vec![]
        }
        fn confirm(&self, _: &Element<'_>) -> bool {
            false
        }
    }
    let upgrader =
        Upgrader::new().protocols(["b", "d"]).negotiate(Custom("b")).negotiate(Custom("d"));
    let mut group = criterion.benchmark_group("upgrade_variants");
    for (name, old, new, status) in VARIANTS {
        let request = PLAIN.replacen(old, new, 1);
        let mut out = Vec::with_capacity(512);
        let _ = upgrader.advance(&mut upgrader.parser(), request.as_bytes(), &mut (), &mut out);
        assert!(out.starts_with(format!("HTTP/1.1 {status} ").as_bytes()), "{name}");
        group.bench_function(BenchmarkId::new("machine", name), |bench| {
            bench.iter(|| {
                out.clear();
                let request = black_box(request.as_bytes());
                black_box(upgrader.advance(&mut upgrader.parser(), request, &mut (), &mut out))
                    .is_ok()
            });
        });
    }
}

/// What no server can do without: the key found by its exact name, its answer computed and sent.
fn trusting(request: &[u8], sha1: impl Fn(&[u8]) -> [u8; 20]) -> Vec<u8> {
    const NAME: &[u8] = b"Sec-WebSocket-Key: ";
    let at = request.windows(NAME.len()).position(|window| window == NAME).unwrap() + NAME.len();
    let mut input = [0; 60];
    input[..24].copy_from_slice(&request[at..at + 24]);
    input[24..].copy_from_slice(b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    let mut answer = Vec::with_capacity(160);
    answer.extend_from_slice(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
          Sec-WebSocket-Accept: ",
    );
    base64(&sha1(&input), &mut answer);
    answer.extend_from_slice(b"\r\n\r\n");
    answer
}

fn base64(bytes: &[u8; 20], out: &mut Vec<u8>) {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for group in bytes.chunks(3) {
        let at = |index| u32::from(*group.get(index).unwrap_or(&0));
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        for digit in 0..=group.len() {
            out.push(DIGITS[(bits >> (18 - 6 * digit)) as usize % 64]);
        }
    }
    out.push(b'=');
}

/// A stream that holds one request and counts what is written.
struct Pipe<'a> {
    input: &'a [u8],
    written: usize,
}

impl Read for Pipe<'_> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        self.input.read(room)
    }
}

impl Write for Pipe<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.written += black_box(bytes).len();
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
