//! Requests: who is let in, and what others are told.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
};

use wscore::{Dialer, Frame, Rejection, Request};
use wsserver::{Admission, Client, Config, Handler, Server};
use wsutil::Message;

use crate::service::{
    PATIENCE, Served, guard, masked, quick, read_all, read_head, request, serve, serve_with,
};

fn answer(served: &Served, request: &str) -> String {
    let mut stream = served.stream();
    stream.write_all(request.as_bytes()).unwrap();
    String::from_utf8(read_all(&mut stream)).unwrap()
}

#[test]
fn s3_a_request_is_refused_with_the_status_of_the_service() {
    let served = serve(Config::default());
    let refused = answer(&served, &request("/?refused"));
    assert!(refused.starts_with("HTTP/1.1 401 Unauthorized\r\n"), "{refused}");
    assert!(refused.contains("\r\nWWW-Authenticate: Ticket\r\n"));
    let panicked = answer(&served, &request("/?panic"));
    assert!(panicked.starts_with("HTTP/1.1 500 "), "{panicked}");
    let _client = served.connect();
    assert_eq!(served.handle().count(), 1);
}

#[test]
fn s3_an_admission_has_headers_and_a_protocol() {
    let served = serve(Config::default());
    let mut stream = served.stream();
    stream.write_all(request("/?headers").as_bytes()).unwrap();
    assert!(read_head(&mut stream).contains("\r\nX-Who: you\r\n"));
    let url = format!("ws://{}/?protocol", served.address);
    let (_, handshake) = Dialer::new().protocols(["other", "chat"]).unwrap().dial(&url).unwrap();
    assert_eq!(handshake.protocol(), Some("chat"));
    // One that the client did not offer is the service's mistake.
    assert!(answer(&served, &request("/?protocol")).starts_with("HTTP/1.1 500 "));
}

/// A request that is no handshake.
fn plain(method: &str, path: &str) -> String {
    format!("{method} {path} HTTP/1.1\r\nHost: example.com\r\n\r\n")
}

#[test]
fn s4_paths_connect_status_and_none() {
    let served =
        serve_with(|builder| builder.connect_path("/socket").status_path("/socket/status"));
    let status = answer(&served, &plain("GET", "/socket/status"));
    assert!(status.starts_with("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"), "{status}");
    assert!(status.ends_with("\r\n\r\nOK"));
    let head = answer(&served, &plain("HEAD", "/socket/status?now"));
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && head.ends_with("\r\n\r\n"), "{head}");
    let post = answer(&served, &plain("POST", "/socket/status"));
    assert!(post.starts_with("HTTP/1.1 405 ") && post.contains("\r\nAllow: GET, HEAD\r\n"));
    for path in ["/", "/other", "/socket/"] {
        assert!(answer(&served, &request(path)).starts_with("HTTP/1.1 404 "));
        assert!(answer(&served, &plain("GET", path)).starts_with("HTTP/1.1 404 "));
    }
    assert!(answer(&served, &plain("GET", "/socket")).starts_with("HTTP/1.1 426 "));
    let url = format!("ws://{}/socket?query", served.address);
    wsutil::connect(&url).unwrap();
}

#[test]
fn s4_pages_and_metrics_are_served() {
    let served = serve_with(|builder| {
        builder
            .metrics_path("/metrics")
            .page("/", "text/html; charset=utf-8", "<p>Hello")
            .page("/bytes", "application/octet-stream", vec![0, 255])
            .page("/no-type", "a\r\nX: y", "")
            .connect_path("/socket")
    });
    let page = answer(&served, &plain("GET", "/?query"));
    assert!(page.starts_with("HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n"));
    assert!(page.ends_with("\r\n\r\n<p>Hello"), "{page}");
    assert!(answer(&served, &plain("HEAD", "/bytes")).contains("\r\nContent-Length: 2\r\n"));
    assert!(answer(&served, &plain("POST", "/")).starts_with("HTTP/1.1 405 "));
    assert!(answer(&served, &plain("GET", "/no-type")).starts_with("HTTP/1.1 500 "));
    assert!(answer(&served, &request("/other")).starts_with("HTTP/1.1 404 "));
    let metrics = answer(&served, &plain("GET", "/metrics"));
    assert!(metrics.contains("\r\nContent-Type: text/plain; version=0.0.4\r\n"));
    let (_, metrics) = metrics.split_once("\r\n\r\n").unwrap();
    for line in [
        "# TYPE wsserver_not_upgraded_total counter",
        "wsserver_not_upgraded_total 5",
        "wsserver_open 0",
        "wsserver_ended_total{end=\"slow\"} 0",
    ] {
        assert!(metrics.lines().any(|other| other == line), "{line} is not in {metrics}");
    }
    // Every line is a comment, or a name and a number.
    for line in metrics.lines().filter(|line| !line.starts_with("# ")) {
        let (name, value) = line.split_once(' ').unwrap();
        assert!(name.starts_with("wsserver_") && value.parse::<u64>().is_ok(), "{line}");
    }
}

