//! tungstenite against our examples, as their client or as their server: the command line and what
//! is checked are those of `../echo.py`.

use std::{
    env,
    error::Error,
    io::ErrorKind,
    net::{TcpListener, TcpStream},
    process::exit,
    time::Duration,
};

use tungstenite::{
    Message, WebSocket,
    protocol::{
        CloseFrame,
        frame::{
            Frame,
            coding::{Data, OpCode},
        },
    },
};

type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;
type Socket = WebSocket<TcpStream>;

/// Around every form of length, and up to our limit; the same in the other languages.
const SIZES: [usize; 8] = [0, 1, 125, 126, 65535, 65536, 1 << 20, 16 << 20];

fn main() {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let done = match arguments[..] {
        ["client", url] => client(url),
        ["server"] => server("check"),
        ["server", how] => server(how),
        _ => Err("client URL or server [HOW] is wanted".into()),
    };
    match done {
        Ok(summary) => println!("{summary}"),
        Err(error) => {
            eprintln!("error: {error}");
            exit(1);
        }
    }
}

fn client(url: &str) -> Result<&'static str> {
    let mut socket = connect(url)?;
    check_echo(&mut socket)?;
    check_close(&mut socket)?;
    let mut socket = connect(url)?;
    write(&mut socket, not_utf8())?;
    check_closed(&mut socket, 1007, "UTF-8")?;
    Ok("every message came back; both sides closed")
}

fn connect(url: &str) -> Result<Socket> {
    let address = url.trim_start_matches("ws://").trim_end_matches('/');
    let (socket, _) = tungstenite::client(url, TcpStream::connect(address)?)?;
    with_timeouts(socket)
}

fn server(how: &str) -> Result<&'static str> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("listening on ws://{}/", listener.local_addr()?);
    let mut socket = with_timeouts(tungstenite::accept(listener.accept()?.0)?)?;
    match how {
        "check" => {
            check_echo(&mut socket)?;
            check_close(&mut socket)?;
            Ok("every message came back; we closed")
        }
        "invalid" => {
            write(&mut socket, not_utf8())?;
            check_closed(&mut socket, 1007, "UTF-8")?;
            Ok("text that is not UTF-8 was refused")
        }
        "drop" => {
            write(&mut socket, "before".into())?;
            check_back(&mut socket, &"before".into())?;
            Ok("we went without a close frame")
        }
        "echo" => loop {
            match receive(&mut socket)? {
                Message::Close(close) => {
                    check(close.is_some_and(|close| u16::from(close.code) == 1000), "bad close")?;
                    check_ended(&mut socket)?;
                    return Ok("the client closed");
                }
                message if message.is_text() || message.is_binary() => write(&mut socket, message)?,
                _ => {}
            }
        },
        how => Err(format!("what is {how}?").into()),
    }
}

/// Neither a read nor a write waits for long, so that one can wait for both by turns: a peer that
/// echoes as it receives would wait for us to read otherwise, while we wait for it to do so.
fn with_timeouts(socket: Socket) -> Result<Socket> {
    let stream = socket.get_ref();
    stream.set_read_timeout(Some(Duration::from_millis(10)))?;
    stream.set_write_timeout(Some(Duration::from_millis(10)))?;
    stream.set_nodelay(true)?;
    Ok(socket)
}

/// Begins to write a message; `receive` writes what is left.
fn write(socket: &mut Socket, message: Message) -> Result {
    unless_timed_out(socket.write(message))?;
    Ok(())
}

fn receive(socket: &mut Socket) -> tungstenite::Result<Message> {
    loop {
        unless_timed_out(socket.flush())?;
        if let Some(message) = unless_timed_out(socket.read())? {
            return Ok(message);
        }
    }
}

fn unless_timed_out<T>(result: tungstenite::Result<T>) -> tungstenite::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(tungstenite::Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error),
    }
}

fn check_echo(socket: &mut Socket) -> Result {
    for size in SIZES {
        for message in [binary(size), text(size)] {
            write(socket, message.clone())?;
            check_back(socket, &message)?;
        }
    }
    for size in [0, 1, 125] {
        check_ping(socket, size)?;
    }
    write(socket, Message::Pong("nobody asked".into()))?;
    for message in [binary(1 << 20), text(1 << 20)] {
        write_cut(socket, &message)?;
        check_back(socket, &message)?;
    }
    let many: Vec<_> =
        (0..10_000).step_by(99).flat_map(|size| [binary(size), text(size)]).collect();
    for message in &many {
        write(socket, message.clone())?;
    }
    many.iter().try_for_each(|message| check_back(socket, message))
}

fn binary(size: usize) -> Message {
    let mut state = size as u64;
    let next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 56) as u8
    };
    Message::binary(std::iter::repeat_with(next).take(size).collect::<Vec<_>>())
}

/// So many bytes, in characters of every length.
fn text(size: usize) -> Message {
    Message::text("aé€🦀".repeat(size / 10) + &"x".repeat(size % 10))
}

fn not_utf8() -> Message {
    Message::Frame(Frame::message(&b"\xff"[..], OpCode::Data(Data::Text), true))
}

/// Fragments, inside characters too; between them, pings that are answered at once.
fn write_cut(socket: &mut Socket, message: &Message) -> Result {
    let mut opcode = if message.is_text() { Data::Text } else { Data::Binary };
    let data = message.clone().into_data();
    let mut pieces = data.chunks(99_999).peekable();
    while let Some(piece) = pieces.next() {
        let is_last = pieces.peek().is_none();
        let frame = Frame::message(piece.to_vec(), OpCode::Data(opcode), is_last);
        write(socket, Message::Frame(frame))?;
        opcode = Data::Continue;
        if !is_last {
            check_ping(socket, 4)?;
        }
    }
    Ok(())
}

fn check_back(socket: &mut Socket, message: &Message) -> Result {
    let kind = if message.is_text() { "text" } else { "binary" };
    let what = format!("{kind}, {} bytes, came back changed", message.len());
    check(receive(socket)? == *message, &what)
}

fn check_ping(socket: &mut Socket, size: usize) -> Result {
    let payload = binary(size).into_data();
    write(socket, Message::Ping(payload.clone()))?;
    check(receive(socket)? == Message::Pong(payload), "a ping was answered with something else")
}

fn check_close(socket: &mut Socket) -> Result {
    let close = CloseFrame { code: 4000.into(), reason: "enough".into() };
    unless_timed_out(socket.close(Some(close)))?;
    check_closed(socket, 4000, "")
}

/// Waits until the peer has closed with this code, and a reason with this word in it.
fn check_closed(socket: &mut Socket, code: u16, word: &str) -> Result {
    match receive(socket)? {
        Message::Close(Some(close))
            if u16::from(close.code) == code && close.reason.contains(word) => {}
        other => return Err(format!("not closed as expected: {other:?}").into()),
    }
    check_ended(socket)
}

fn check_ended(socket: &mut Socket) -> Result {
    let ended = receive(socket);
    let is_clean = matches!(ended, Err(tungstenite::Error::ConnectionClosed));
    check(is_clean, &format!("behind the close frame: {ended:?}"))
}

fn check(holds: bool, otherwise: &str) -> Result {
    if holds { Ok(()) } else { Err(otherwise.into()) }
}
