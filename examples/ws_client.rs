//! A client for the terminal: sends lines of the standard input as text, prints what comes.

mod common;

use std::{
    error::Error,
    io::{self, BufRead, Write},
    net::{Shutdown, TcpStream},
    process::exit,
    sync::Mutex,
    thread,
    time::Duration,
};

use wscore::{
    CloseBody, CloseCode, CloseReason, Dialer, Frame, OpCode, ReadError, Replay, Role, State,
    check_header, random_mask, read_frame, write_frame,
};

const HELP: &str = "Usage: ws_client [OPTIONS] URL

Sends each line of the standard input as a text message and prints what comes, until the input
ends or the server closes. Exits with 0 after a clean close, with 1 otherwise, with 2 when the
command line is wrong.

Options:
  --header 'NAME: VALUE'  one more header for the request; may be repeated
  --subprotocol NAME      offers this subprotocol; may be repeated
  --ping SECONDS          sends a ping this often, and prints the pongs
  -h, --help              this text";

/// The longest message that is taken, in bytes.
const LIMIT: u64 = 64 << 20;

fn main() {
    common::stop_on_ctrl_c();
    let (dialer, url, ping) = arguments().unwrap_or_else(|error| common::fail(&error.to_string()));
    if let Err(error) = run(&dialer, &url, ping) {
        eprintln!("error: {}", common::in_one_line(&*error));
        exit(1);
    }
}

fn arguments() -> Result<(Dialer<'static>, String, Option<Duration>), Box<dyn Error>> {
    let mut dialer = Dialer::new();
    let (mut url, mut ping) = (None, None);
    let mut arguments = lexopt::Parser::from_env();
    while let Some(argument) = arguments.next()? {
        match argument {
            lexopt::Arg::Long("header") => {
                let header = arguments.value()?.to_string_lossy().into_owned();
                let (name, value) = header.split_once(':').ok_or("a header is NAME: VALUE")?;
                dialer = dialer.header(name, value.trim())?;
            }
            lexopt::Arg::Long("subprotocol") => {
                dialer = dialer.protocols([&*arguments.value()?.to_string_lossy()])?;
            }
            lexopt::Arg::Long("ping") => {
                let seconds: f64 = arguments.value()?.to_string_lossy().parse()?;
                let interval = Duration::try_from_secs_f64(seconds)?;
                ping = Some(interval.max(Duration::from_millis(10)));
            }
            lexopt::Arg::Short('h') | lexopt::Arg::Long("help") => {
                println!("{HELP}");
                exit(0);
            }
            lexopt::Arg::Value(value) if url.is_none() => {
                url = Some(value.to_string_lossy().into_owned());
            }
            other => return Err(other.unexpected().into()),
        }
    }
    Ok((dialer, url.ok_or("no URL; --help says more")?, ping))
}

fn run(dialer: &Dialer<'_>, url: &str, ping: Option<Duration>) -> Result<(), Box<dyn Error>> {
    let (stream, handshake) = dialer.dial(url)?;
    match handshake.protocol() {
        Some(protocol) => eprintln!("connected, subprotocol {protocol}"),
        None => eprintln!("connected"),
    }
    let (early_data, stream) = stream.into_parts();
    let sender = Sender { stream: Mutex::new(Some(stream.try_clone()?)) };
    thread::scope(|scope| {
        // Both end with the program, or when the stream does.
        scope.spawn(|| send_lines(&sender));
        scope.spawn(|| ping.map(|interval| send_pings(&sender, interval)));
        let received = receive(Replay::new(early_data, stream), &sender);
        if let Err(error) = &received {
            eprintln!("error: {}", common::in_one_line(&**error));
        }
        exit(i32::from(received.is_err()));
    })
}

/// The writing side, shared by the threads; `None` once a close frame was sent, behind which
/// nothing may follow.
struct Sender {
    stream: Mutex<Option<TcpStream>>,
}

