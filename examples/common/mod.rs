//! What the example servers share: their command line, and one thread for each connection.

#![allow(dead_code, reason = "each example uses a part of it")]

use std::{
    error::Error,
    ffi::OsString,
    net::{TcpListener, TcpStream},
    process::exit,
    str::FromStr,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::Duration,
};

use wscore::{DeadlineStream, Upgrader, lingering_close};
use wsflate::{Config, Deflate, WindowBits};

/// Connections at a time; more are closed at once, so that threads are bounded.
const MAX_CONNECTIONS: usize = 1024;

/// Listens where the command line says and calls `serve` for each connection on its own thread.
///
/// Ends the program: with 0 on `--help` and Ctrl-C, with 2 when it cannot begin.
pub(crate) fn run(about: &str, serve: impl Fn(TcpStream) + Clone + Send + 'static) -> ! {
    listen(&listen_address(about), serve)
}

/// As [`run`], with compression if the command line says so.
pub(crate) fn run_deflate(about: &str, serve: fn(TcpStream, Option<&Deflate>) -> Served) -> ! {
    let (address, deflate) = listen_options(about);
    listen(&address, move |stream| log(serve(stream, deflate.as_ref())))
}

fn listen(address: &str, serve: impl Fn(TcpStream) + Clone + Send + 'static) -> ! {
    stop_on_ctrl_c();
    let listener = TcpListener::bind(address)
        .unwrap_or_else(|error| fail(&format!("cannot listen on {address}: {error}")));
    let bound = listener.local_addr().map_or(address.to_owned(), |address| address.to_string());
    println!("listening on ws://{bound}/");
    loop {
        // An error here is that of one connection, or the lack of descriptors, which passes.
        let Ok((stream, _)) = listener.accept() else {
            thread::sleep(Duration::from_millis(10));
            continue;
        };
        let Some(slot) = Slot::take() else { continue };
        // A reply is small and should not wait for the next one.
        let _ = stream.set_nodelay(true);
        let serve = serve.clone();
        let spawned = thread::Builder::new().spawn(move || {
            let _slot = slot;
            serve(stream);
        });
        if let Err(error) = spawned {
            eprintln!("no thread for a connection: {error}");
        }
    }
}

/// As [`run`], for what is served behind the opening handshake, with the bytes that came early.
pub(crate) fn run_upgraded(about: &str, serve: fn(&TcpStream, Vec<u8>) -> Served) -> ! {
    run(about, move |mut stream| {
        let mut timed = DeadlineStream::new(&mut stream, Duration::from_secs(10));
        let upgraded = Upgrader::new().upgrade(&mut timed);
        drop(timed);
        log(upgraded.map_err(Into::into).and_then(|up| serve(&stream, up.early_data)));
        lingering_close(stream);
    })
}

/// How a connection went.
pub(crate) type Served = Result<(), Box<dyn Error>>;

/// One of the [`MAX_CONNECTIONS`], given back when it is dropped.
struct Slot;

static TAKEN: AtomicUsize = AtomicUsize::new(0);

