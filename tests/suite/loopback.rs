//! Over TCP on the loopback: deadlines, closing, connecting.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use wscore::{
    Connect, Deadline, DeadlineStream, DialError, Dialer, Frame, Replay, Tcp, UpgradeError,
    Upgrader, Url, lingering_close, read_frame, write_frame,
};

use crate::server_handshake::{ACCEPTED, BASE, assert_refusal};

/// Longer than anything here takes; only a test that hangs waits for it.
const PATIENCE: Duration = Duration::from_secs(60);

/// Starts a server for one connection: its address, and what it returns.
fn serve<T: Send + 'static>(
    work: impl FnOnce(TcpStream) -> T + Send + 'static,
) -> (String, mpsc::Receiver<T>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        drop(listener);
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        sender.send(work(stream)).unwrap();
    });
    (format!("ws://{address}/"), receiver)
}

fn connect(url: &str) -> TcpStream {
    let url: Url = url.parse().unwrap();
    let stream = TcpStream::connect((url.host(), url.port())).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Reads the request of a client and sends this response.
fn respond(mut stream: TcpStream, response: &[u8]) -> TcpStream {
    let mut request = vec![];
    while !request.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        request.push(byte[0]);
    }
    stream.write_all(response).unwrap();
    stream
}

#[test]
fn client_and_server_shake_hands_and_echo() {
    let (url, _server) = serve(|mut stream| {
        let upgrader = Upgrader::new().protocols(["echo"]);
        let upgraded = upgrader.upgrade(&mut DeadlineStream::new(&mut stream, PATIENCE)).unwrap();
        let mut stream = Replay::new(upgraded.early_data, stream);
        while let Ok(mut frame) = read_frame(&mut stream, 1 << 24) {
            frame.unmask_in_place();
            write_frame(&mut stream, &frame).unwrap();
        }
    });
    let (mut stream, handshake) = Dialer::new().protocols(["echo"]).unwrap().dial(&url).unwrap();
    assert_eq!(handshake.protocol(), Some("echo"));
    assert!(stream.get_ref().nodelay().unwrap());
    for size in [0, 1, 125, 126, 65535, 65536, 1 << 20] {
        let payload: Vec<u8> = (0..size).map(|index| index as u8).collect();
        let mut frame = Frame::binary(payload.clone());
        frame.mask_in_place(wscore::random_mask());
        thread::scope(|scope| {
            let mut writer = stream.get_ref().try_clone().unwrap();
            scope.spawn(move || write_frame(&mut writer, &frame).unwrap());
            assert_eq!(read_frame(&mut stream, 1 << 24).unwrap(), Frame::binary(payload));
        });
    }
}

#[test]
fn the_same_under_tokio_on_a_thread_pool() {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("ws://{}/", listener.local_addr().unwrap());
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let upgraded = wscore::tokio::upgrade(&Upgrader::new(), &mut stream).await.unwrap();
            let mut stream = Replay::new(upgraded.early_data, stream);
            let mut frame = wscore::tokio::read_frame(&mut stream, 1 << 20).await.unwrap();
            frame.unmask_in_place();
            wscore::tokio::write_frame(&mut stream, &frame).await.unwrap();
            wscore::tokio::lingering_close(stream.into_parts().1).await;
        });
        // Spawned: the future of a dial can move between threads.
        let client = tokio::spawn(async move {
            let (mut stream, _) = wscore::tokio::dial(&Dialer::new(), &url).await.unwrap();
            let mut frame = Frame::text(b"Hello".to_vec());
            frame.mask_in_place(wscore::random_mask());
            wscore::tokio::write_frame(&mut stream, &frame).await.unwrap();
            wscore::tokio::read_frame(&mut stream, 1 << 20).await.unwrap()
        });
        assert_eq!(client.await.unwrap(), Frame::text(b"Hello".to_vec()));
        server.await.unwrap();
    });
}