impl Sender {
    fn send<P: AsMut<[u8]> + AsRef<[u8]>>(&self, mut frame: Frame<P>) -> io::Result<()> {
        frame.mask_in_place(random_mask());
        let mut stream = self.stream.lock().map_err(|_| io::Error::other("a sender panicked"))?;
        let Some(open) = stream.as_mut() else {
            return Err(io::ErrorKind::NotConnected.into());
        };
        write_frame(open, &frame)?;
        if frame.opcode == OpCode::Close {
            *stream = None;
        }
        Ok(())
    }

    fn close(&self, code: CloseCode, reason: &str) {
        let body = CloseBody::truncated(code, reason).unwrap_or(CloseBody::EMPTY);
        // A server that is gone, or was told already, need not be told.
        let _ = self.send(Frame::close(body));
    }
}

fn send_lines(sender: &Sender) {
    for line in io::stdin().lock().lines() {
        let sent = match line {
            Ok(line) => sender.send(Frame::text(line.into_bytes())),
            Err(_) => break,
        };
        if sent.is_err() {
            return;
        }
    }
    sender.close(CloseCode::NORMAL, "");
}

fn send_pings(sender: &Sender, interval: Duration) {
    for number in 0_u64.. {
        thread::sleep(interval);
        let sent = Frame::ping(number.to_string().into_bytes()).map(|ping| sender.send(ping));
        if !matches!(sent, Ok(Ok(()))) {
            return;
        }
    }
}

/// Prints messages and answers pings until the server closes.
fn receive(mut stream: Replay<TcpStream>, sender: &Sender) -> Result<(), Box<dyn Error>> {
    let mut state = State::default();
    let (mut message, mut is_text) = (Vec::new(), false);
    loop {
        let read = read_frame(&mut stream, LIMIT);
        let checked = read.and_then(|frame| {
            Ok(check_header(&frame.header(), Role::Client, state).map(|()| frame)?)
        });
        let frame = match checked {
            Ok(frame) => frame,
            Err(ReadError::Protocol(error)) => {
                sender.close(error.close_code(), &error.to_string());
                return Err(error.into());
            }
            Err(error) => return Err(error.into()),
        };
        state = state.after(&frame.header());
        match frame.opcode {
            // Not while we close: then no frame may follow ours.
            OpCode::Ping => drop(sender.send(Frame::pong(frame.payload)?)),
            OpCode::Pong => eprintln!("pong {}", String::from_utf8_lossy(&frame.payload)),
            OpCode::Close => return closed(&frame.payload, sender, stream.get_ref()),
            opcode => {
                is_text = opcode == OpCode::Text || is_text && opcode == OpCode::Continuation;
                message.extend_from_slice(&frame.payload);
                if message.len() as u64 > LIMIT {
                    sender.close(CloseCode::MESSAGE_TOO_BIG, "");
                    return Err("message too big".into());
                }
                if frame.fin {
                    print(&message, is_text, sender)?;
                    message.clear();
                }
            }
        }
    }
}

fn print(message: &[u8], is_text: bool, sender: &Sender) -> Result<(), Box<dyn Error>> {
    let mut out = io::stdout().lock();
    match std::str::from_utf8(message) {
        Ok(text) if is_text => writeln!(out, "{text}")?,
        Err(error) if is_text => {
            sender.close(CloseCode::INVALID_PAYLOAD, "text is not UTF-8");
            return Err(error.into());
        }
        _ => writeln!(out, "({} bytes)", message.len())?,
    }
    Ok(out.flush()?)
}

/// Answers the server's close frame, which may itself be the answer to ours.
fn closed(payload: &[u8], sender: &Sender, stream: &TcpStream) -> Result<(), Box<dyn Error>> {
    let reason = CloseReason::parse(payload).inspect_err(|error| {
        sender.close(error.close_code(), &error.to_string());
    })?;
    let code = reason.map_or(CloseCode::NO_STATUS, |reason| reason.code);
    sender.close(code, "");
    // The server closes the connection; there is nothing that it could still want to tell us.
    let _ = stream.shutdown(Shutdown::Write);
    eprintln!("closed: {code} {}", reason.map_or("", |reason| reason.text));
    match code {
        CloseCode::NORMAL | CloseCode::GOING_AWAY | CloseCode::NO_STATUS => Ok(()),
        _ => Err(format!("the server closed with {code}").into()),
    }
}