#[test]
fn origins_of_other_hosts_are_refused_unless_allowed() {
    let with_origin =
        |origin: &str| request("/").replace("\r\n\r\n", &format!("\r\nOrigin: {origin}\r\n\r\n"));
    let served = serve(Config::default());
    let mut stream = served.stream();
    stream.write_all(with_origin("http://example.com").as_bytes()).unwrap();
    assert!(read_head(&mut stream).starts_with("HTTP/1.1 101 "));
    assert!(answer(&served, &with_origin("http://evil.example")).starts_with("HTTP/1.1 403 "));
    let open = serve_with(|builder| builder.origin(None));
    let mut stream = open.stream();
    stream.write_all(with_origin("http://evil.example").as_bytes()).unwrap();
    assert!(read_head(&mut stream).starts_with("HTTP/1.1 101 "));
}

#[test]
fn what_is_no_request_is_answered_and_hung_up_on() {
    let served = serve(Config::default());
    for (said, status) in [
        ("\x16\x03\x01", "400"),
        ("GET / HTTP/1.1\r\n\r\n", "400"),
        (&request("/").replace("13", "8"), "426"),
        (&request("/").replace("GET", "POST"), "405"),
        (&format!("GET / HTTP/1.1\r\nX: {}", "x".repeat(20_000)), "431"),
    ] {
        let answer = answer(&served, said);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{said:?}: {answer}");
    }
}

#[test]
fn s13_slow_requests_are_hung_up_on_and_others_are_not_held_up() {
    let served = serve(quick());
    let mut silent: Vec<_> = (0..50).map(|_| served.stream()).collect();
    for stream in &mut silent {
        stream.write_all(b"GET / HT").unwrap();
    }
    let mut good = served.connect();
    good.send("hello").unwrap();
    assert!(good.receive().unwrap().is_some());
    for mut stream in silent {
        assert_eq!(read_all(&mut stream), b"");
    }
    good.send("again").unwrap();
    assert!(good.receive().unwrap().is_some());
}

