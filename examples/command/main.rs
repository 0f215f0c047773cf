//! A program for each connection: a message is a line of its input, a line of its output a message.

mod child;
#[path = "../common/mod.rs"]
mod common;

use std::{ffi::OsString, sync::mpsc::TrySendError, time::Duration};

use wscore::{CloseCode, Rejection, Request};
use wsserver::{Admission, Client, Config, Handler, Server};
use wsutil::{Limits, Message};

use child::{Children, Input, Seat};

/// Programs at a time; more connections are told 503.
const MAX_CHILDREN: usize = 16;

/// What a message of a client may have, in bytes.
const MAX_MESSAGE: u64 = 8192;

/// How many messages may wait for a client that takes nothing: as many short lines as fill the
/// bytes that may.
const MAX_QUEUED: usize = 16_384;

/// How long all programs together have to end, behind the server.
const END: Duration = Duration::from_secs(3);

const ABOUT: &str =
    "Runs a program for each connection: messages are lines of its input, and lines of its output
messages. What it says on its standard error begins with \"stderr: \".

Usage: command [--listen ADDR] [--] PROGRAM [ARGS...]";

struct Service {
    command: Vec<OsString>,
    children: Children,
}

struct Session {
    seat: Seat,
    /// None before it is opened.
    input: Option<Input>,
}

impl Handler for Service {
    type Session = Session;

    fn authenticate(&self, _: &Request<'_>) -> Result<Admission<Session>, Rejection> {
        match self.children.take_seat() {
            Some(seat) => Ok(Admission::new(Session { seat, input: None })),
            None => Err(Rejection::new(503).retry_after(5)),
        }
    }

    fn on_open(&self, client: &mut Client<'_, Session>) {
        let (server, id) = (client.server().clone(), client.id());
        match child::start(&self.command, server, id, &client.session().seat) {
            Ok(input) => client.session_mut().input = Some(input),
            Err(error) => {
                eprintln!("no thread for a connection: {error}");
                close(client, CloseCode::TRY_AGAIN_LATER, "no thread for it");
            }
        }
    }

    fn on_message(&self, client: &mut Client<'_, Session>, message: Message<'_>) {
        let Some(text) = message.as_text() else {
            return close(client, CloseCode::UNSUPPORTED_DATA, "lines are text");
        };
        let Some(input) = &client.session().input else { return };
        match input.lines.try_send(format!("{text}\n")) {
            Err(TrySendError::Full(_)) => {
                close(client, CloseCode::POLICY_VIOLATION, "the program does not read that fast");
            }
            // It reads nothing any more: it may still have something to say.
            Err(TrySendError::Disconnected(_)) | Ok(()) => {}
        }
    }
}

fn close(client: &mut Client<'_, Session>, code: CloseCode, reason: &str) {
    // It can only fail for a client that is closing, or takes nothing: it is on its way out.
    let _ = client.close(code, reason);
}

fn main() {
    let mut command = vec![];
    let address = common::listen_address_and(ABOUT, |program, arguments| {
        command.push(program);
        // What is behind the program is for the program.
        command.extend(arguments.raw_args().map_err(|error| error.to_string())?);
        Ok(())
    });
    if command.is_empty() {
        common::fail("a program is wanted; --help says more");
    }
    let limits = Limits { message: MAX_MESSAGE, frame: MAX_MESSAGE, ..Config::DEFAULT.limits };
    let config = Config { limits, max_queued_messages: MAX_QUEUED, ..Config::DEFAULT };
    let builder = Server::builder().config(config).connect_path("/ws").page(
        "/",
        "text/html; charset=utf-8",
        include_str!("index.html"),
    );
    let children = Children::new(MAX_CHILDREN);
    common::serve(builder, &address, "http", Service { command, children: children.clone() });
    children.wait(END);
}
