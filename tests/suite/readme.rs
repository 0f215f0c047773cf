//! The programs of the README: each of its lines stands in code that is compiled.

use std::{error::Error, net::TcpStream, thread, time::Duration};

use wscore::{
    CloseCode, DeadlineStream, Dialer, Frame, Headers, Origin, Rejection, Replay, Request,
    Upgraded, Upgrader, random_mask, write_frame,
};
use wsflate::{Config, Deflate};
use wsserver::{Admission, Client, End, Handler, Overload, Server, To};
use wsutil::{Connection, Deadlines, Limits, Message, Prepared};

#[allow(dead_code, reason = "compiled, not run: the server would wait for a client")]
fn server(mut stream: TcpStream) -> Result<Replay<TcpStream>, Box<dyn Error>> {
    let upgrader = Upgrader::new()
        .protocols(["chat"])
        .origin(Origin::same_host())
        .on_host(|host| match host {
            "example.com" => Ok(()),
            _ => Err(Rejection::new(403).body("unknown host")),
        })
        .on_before_upgrade(|| Ok(Headers::new().with("X-Ready", "yes")?));
    let upgraded =
        upgrader.upgrade(&mut DeadlineStream::new(&mut stream, Duration::from_secs(10)))?;
    let mut stream = Replay::new(upgraded.early_data, stream);
    write_frame(&mut stream, &Frame::text("welcome"))?;
    Ok(stream)
}

#[allow(dead_code, reason = "compiled, not run: there is no server")]
fn client() -> Result<Option<String>, Box<dyn Error>> {
    let (mut stream, handshake) =
        Dialer::new().protocols(["chat"])?.dial("ws://127.0.0.1:9001/room")?;
    let mut frame = Frame::text(b"hello".to_vec());
    frame.mask_in_place(random_mask());
    write_frame(&mut stream, &frame)?;
    Ok(handshake.protocol().map(Into::into))
}

#[allow(dead_code, reason = "compiled, not run: the server would wait for a client")]
fn connection(stream: TcpStream, upgraded: Upgraded) -> Result<(), Box<dyn Error>> {
    let mut connection = Connection::server(stream, upgraded)
        .with_limits(Limits { message: 1 << 20, ..Limits::default() })
        .with_deadlines(Deadlines::heartbeat(Duration::from_secs(25), Duration::from_secs(20)))?;
    connection.send("welcome")?;
    let (mut receiver, sender, flusher) = connection.split(TcpStream::try_clone)?;
    thread::spawn(move || flusher.run());
    let everyone = vec![sender.clone()];
    while let Some(message) = receiver.receive()? {
        let news = Prepared::new(message);
        for sender in &everyone {
            sender.try_send_prepared(&news)?;
        }
    }
    sender.close(CloseCode::NORMAL, "bye")?;
    Ok(())
}

#[allow(dead_code, reason = "compiled, not run: the server would wait for a client")]
fn compressing(stream: TcpStream) -> Result<(), Box<dyn Error>> {
    let deflate = Deflate::new(Config::TAKEOVER);
    let mut connection = wsutil::accept_deflate(stream, &deflate)?;
    connection.send("welcome")?;
    Ok(())
}

#[allow(dead_code, reason = "compiled, not run: the server would wait for a client")]
fn compressing_by_hand(mut stream: TcpStream) -> Result<(), Box<dyn Error>> {
    let deflate = Deflate::default();
    let upgraded = Upgrader::new().negotiate(&deflate).upgrade(&mut stream)?;
    let mut connection = Connection::server(stream, upgraded).with_deflate(&deflate);
    connection.set_compression(false);
    connection.send("a secret beside what others wrote")?;
    Ok(())
}

struct Hall;

struct Guest {
    spoke: u32,
}

impl Handler for Hall {
    type Session = Guest;

    fn authenticate(&self, request: &Request<'_>) -> Result<Admission<Guest>, Rejection> {
        let name = request.query_value("name").ok_or_else(|| Rejection::new(401))?;
        Ok(Admission::new(Guest { spoke: 0 }).with_user(name))
    }

    fn on_open(&self, client: &mut Client<'_, Guest>) {
        let _ = client.join("hall");
    }

    fn on_message(&self, client: &mut Client<'_, Guest>, message: Message<'_>) {
        client.session_mut().spoke += 1;
        let _ = client.to(To::Room("hall")).but(client.id()).send(message);
    }

    fn on_close(&self, client: &mut Client<'_, Guest>, end: &End) {
        println!("{:?} spoke {} times, and ended: {end:?}", client.user(), client.session().spoke);
    }
}

#[allow(dead_code, reason = "compiled, not run: it would take a port of the machine")]
fn very_many() -> Result<(), Box<dyn Error>> {
    let builder = Server::builder().listen("127.0.0.1:9001")?.threads(2).metrics_path("/metrics");
    let running = builder.handler(Hall).start()?;
    let server = running.handle();
    server.to(To::User("ann")).send("wherever she is connected")?;
    server.to(To::Room("prices")).overload(Overload::KeepLatest(1)).send("42")?;
    println!("{} in the hall", server.count_of(To::Room("hall")));
    server.shutdown();
    println!("{:?}", running.join()?);
    Ok(())
}

/// The lines of a text without comment signs and space, as one word.
fn squeezed(text: &str) -> String {
    text.lines()
        .map(|line| line.trim().trim_start_matches("//!"))
        .collect::<String>()
        .split_whitespace()
        .collect()
}

#[test]
fn every_program_of_the_readme_is_compiled() {
    let compiled = squeezed(include_str!("../../src/lib.rs"))
        + &squeezed(include_str!("../../wsutil/src/lib.rs"))
        + &squeezed(include_str!("../../wsserver/src/lib.rs"))
        + &squeezed(include_str!("readme.rs"));
    let readme = include_str!("../../README.md");
    let programs: Vec<_> =
        readme.split("```rust\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert_eq!(programs.len(), 15);
    for program in programs {
        assert!(compiled.contains(&squeezed(program)), "not compiled anywhere:\n{program}");
    }
}
