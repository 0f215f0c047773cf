//! The server that the Autobahn test suite tests: the path selects the driver.

#![allow(clippy::duplicate_mod, reason = "each of the echoes stands alone, with `common`")]

#[path = "echo_deflate_stream.rs"]
#[allow(dead_code, reason = "its main")]
mod echo_deflate_stream;
#[path = "echo_epoll.rs"]
#[allow(dead_code, reason = "its main")]
mod echo_epoll;
#[path = "echo_frames.rs"]
#[allow(dead_code, reason = "its main")]
mod echo_frames;
#[path = "echo_helpers.rs"]
#[allow(dead_code, reason = "its main")]
mod echo_helpers;
#[path = "echo_reader.rs"]
#[allow(dead_code, reason = "its main")]
mod echo_reader;

use std::{error::Error, net::TcpStream, time::Duration};

use echo_frames::common;
use wscore::{
    Acceptance, DeadlineStream, Handler, Rejection, Request, Role, Upgraded, Upgrader,
    lingering_close,
};
use wsflate::{Config, Deflate};
use wsutil::{Connection, Endpoint};

const ABOUT: &str = "Echoes for the Autobahn test suite.

Paths:
  /frames      bare headers and frames
  /helpers     one call for each message
  /reader      Reader and Writer
  /flate       Reader and Writer, with compression
  /connection  the blocking Connection, with compression
  /tokio       the Connection under tokio, with compression
  /epoll       an Endpoint in an event loop, with compression";

fn main() {
    let deflate = Deflate::new(Config::TAKEOVER);
    common::run(ABOUT, move |stream| common::log(serve(stream, &deflate)));
}

/// What serves a connection.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Driver {
    Frames,
    Helpers,
    Reader,
    Flate,
    Connection,
    Tokio,
    Epoll,
}

/// What the path of a request chooses.
struct Choice<'d> {
    driver: Driver,
    deflate: &'d Deflate,
}

impl Handler for Choice<'_> {
    fn on_request(&mut self, request: &Request<'_>) -> Result<(), Rejection> {
        self.driver = match request.path() {
            "/frames" => Driver::Frames,
            "/helpers" => Driver::Helpers,
            "/reader" => Driver::Reader,
            "/flate" => Driver::Flate,
            "/connection" => Driver::Connection,
            "/tokio" => Driver::Tokio,
            "/epoll" => Driver::Epoll,
            _ => return Err(Rejection::new(404)),
        };
        Ok(())
    }

    fn on_before_upgrade(&mut self, acceptance: &mut Acceptance<'_>) -> Result<(), Rejection> {
        if !matches!(self.driver, Driver::Frames | Driver::Helpers | Driver::Reader) {
            acceptance.negotiate(self.deflate);
        }
        Ok(())
    }
}

fn serve(mut stream: TcpStream, deflate: &Deflate) -> Result<(), Box<dyn Error>> {
    let mut choice = Choice { driver: Driver::Frames, deflate };
    let mut timed = DeadlineStream::new(&mut stream, Duration::from_secs(10));
    let upgraded = Upgrader::new().upgrade_with(&mut timed, &mut choice);
    drop(timed);
    let upgraded = match upgraded {
        Ok(upgraded) => upgraded,
        Err(error) => {
            lingering_close(stream);
            return Err(error.into());
        }
    };
    match choice.driver {
        Driver::Frames => echo_frames::serve(stream, upgraded.early_data),
        Driver::Helpers => {
            let echoed = echo_helpers::echo(&stream, upgraded.early_data);
            lingering_close(stream);
            echoed?;
        }
        Driver::Reader => {
            let echoed = echo_reader::echo(&stream, upgraded.early_data);
            lingering_close(stream);
            echoed?;
        }
        Driver::Flate => {
            let echoed = echo_deflate_stream::echo(&stream, upgraded, deflate);
            lingering_close(stream);
            echoed?;
        }
        Driver::Connection => {
            let mut connection = Connection::server(stream, upgraded).with_deflate(deflate);
            while let Some((message, mut reply)) = connection.receive()? {
                reply.send(message)?;
            }
        }
        Driver::Tokio => with_tokio(stream, upgraded, deflate)?,
        Driver::Epoll => in_a_loop(stream, &upgraded, deflate)?,
    }
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn with_tokio(
    stream: TcpStream,
    upgraded: Upgraded,
    deflate: &Deflate,
) -> Result<(), Box<dyn Error>> {
    stream.set_nonblocking(true)?;
    let stream = tokio::net::TcpStream::from_std(stream)?;
    let mut connection = wsutil::tokio::Connection::server(stream, upgraded).with_deflate(deflate);
    while let Some((message, mut reply)) = connection.receive().await? {
        reply.send(message).await?;
    }
    Ok(())
}

fn in_a_loop(
    stream: TcpStream,
    upgraded: &Upgraded,
    deflate: &Deflate,
) -> Result<(), Box<dyn Error>> {
    stream.set_nonblocking(true)?;
    let mut endpoint = Endpoint::new(Role::Server);
    if let Some(agreed) = deflate.agreed(Role::Server, &upgraded.handshake) {
        endpoint.set_deflate(deflate, agreed);
    }
    endpoint.receive(&upgraded.early_data);
    let mut clients = echo_epoll::Loop::new(None)?;
    clients.add_upgraded(mio::net::TcpStream::from_std(stream), endpoint)?;
    while !clients.is_empty() {
        clients.turn()?;
    }
    Ok(())
}