#[test]
fn s12_too_many_are_told_503_until_others_have_gone() {
    let served = serve(Config { max_connections: 3, ..Config::default() });
    let mut clients: Vec<_> = (0..3).map(|_| served.connect()).collect();
    let refused = answer(&served, "");
    assert!(refused.starts_with("HTTP/1.1 503 Service Unavailable\r\n"), "{refused}");
    // Not all are to come again at the same time.
    let seconds = |refused: &str| {
        let (_, after) = refused.split_once("\r\nRetry-After: ").unwrap();
        after.split("\r\n").next().unwrap().parse::<u32>().unwrap()
    };
    let mut asked = vec![seconds(&refused)];
    asked.extend((0..9).map(|_| seconds(&answer(&served, ""))));
    asked.sort_unstable();
    assert_eq!(asked, [1, 1, 2, 2, 3, 3, 4, 4, 5, 5]);
    drop(clients.pop());
    let started = std::time::Instant::now();
    while wsutil::connect(&format!("ws://{}/", served.address)).is_err() {
        assert!(started.elapsed() < PATIENCE);
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    let served = serve(Config { max_handshakes: 2, ..Config::default() });
    let waiting = [served.stream(), served.stream()];
    assert!(answer(&served, "").starts_with("HTTP/1.1 503 "));
    // It is told even if it said something first.
    assert!(answer(&served, &request("/")).starts_with("HTTP/1.1 503 "));
    drop(waiting);
}

#[test]
fn s12_refused_clients_that_are_gone_are_not_counted() {
    let served = serve(Config { max_handshakes: 4, ..Config::default() });
    for _ in 0..100 {
        let mut stream = served.stream();
        stream.write_all(request("/?refused").as_bytes()).unwrap();
        // At once, with a reset where the answer is here already.
        drop(stream);
    }
    let started = std::time::Instant::now();
    while wsutil::connect(&format!("ws://{}/", served.address)).is_err() {
        assert!(started.elapsed() < PATIENCE);
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}

/// Tells much.
struct Talks;

impl Handler for Talks {
    type Session = ();

    fn authenticate(&self, _: &Request<'_>) -> Result<Admission<()>, Rejection> {
        Err(Rejection::new(403))
    }

    fn on_message(&self, _: &mut Client<'_, ()>, _: Message<'_>) {}

    fn status(&self) -> (&'static str, String) {
        ("text/html", "x".repeat(8 << 20))
    }
}

#[test]
fn s4_a_large_status_arrives_whole() {
    let builder = Server::builder().status_path("/status").listen("127.0.0.1:0").unwrap();
    let server = builder.handler(Talks);
    let mut stream = TcpStream::connect(server.addresses().unwrap()[0]).unwrap();
    let running = server.start().unwrap();
    stream.write_all(b"GET /status HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let answer = read_all(&mut stream);
    assert!(answer.starts_with(b"HTTP/1.1 200 OK\r\n") && answer.len() > 8 << 20);
    running.handle().shutdown();
    running.join().unwrap();
}

/// A session that panics when it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        assert!(std::thread::panicking(), "as it was to");
    }
}

struct Bombs;

impl Handler for Bombs {
    type Session = Bomb;

    fn authenticate(&self, _: &Request<'_>) -> Result<Admission<Bomb>, Rejection> {
        Ok(Admission::new(Bomb))
    }

    fn on_message(&self, client: &mut Client<'_, Bomb>, message: Message<'_>) {
        let _ = client.send(message);
    }
}

#[test]
fn s11_a_session_that_panics_when_it_is_dropped_takes_no_other_with_it() {
    let server = Server::builder().listen("127.0.0.1:0").unwrap().handler(Bombs);
    let url = format!("ws://{}/", server.addresses().unwrap()[0]);
    let running = server.start().unwrap();
    let mut good = wsutil::connect(&url).unwrap();
    for _ in 0..3 {
        let mut client = wsutil::connect(&url).unwrap();
        client.close(wscore::CloseCode::NORMAL, "").unwrap();
    }
    good.send("still here").unwrap();
    assert_eq!(good.receive_owned().unwrap(), Some("still here".into()));
    drop(good);
    running.handle().shutdown();
    running.join().unwrap();
}

#[test]
fn a_request_may_come_in_pieces_and_messages_right_behind_it() {
    let served = serve(Config::default());
    let mut bytes = request("/").into_bytes();
    let head = bytes.len();
    bytes.extend(masked(&Frame::text("early")));
    for cut in (1..head).step_by(29).chain([head - 1, head, head + 1, bytes.len()]) {
        let mut stream = served.stream();
        stream.write_all(&bytes[..cut]).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(5));
        stream.write_all(&bytes[cut..]).unwrap();
        assert!(read_head(&mut stream).starts_with("HTTP/1.1 101 "));
        let mut echo = [0; 7];
        stream.read_exact(&mut echo).unwrap();
        assert_eq!(&echo, b"\x81\x05early", "cut at {cut}");
    }
}

/// Lets nobody in whose port is odd, and panics once in a while.
struct Picky;

impl Handler for Picky {
    type Session = ();

    fn accept(&self, peer: SocketAddr) -> bool {
        assert!(peer.port() % 8 != 0, "as it was to");
        peer.port() % 2 == 0
    }

    fn authenticate(&self, _: &Request<'_>) -> Result<Admission<()>, Rejection> {
        Ok(Admission::new(()))
    }

    fn on_message(&self, client: &mut Client<'_, ()>, _: Message<'_>) {
        let peer = client.peer_addr().unwrap().to_string();
        client.send(&peer).unwrap();
    }
}

#[test]
fn s12_the_service_may_refuse_a_peer_before_it_asks() {
    let served = guard(|builder| builder, Picky);
    for _ in 0..40 {
        let stream = TcpStream::connect(served.address).unwrap();
        let peer = stream.local_addr().unwrap();
        let is_welcome = peer.port() % 2 == 0 && peer.port() % 8 != 0;
        let url = format!("ws://{}/", served.address).parse().unwrap();
        let upgraded = Dialer::new().shake_hands(&url, &mut &stream);
        assert_eq!(upgraded.is_ok(), is_welcome, "{peer}");
    }
}