#[test]
fn hs41_cve_2026_69243_a_refused_client_gets_one_answer_and_the_end_of_the_stream() {
    let (url, refused) = serve(|mut stream| {
        let refused = Upgrader::new().upgrade(&mut stream);
        lingering_close(stream);
        refused
    });
    let mut client = connect(&url);
    // More than fits the server's buffers: a plain close would reset the connection.
    client.write_all(&BASE.replace("GET", "POST").into_bytes()).unwrap();
    client.write_all(b"GET /admin HTTP/1.1\r\nHost: example.com\r\n\r\n").unwrap();
    client.write_all(&[b'x'; 20_000]).unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    let mut answer = vec![];
    client.read_to_end(&mut answer).unwrap();
    assert_refusal("over TCP", &answer, 405);
    let refused = refused.recv_timeout(PATIENCE).unwrap();
    assert!(matches!(refused, Err(UpgradeError::Rejected(rejection)) if rejection.status() == 405));
}

#[test]
fn lingering_ends_by_itself_when_the_peer_goes_on_sending() {
    let (url, done) = serve(lingering_close);
    let mut client = connect(&url);
    let mut sent = 0_u64;
    while let Ok(taken) = client.write(&[0; 65536]) {
        sent += taken as u64;
        assert!(sent < 1 << 30, "the server never closed");
    }
    done.recv_timeout(PATIENCE).unwrap();
}

#[test]
fn hs39_slowloris_a_trickle_of_bytes_does_not_move_the_deadline() {
    let (url, upgraded) = serve(|mut stream| {
        let limit = Duration::from_millis(200);
        let upgraded = Upgrader::new().upgrade(&mut DeadlineStream::new(&mut stream, limit));
        (upgraded, stream.read_timeout().unwrap(), stream.write_timeout().unwrap())
    });
    let mut client = connect(&url);
    let trickle = thread::spawn(move || {
        // Each byte comes sooner than the deadline; the whole request would take a minute.
        for byte in BASE.bytes().cycle().take(100_000).filter(|&byte| byte != b'\n') {
            if client.write_all(&[byte]).is_err() {
                return true;
            }
            thread::sleep(Duration::from_millis(10));
        }
        false
    });
    let (upgraded, read_timeout, write_timeout) = upgraded.recv_timeout(PATIENCE).unwrap();
    assert!(
        matches!(upgraded, Err(UpgradeError::Io(error)) if error.kind() == io::ErrorKind::TimedOut)
    );
    assert_eq!(
        (read_timeout, write_timeout),
        (None, None),
        "the stream's own timeouts are off again"
    );
    assert!(trickle.join().unwrap(), "the connection was closed");
}

#[test]
fn gobwas_10_cl14_one_deadline_holds_over_a_silent_server() {
    let (url, _server) = serve(|stream| {
        thread::sleep(Duration::from_secs(5));
        drop(stream)
    });
    let dialer = Dialer::new().timeout(Some(Duration::from_millis(100)));
    assert_timed_out(dialer.dial(&url).map(|_| ()));
    let (url, _server) = serve(|stream| {
        thread::sleep(Duration::from_secs(5));
        drop(stream)
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    assert_timed_out(runtime.block_on(wscore::tokio::dial(&dialer, &url)).map(|_| ()));
}

fn assert_timed_out(dialled: Result<(), DialError>) {
    assert!(
        matches!(dialled, Err(DialError::Io(error)) if error.kind() == io::ErrorKind::TimedOut)
    );
}

#[test]
fn gobwas_3_cl13_frames_in_the_packet_of_the_response_are_not_lost() {
    // The key is the client's own, so the server is a real one that sends early.
    let (url, _server) = serve(|mut stream| {
        struct Both<'s>(&'s mut TcpStream, Vec<u8>);
        impl Read for Both<'_> {
            fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
                self.0.read(room)
            }
        }
        impl Write for Both<'_> {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.1.extend_from_slice(bytes);
                Ok(bytes.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let mut both = Both(&mut stream, vec![]);
        let _ = Upgrader::new().upgrade(&mut both).unwrap();
        both.1.extend_from_slice(b"\x81\x05early");
        let bytes = both.1;
        stream.write_all(&bytes).unwrap();
        stream.write_all(b"\x81\x04late").unwrap();
        stream
    });
    let (mut stream, _) = Dialer::new().dial(&url).unwrap();
    for text in ["early", "late"] {
        assert_eq!(read_frame(&mut stream, 100).unwrap(), Frame::text(text.as_bytes().to_vec()));
    }
}

