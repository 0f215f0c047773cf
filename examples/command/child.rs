//! A child process whose lines are a connection's messages.
//!
//! ```text
//! Input ─▶ lines, bounded ─▶ writer ─▶ standard input ─▶ ┐
//!                                          supervisor ─▶ │ child
//! ServerHandle ◀─ two readers ◀─ its output and errors ◀─ ┘
//! ```
//! The writer, the supervisor and the readers are threads, so that no event loop waits for a child.
//! All of them hold the seat of the child, which is free again when the last one has ended: so
//! threads are bounded, too.

use std::{
    convert::Infallible,
    ffi::OsString,
    io::{self, BufRead, BufReader, Read, Write},
    path::Path,
    process::{Child, ChildStdin, Command, ExitStatus, Stdio},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        mpsc::{self, Receiver, RecvTimeoutError, Sender, SyncSender},
    },
    thread,
    time::{Duration, Instant},
};

use wscore::CloseCode;
use wsserver::{ClientId, ServerHandle};
use wsutil::SendError;

/// How many lines may wait for a child to read them.
const MAX_LINES: usize = 64;

/// A longer line is sent in several messages, in bytes.
const MAX_LINE: usize = 16 * 1024;

/// How long a child has to end once its input has, and its readers to come to an end with it.
const GRACE: Duration = Duration::from_secs(1);

/// How often it is looked whether a child has ended.
const PERIOD: Duration = Duration::from_millis(20);

/// A reader pauses so long after so many bytes, where each line counts 64 more than it has. So it
/// hands out at most 3 MiB each second: it can neither see nor wait for a slow client, which the
/// server disconnects, and is not to have that happen to one that is just not as fast as a pipe.
const PAUSE: Duration = Duration::from_millis(10);
const BURST: usize = 32 * 1024;

/// All that there are.
#[derive(Clone)]
pub(crate) struct Children(Arc<Seats>);

struct Seats {
    free: Mutex<usize>,
    is_freed: Condvar,
    all: usize,
}

impl Children {
    /// None yet, and at most so many.
    pub(crate) fn new(all: usize) -> Self {
        Self(Arc::new(Seats { free: Mutex::new(all), is_freed: Condvar::new(), all }))
    }

    /// A seat for one more, if there is one.
    pub(crate) fn take_seat(&self) -> Option<Seat> {
        let mut free = self.0.lock();
        *free = free.checked_sub(1)?;
        Some(Seat { _taken: Arc::new(Taken(self.0.clone())) })
    }

    /// Waits until all have ended, but no longer than this: what a child has started itself may
    /// hold its output for ever.
    pub(crate) fn wait(&self, time: Duration) {
        let is_any = |free: &mut usize| *free < self.0.all;
        // What is wrong with the lock does not matter any more.
        let _ = self.0.is_freed.wait_timeout_while(self.0.lock(), time, is_any);
    }
}

