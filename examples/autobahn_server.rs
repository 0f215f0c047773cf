//! The server that the Autobahn test suite tests: the path selects the driver.

#[path = "echo_frames.rs"]
#[allow(dead_code, reason = "its main")]
mod echo_frames;

use std::{net::TcpStream, time::Duration};

use echo_frames::common;
use wscore::{DeadlineStream, Handler, Rejection, Request, Upgrader, lingering_close};

fn main() {
    common::run(
        "Echoes for the Autobahn test suite.\n\nPaths:\n  /frames  bare headers and frames",
        serve,
    );
}

/// What serves a connection.
#[derive(Clone, Copy, Default)]
enum Driver {
    #[default]
    Frames,
}

impl Handler for Driver {
    fn on_request(&mut self, request: &Request<'_>) -> Result<(), Rejection> {
        *self = match request.path() {
            "/frames" => Self::Frames,
            _ => return Err(Rejection::new(404)),
        };
        Ok(())
    }
}

fn serve(mut stream: TcpStream) {
    let mut driver = Driver::default();
    let mut timed = DeadlineStream::new(&mut stream, Duration::from_secs(10));
    let upgraded = Upgrader::new().upgrade_with(&mut timed, &mut driver);
    drop(timed);
    match (upgraded, driver) {
        (Ok(upgraded), Driver::Frames) => echo_frames::serve(stream, upgraded.early_data),
        (Err(error), _) => {
            eprintln!("{}", common::in_one_line(&error));
            lingering_close(stream);
        }
    }
}
