//! What the example servers share: their command line, and one thread for each connection.

#![allow(dead_code, reason = "each example uses a part of it")]

use std::{
    error::Error,
    net::{TcpListener, TcpStream},
    process::exit,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::Duration,
};

use wscore::{DeadlineStream, Upgrader, lingering_close};

/// Connections at a time; more are closed at once, so that threads are bounded.
const MAX_CONNECTIONS: usize = 1024;

/// Listens where the command line says and calls `serve` for each connection on its own thread.
///
/// Ends the program: with 0 on `--help` and Ctrl-C, with 2 when it cannot begin.
pub(crate) fn run(about: &str, serve: impl Fn(TcpStream) + Copy + Send + 'static) -> ! {
    let address = listen_address(about);
    stop_on_ctrl_c();
    let listener = TcpListener::bind(&address)
        .unwrap_or_else(|error| fail(&format!("cannot listen on {address}: {error}")));
    let bound = listener.local_addr().map_or(address, |address| address.to_string());
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
    parse_arguments(about).unwrap_or_else(|error| fail(&error))
}

fn parse_arguments(about: &str) -> Result<String, String> {
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
                     [default: {address}]\n  -h, --help     this text"
                );
                exit(0);
            }
            other => return Err(other.unexpected().to_string()),
        }
    }
    Ok(address)
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