impl Seats {
    fn lock(&self) -> MutexGuard<'_, usize> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One of the children that there may be, free again when all clones are dropped.
#[derive(Clone)]
pub(crate) struct Seat {
    _taken: Arc<Taken>,
}

struct Taken(Arc<Seats>);

impl Drop for Taken {
    fn drop(&mut self) {
        *self.0.lock() += 1;
        self.0.is_freed.notify_all();
    }
}

/// The input of a child, which is to end when this is dropped.
pub(crate) struct Input {
    /// Lines with their newlines.
    pub(crate) lines: SyncSender<String>,
    _alive: Sender<Infallible>,
}

/// Starts a child for a connection, on a thread of its own: what becomes of it, the client is told.
///
/// # Errors
/// There is no thread for it.
pub(crate) fn start(
    command: &[OsString],
    server: ServerHandle,
    client: ClientId,
    seat: &Seat,
) -> io::Result<Input> {
    let (lines, input) = mpsc::sync_channel(MAX_LINES);
    let (alive, gone) = mpsc::channel();
    let (command, seat) = (command.to_vec(), seat.clone());
    thread::Builder::new().name("supervisor".to_owned()).spawn(move || {
        let output = Output { server: server.clone(), client, seat, handed_out: 0 };
        let (code, reason) = match supervise(&command, input, &gone, &output) {
            Ok(status) => (CloseCode::NORMAL, status.to_string()),
            Err(error) => {
                eprintln!("cannot run {}: {error}", Path::new(&command[0]).display());
                (CloseCode::INTERNAL_ERROR, format!("cannot run it: {error}"))
            }
        };
        // It can only fail when the server has ended.
        let _ = server.close(client, code, &reason);
    })?;
    Ok(Input { lines, _alive: alive })
}

/// Runs a child until it ends, or is ended because its connection is gone.
fn supervise(
    command: &[OsString],
    input: Receiver<String>,
    gone: &Receiver<Infallible>,
    output: &Output,
) -> io::Result<ExitStatus> {
    let mut child = Command::new(&command[0])
        .args(&command[1..])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let read = attach(&mut child, input, output);
    let ended = read.and_then(|read| Ok((wait(&mut child, gone)?, read)));
    let (status, read) = ended.inspect_err(|_| {
        // It is never left behind.
        let _ = child.kill().and_then(|()| child.wait());
    })?;
    // What it said last comes before the end, unless another process holds its output.
    let _ = read.recv_timeout(GRACE);
    Ok(status)
}

/// Starts the threads that write and read; those that read have ended when nobody is left to send.
fn attach(
    child: &mut Child,
    input: Receiver<String>,
    output: &Output,
) -> io::Result<Receiver<Infallible>> {
    let (reading, read) = mpsc::channel();
    if let Some(stdin) = child.stdin.take() {
        let seat = output.seat.clone();
        spawn("writer", move || {
            write_lines(stdin, &input);
            drop(seat);
        })?;
    }
    read_from(child.stdout.take(), "", output.clone(), reading.clone())?;
    read_from(child.stderr.take(), "stderr: ", output.clone(), reading)?;
    Ok(read)
}

/// Hands out lines with a mark in front of each, on a thread that holds `reading` as long.
fn read_from(
    stream: Option<impl Read + Send + 'static>,
    mark: &'static str,
    mut output: Output,
    reading: Sender<Infallible>,
) -> io::Result<()> {
    let Some(stream) = stream else { return Ok(()) };
    spawn("reader", move || {
        // What cannot be read has ended.
        let _ = read_lines(stream, |line| output.hand_out(&format!("{mark}{line}")));
        drop(reading);
    })
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    thread::Builder::new().name(name.to_owned()).spawn(work).map(drop)
}

/// Waits for the end of a child: its own, or that of its connection, which it survives by a second
/// at most.
fn wait(child: &mut Child, gone: &Receiver<Infallible>) -> io::Result<ExitStatus> {
    let mut kill_at = None;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        match kill_at {
            None if gone.recv_timeout(PERIOD) == Err(RecvTimeoutError::Disconnected) => {
                kill_at = Some(Instant::now() + GRACE);
            }
            None => {}
            Some(at) if Instant::now() < at => thread::sleep(PERIOD),
            Some(_) => {
                child.kill()?;
                return child.wait();
            }
        }
    }
}

/// Writes lines until there are no more, or the child reads no more; then its input has ended.
fn write_lines(mut stdin: ChildStdin, input: &Receiver<String>) {
    while let Ok(line) = input.recv() {
        if stdin.write_all(line.as_bytes()).is_err() {
            break;
        }
    }
}

/// Reads lines, without their newlines, those that are too long in pieces.
fn read_lines(stream: impl Read, mut hand_out: impl FnMut(&str)) -> io::Result<()> {
    let mut reader = BufReader::new(stream);
    let (mut line, mut is_inside) = (vec![], false);
    loop {
        let room = (MAX_LINE - line.len()) as u64;
        let read = reader.by_ref().take(room).read_until(b'\n', &mut line)?;
        let is_whole = line.last() == Some(&b'\n');
        if is_whole {
            line.pop();
        }
        // A character is not cut in two.
        let rest = if is_whole || read == 0 { vec![] } else { line.split_off(characters(&line)) };
        // A piece may have been all that there was of a line.
        if !line.is_empty() || (is_whole && !is_inside) {
            hand_out(&String::from_utf8_lossy(&line));
        }
        if read == 0 {
            return Ok(());
        }
        (line, is_inside) = (rest, !is_whole);
    }
}

/// How many bytes there are in front of a character whose end is missing.
fn characters(bytes: &[u8]) -> usize {
    let unfinished = bytes.utf8_chunks().last().map_or(0, |chunk| chunk.invalid().len());
    bytes.len() - unfinished
}

/// Where the lines of a child go.
#[derive(Clone)]
struct Output {
    server: ServerHandle,
    client: ClientId,
    seat: Seat,
    /// What was handed out since the last pause, in bytes.
    handed_out: usize,
}

impl Output {
    fn hand_out(&mut self, line: &str) {
        self.handed_out += line.len() + 64;
        if self.handed_out >= BURST {
            self.handed_out = 0;
            thread::sleep(PAUSE);
        }
        // The event loop does not keep up with all of us: the child waits.
        while let Err(SendError::Full { .. }) = self.server.send(self.client, line) {
            thread::sleep(PAUSE);
        }
    }
}