#[test]
fn cl4_a_refusal_comes_with_its_body_before_the_connection_ends() {
    let (url, _server) = serve(|stream| {
        respond(stream, b"HTTP/1.1 403 Forbidden\r\nContent-Length: 5\r\n\r\nsorry")
    });
    let Err(DialError::Response(wscore::ResponseError::Status(error))) = Dialer::new().dial(&url)
    else {
        panic!()
    };
    assert_eq!((error.status, &error.body[..]), (403, &b"sorry"[..]));
}

#[test]
fn names_are_looked_up_within_the_deadline() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || while listener.accept().is_ok() {});
    let url: Url = format!("ws://localhost:{port}/").parse().unwrap();
    assert!(Tcp.connect(&url, &Deadline::after(Some(PATIENCE))).is_ok());
    assert!(Tcp.connect(&url, &Deadline::after(None)).is_ok());
    let late = Tcp.connect(&url, &Deadline::after(Some(Duration::ZERO)));
    assert_eq!(late.unwrap_err().kind(), io::ErrorKind::TimedOut);
}

/// Pretends to be TLS: one read of ours is ten of the stream below.
struct Records<S>(S);

impl<S: Read> Read for Records<S> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let mut record = [0; 10];
        for byte in &mut record {
            self.0.read_exact(std::slice::from_mut(byte))?;
        }
        let taken = room.len().min(10);
        room[..taken].copy_from_slice(&record[..taken]);
        Ok(taken)
    }
}

impl<S: Write> Write for Records<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[test]
fn gobwas_10_the_deadline_holds_below_tls_and_is_lifted_afterwards() {
    let dialer = Dialer::new().timeout(Some(Duration::from_millis(300)));
    // A peer that is silent in the middle of the TLS handshake.
    let (url, _server) = serve(|stream| {
        thread::sleep(Duration::from_secs(5));
        drop(stream)
    });
    let hello = Tcp.wrap(|mut stream, _, _| {
        stream.write_all(b"hello")?;
        stream.read_exact(&mut [0])?;
        Ok(stream)
    });
    assert_timed_out(dialer.dial_with(&url, &hello).map(|_| ()));
    // A peer that trickles: each byte is in time, the record is not.
    let (url, trickled) = serve(|mut stream| {
        for sent in 0..1000 {
            if stream.write_all(b"H").is_err() {
                return sent;
            }
            thread::sleep(Duration::from_millis(50));
        }
        1000
    });
    let records = Tcp.wrap(|stream, _, _| Ok(Records(stream)));
    assert_timed_out(dialer.dial_with(&url, &records).map(|_| ()));
    assert!(trickled.recv_timeout(PATIENCE).unwrap() < 1000);
    // Once the handshake is done, a read may take longer than the deadline was.
    let (url, _server) = serve(|mut stream| {
        let _ = Upgrader::new().upgrade(&mut stream).unwrap();
        thread::sleep(Duration::from_millis(600));
        write_frame(&mut stream, &Frame::text("late")).unwrap();
        stream
    });
    let (mut stream, _) = dialer.dial_with(&url, &Tcp).unwrap();
    assert_eq!(read_frame(&mut stream, 100).unwrap().payload, b"late");
    assert_eq!(stream.get_ref().get_ref().read_timeout().unwrap(), None);
    stream.get_ref().get_ref().set_nonblocking(true).unwrap();
    assert_eq!(stream.read(&mut [0]).unwrap_err().kind(), io::ErrorKind::WouldBlock);
}

