//! The server that the Autobahn test suite tests: the path selects the driver.

#![allow(clippy::duplicate_mod, reason = "each of the echoes stands alone, with `common`")]

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
    DeadlineStream, Handler, Rejection, Request, Role, Upgraded, Upgrader, lingering_close,
};
use wsutil::{Connection, Endpoint};

const ABOUT: &str = "Echoes for the Autobahn test suite.

Paths:
  /frames      bare headers and frames
  /helpers     one call for each message
  /reader      Reader and Writer
  /connection  the blocking Connection
  /tokio       the Connection under tokio
  /epoll       an Endpoint in an event loop";

fn main() {
    common::run(ABOUT, |stream| common::log(serve(stream)));
}

/// What serves a connection.
#[derive(Clone, Copy, Default)]
enum Driver {
    #[default]
    Frames,
    Helpers,
    Reader,
    Connection,
    Tokio,
    Epoll,
}

impl Handler for Driver {
    fn on_request(&mut self, request: &Request<'_>) -> Result<(), Rejection> {
        *self = match request.path() {
            "/frames" => Self::Frames,
            "/helpers" => Self::Helpers,
            "/reader" => Self::Reader,
            "/connection" => Self::Connection,
            "/tokio" => Self::Tokio,
            "/epoll" => Self::Epoll,
            _ => return Err(Rejection::new(404)),
        };
        Ok(())
    }
}

fn serve(mut stream: TcpStream) -> Result<(), Box<dyn Error>> {
    let mut driver = Driver::default();
    let mut timed = DeadlineStream::new(&mut stream, Duration::from_secs(10));
    let upgraded = Upgrader::new().upgrade_with(&mut timed, &mut driver);
    drop(timed);
    let upgraded = match upgraded {
        Ok(upgraded) => upgraded,
        Err(error) => {
            lingering_close(stream);
            return Err(error.into());
        }
    };
    match driver {
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
        Driver::Connection => {
            let mut connection = Connection::server(stream, upgraded);
            while let Some((message, mut reply)) = connection.receive()? {
                reply.send(message)?;
            }
        }
        Driver::Tokio => with_tokio(stream, upgraded)?,
        Driver::Epoll => in_a_loop(stream, &upgraded)?,
    }
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn with_tokio(stream: TcpStream, upgraded: Upgraded) -> Result<(), Box<dyn Error>> {
    stream.set_nonblocking(true)?;
    let stream = tokio::net::TcpStream::from_std(stream)?;
    let mut connection = wsutil::tokio::Connection::server(stream, upgraded);
    while let Some((message, mut reply)) = connection.receive().await? {
        reply.send(message).await?;
    }
    Ok(())
}

fn in_a_loop(stream: TcpStream, upgraded: &Upgraded) -> Result<(), Box<dyn Error>> {
    stream.set_nonblocking(true)?;
    let mut endpoint = Endpoint::new(Role::Server);
    endpoint.receive(&upgraded.early_data);
    let mut clients = echo_epoll::Loop::new()?;
    clients.add_upgraded(mio::net::TcpStream::from_std(stream), endpoint)?;
    while !clients.is_empty() {
        clients.turn()?;
    }
    Ok(())
}