impl Slot {
    fn take() -> Option<Self> {
        let slot = (TAKEN.fetch_add(1, Ordering::Relaxed), Self);
        (slot.0 < MAX_CONNECTIONS).then_some(slot.1)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        TAKEN.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The value of `--listen`; ends the program on `--help`, and with 2 on anything else.
pub(crate) fn listen_address(about: &str) -> String {
    listen_address_and(about, |value, _| Err(unexpected_value(value)))
}

/// As [`listen_address`], with values beside the options: `take` takes one, and may take from what
/// is behind it.
pub(crate) fn listen_address_and(
    about: &str,
    take: impl FnMut(OsString, &mut lexopt::Parser) -> Result<(), String>,
) -> String {
    let no_option = |name: &str, _: &mut lexopt::Parser| Err(invalid_option(name));
    parse_arguments(about, "", no_option, take).unwrap_or_else(|error| fail(&error))
}

/// The value of `--listen`, and compression if it is asked for; ends the program on `--help`, and
/// with 2 on anything else.
pub(crate) fn listen_options(about: &str) -> (String, Option<Deflate>) {
    listen_options_and(about, "", |_, _| Ok(false))
}

/// As [`listen_options`], with more options: `take` says whether this is one of them.
pub(crate) fn listen_options_and(
    about: &str,
    help: &str,
    mut take: impl FnMut(&str, &mut lexopt::Parser) -> Result<bool, String>,
) -> (String, Option<Deflate>) {
    let mut options = DeflateOptions::default();
    let take_option = |name: &str, arguments: &mut lexopt::Parser| {
        if take(name, arguments)? { Ok(()) } else { options.take(name, arguments) }
    };
    let no_value = |value, _: &mut lexopt::Parser| Err(unexpected_value(value));
    let address = parse_arguments(about, &format!("{help}{DEFLATE_HELP}"), take_option, no_value);
    (address.unwrap_or_else(|error| fail(&error)), options.deflate())
}

/// Runs a server until Ctrl-C, and tells where it listens.
///
/// Ends the program with 2 when it cannot begin.
pub(crate) fn serve<H: wsserver::Handler>(
    builder: wsserver::Builder,
    address: &str,
    scheme: &str,
    handler: H,
) -> wsserver::Report {
    let running = start(builder, address, scheme, handler);
    running.join().unwrap_or_else(|error| fail(&error.to_string()))
}

/// As [`serve`], without waiting for the end.
pub(crate) fn start<H: wsserver::Handler>(
    builder: wsserver::Builder,
    address: &str,
    scheme: &str,
    handler: H,
) -> wsserver::Running {
    let server = match builder.listen(address) {
        Ok(builder) => builder.handler(handler),
        Err(error) => fail(&format!("cannot listen on {address}: {error}")),
    };
    let addresses = server.addresses().unwrap_or_default();
    let running = server.start().unwrap_or_else(|error| fail(&error.to_string()));
    let handle = running.handle();
    if let Err(error) = ctrlc::set_handler(move || handle.shutdown()) {
        fail(&format!("cannot handle Ctrl-C: {error}"));
    }
    for address in addresses {
        println!("listening on {scheme}://{address}/");
    }
    running
}

/// The value of `--listen`; `take` takes other options, which `help` explains, and `take_value` what
/// is no option.
fn parse_arguments(
    about: &str,
    help: &str,
    mut take: impl FnMut(&str, &mut lexopt::Parser) -> Result<(), String>,
    mut take_value: impl FnMut(OsString, &mut lexopt::Parser) -> Result<(), String>,
) -> Result<String, String> {
    let mut address = "127.0.0.1:9001".to_owned();
    let mut arguments = lexopt::Parser::from_env();
    while let Some(argument) = arguments.next().map_err(|error| error.to_string())? {
        match argument {
            lexopt::Arg::Long("listen") => {
                let value = arguments.value().map_err(|error| error.to_string())?;
                address = value.to_string_lossy().into_owned();
            }
            lexopt::Arg::Short('h') | lexopt::Arg::Long("help") => {
                println!(
                    "{about}\n\nOptions:\n  \
                     --listen ADDR  address and port to listen on, port 0 for any \
                     [default: {address}]\n{help}  -h, --help     this text"
                );
                exit(0);
            }
            lexopt::Arg::Long(name) => {
                let name = name.to_owned();
                take(&name, &mut arguments)?;
            }
            lexopt::Arg::Value(value) => take_value(value, &mut arguments)?,
            other => return Err(other.unexpected().to_string()),
        }
    }
    Ok(address)
}

fn invalid_option(name: &str) -> String {
    format!("invalid option '--{name}'")
}

fn unexpected_value(value: OsString) -> String {
    lexopt::Arg::Value(value).unexpected().to_string()
}

/// The number behind an option.
pub(crate) fn number<N: FromStr>(name: &str, arguments: &mut lexopt::Parser) -> Result<N, String> {
    let value = arguments.value().map_err(|error| error.to_string())?;
    let number = value.to_str().and_then(|value| value.parse().ok());
    number.ok_or_else(|| format!("--{name} wants a number"))
}

/// The options that say how to compress.
pub(crate) const DEFLATE_HELP: &str = "  --deflate      compresses messages, if the peer does
  --takeover     with reference to the messages before; implies --deflate
  --dedicated    with a compressor for each connection; implies --takeover
  --window-bits N  with references of at most 2^N bytes, 8-15 [default: 15]; implies --deflate
  --level N      from 0, none, over 1, fast, to 9, small [default: 2]; implies --deflate
";

/// What the command line says about compression.
#[derive(Default)]
pub(crate) struct DeflateOptions {
    config: Option<Config>,
}

impl DeflateOptions {
    /// Takes an option of this name.
    pub(crate) fn take(
        &mut self,
        name: &str,
        arguments: &mut lexopt::Parser,
    ) -> Result<(), String> {
        let config = self.config.unwrap_or_default();
        self.config = Some(match name {
            "deflate" => config,
            "takeover" => Config { send_takeover: true, receive_takeover: true, ..config },
            "dedicated" => {
                Config { send_takeover: true, receive_takeover: true, dedicated: true, ..config }
            }
            "window-bits" => {
                let window = WindowBits::new(number(name, arguments)?)
                    .ok_or("--window-bits wants 8 to 15")?;
                Config { send_window: window, receive_window: window, ..config }
            }
            "level" => match number(name, arguments)? {
                level @ 0..=9 => Config { level, ..config },
                _ => return Err("--level wants 0 to 9".to_owned()),
            },
            name => return Err(invalid_option(name)),
        });
        Ok(())
    }

    /// Compression, if it was asked for.
    pub(crate) fn deflate(&self) -> Option<Deflate> {
        self.config.map(Deflate::new)
    }
}

/// Ends the program with 0 on Ctrl-C and on a request to terminate.
pub(crate) fn stop_on_ctrl_c() {
    if let Err(error) = ctrlc::set_handler(|| exit(0)) {
        fail(&format!("cannot handle Ctrl-C: {error}"));
    }
}

/// Says in one line why a connection failed, if it did.
pub(crate) fn log(served: Served) {
    if let Err(error) = served {
        eprintln!("{}", in_one_line(&*error));
    }
}

/// An error in one line, with what it came from.
pub(crate) fn in_one_line(error: &dyn Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {}", in_one_line(source)),
        None => error.to_string(),
    }
}

/// Ends the program with 2 and one line that says why.
pub(crate) fn fail(why: &str) -> ! {
    eprintln!("error: {why}");
    exit(2);
}