#[test]
fn a_stream_that_does_not_block_is_not_late() {
    let (url, _server) = serve(|stream| stream);
    let mut stream = connect(&url);
    stream.set_nonblocking(true).unwrap();
    let early = DeadlineStream::new(&mut stream, PATIENCE).read(&mut [0]);
    assert_eq!(early.unwrap_err().kind(), io::ErrorKind::WouldBlock);
}

#[test]
fn a_refused_port_is_an_error_with_its_source() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let error = Dialer::new().dial(&format!("ws://127.0.0.1:{port}/")).unwrap_err();
    let source = std::error::Error::source(&error).unwrap().downcast_ref::<io::Error>().unwrap();
    assert_eq!(source.kind(), io::ErrorKind::ConnectionRefused);
}

/// A stream of ours around another.
struct Whole<S>(S);

impl<S: Read> Read for Whole<S> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        self.0.read(room)
    }
}

impl<S: Write> Write for Whole<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[test]
fn connect_and_wrap_hooks_replace_and_wrap_the_stream() {
    let (url, _server) = serve(|mut stream| Upgrader::new().upgrade(&mut stream).map(|_| stream));
    let secure = url.replace("ws://", "wss://");
    let wrapping = Tcp.wrap(|stream, url, _| {
        assert!(url.is_secure());
        Ok(Whole(stream))
    });
    let (stream, _) = Dialer::new().dial_with(&secure, &wrapping).unwrap();
    let Whole(_below) = stream.into_parts().1;

    let (url, _server) = serve(|mut stream| Upgrader::new().upgrade(&mut stream).map(|_| stream));
    let address = url.trim_start_matches("ws://").trim_end_matches('/').to_owned();
    let connect = |_: &Url, _: &Deadline| TcpStream::connect(&address);
    assert!(Dialer::new().dial_with("wss://elsewhere.example/", &connect).is_ok());
    let failing = |_: &Url, _: &Deadline| Err::<TcpStream, _>(io::Error::other("no route"));
    let error = Dialer::new().dial_with("ws://elsewhere.example/", &failing).unwrap_err();
    assert_eq!(std::error::Error::source(&error).unwrap().to_string(), "no route");
}

#[test]
fn hs36_a_client_that_does_not_wait_is_answered_and_heard() {
    let (url, heard) = serve(|mut stream| {
        let upgraded = Upgrader::new().upgrade(&mut stream).unwrap();
        read_frame(&mut Replay::new(upgraded.early_data, stream), 100).unwrap()
    });
    let mut client = connect(&url);
    client.write_all(&[BASE.as_bytes(), b"\x81\x82\0\0\0\0hi"].concat()).unwrap();
    let mut answer = vec![0; ACCEPTED.len()];
    client.read_exact(&mut answer).unwrap();
    assert_eq!(answer, ACCEPTED.as_bytes());
    assert_eq!(heard.recv_timeout(PATIENCE).unwrap().payload, b"hi");
}

#[cfg(target_os = "linux")]
#[test]
fn hs37_hs41_descriptors_are_given_back() {
    let open = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let serve_one = |bytes: &[u8]| {
        let mut client = TcpStream::connect(address).unwrap();
        client.write_all(bytes).unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        let (mut stream, _) = listener.accept().unwrap();
        assert!(Upgrader::new().upgrade(&mut stream).is_err());
        lingering_close(stream);
    };
    serve_one(b"");
    // Other tests may run in the same process, so what is asserted is that nothing piles up.
    let before = open();
    let started = Instant::now();
    for _ in 0..200 {
        serve_one(b"GET / HTTP/1.1\r\n");
        serve_one(b"POST / HTTP/1.1\r\nHost: a\r\n\r\n");
    }
    assert!(open() < before + 100, "after {:?}", started.elapsed());
}
