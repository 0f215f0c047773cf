//! What a blocking connection needs of its stream.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, TcpStream},
    time::Duration,
};

use wscore::{DeadlineStream, Role, Timeouts};

/// A stream that a blocking [`Connection`](crate::Connection) runs over.
///
/// TCP and Unix sockets are such streams; [`Plain`] makes one of any other.
pub trait Transport: Read + Write + Timeouts {
    /// Ends one direction, or both: tells the peer that nothing more is written, and wakes whoever
    /// waits for a read that is ended.
    ///
    /// # Errors
    /// What the stream fails with.
    fn shutdown(&self, how: Shutdown) -> io::Result<()>;
}

impl Transport for TcpStream {
    fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        Self::shutdown(self, how)
    }
}

#[cfg(unix)]
impl Transport for std::os::unix::net::UnixStream {
    fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        Self::shutdown(self, how)
    }
}

impl<T: Transport + ?Sized> Transport for &mut T {
    fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        (**self).shutdown(how)
    }
}

impl<T: Transport + ?Sized> Transport for Box<T> {
    fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        (**self).shutdown(how)
    }
}

/// Any stream, without timeouts: for what is in memory, or bounds its waits itself.
///
/// The peer is not told that nothing more is written; dropping the stream has to do.
#[derive(Debug)]
pub struct Plain<S>(pub S);

impl<S: Read> Read for Plain<S> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        self.0.read(room)
    }
}

impl<S: Write> Write for Plain<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }
    fn write_vectored(&mut self, pieces: &[io::IoSlice<'_>]) -> io::Result<usize> {
        self.0.write_vectored(pieces)
    }
    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl<S> Timeouts for Plain<S> {
    fn set_read_timeout(&self, _: Option<Duration>) -> io::Result<()> {
        Ok(())
    }
    fn set_write_timeout(&self, _: Option<Duration>) -> io::Result<()> {
        Ok(())
    }
}

impl<S: Read + Write> Transport for Plain<S> {
    fn shutdown(&self, _: Shutdown) -> io::Result<()> {
        Ok(())
    }
}

/// How long the peer has to answer a close frame, if nothing else is said.
pub(crate) const fn close_timeout(role: Role) -> Duration {
    Duration::from_secs(match role {
        Role::Server => 5,
        Role::Client => 10,
    })
}

/// How long is waited for the peer to go when all is said.
pub(crate) const fn linger_time(role: Role) -> Duration {
    Duration::from_secs(match role {
        Role::Server => 1,
        // RFC 6455 §7.1.1: it is the server that closes first.
        Role::Client => 2,
    })
}

/// The most that is read and thrown away behind the end of a connection, in bytes.
pub(crate) const LINGER_BYTES: usize = 64 * 1024;

/// Says that nothing more is written, and reads what the peer still sends, for a while: a stream
/// that is closed with unread bytes is reset, and the reset can overtake a close frame.
pub(crate) fn linger<S: Transport>(stream: &mut S, role: Role) {
    if stream.shutdown(Shutdown::Write).is_err() {
        return;
    }
    let mut discarded = [0; 4096];
    let mut left = LINGER_BYTES;
    let mut stream = DeadlineStream::new(stream, linger_time(role));
    while left > 0 {
        match stream.read(&mut discarded) {
            Ok(read @ 1..) => left = left.saturating_sub(read),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Ok(0) | Err(_) => return,
        }
    }
}
