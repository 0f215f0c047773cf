//! The blocking driver of the client: connects, and shakes hands.

use std::{
    io::{self, Read, Write},
    net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs},
    sync::mpsc,
    thread,
};

use crate::{
    ClientHandshake, Deadline, DeadlineStream, DialError, Dialer, Handshake, Replay, Upgraded, Url,
    drive::{RequestBuffer, cut_short},
    io::read,
    random_nonce,
};

impl Dialer<'_> {
    /// Connects over TCP, without TLS, and shakes hands.
    ///
    /// The stream replays what the server sent behind its response, so nothing is lost. Its
    /// `TCP_NODELAY` is set.
    ///
    /// # Errors
    /// [`DialError`].
    pub fn dial(&self, url: &str) -> Result<(Replay<TcpStream>, Handshake), DialError> {
        let url: Url = url.parse()?;
        if url.is_secure() {
            return Err(DialError::TlsMissing);
        }
        let deadline = Deadline::after(self.timeout);
        let mut stream = connect_tcp(&url, &deadline)?;
        let upgraded =
            self.shake_hands(&url, &mut DeadlineStream::until(&mut stream, &deadline))?;
        Ok((Replay::new(upgraded.early_data, stream), upgraded.handshake))
    }

    /// Connects in another way, such as over TLS or through a proxy, and shakes hands.
    ///
    /// # Errors
    /// [`DialError`].
    ///
    /// ```no_run
    /// use std::os::unix::net::UnixStream;
    /// use wscore::{Deadline, DeadlineStream, Dialer, Url};
    /// let connect = |_: &Url, deadline: &Deadline| {
    ///     Ok(DeadlineStream::until(UnixStream::connect("/run/chat.sock")?, deadline))
    /// };
    /// let (stream, handshake) = Dialer::new().dial_with("ws://chat/room", &connect)?;
    /// # Ok::<(), wscore::DialError>(())
    /// ```
    pub fn dial_with<C: Connect>(
        &self,
        url: &str,
        connector: &C,
    ) -> Result<(Replay<C::Stream>, Handshake), DialError> {
        let url: Url = url.parse()?;
        if url.is_secure() && !connector.does_tls() {
            return Err(DialError::TlsMissing);
        }
        let deadline = Deadline::after(self.timeout).liftable();
        let mut stream = connector.connect(&url, &deadline)?;
        let upgraded = self.shake_hands(&url, &mut stream)?;
        deadline.lift();
        Ok((Replay::new(upgraded.early_data, stream), upgraded.handshake))
    }

    /// Shakes hands on a stream that is connected.
    ///
    /// # Errors
    /// [`DialError`].
    pub fn shake_hands<S: Read + Write + ?Sized>(
        &self,
        url: &Url,
        stream: &mut S,
    ) -> Result<Upgraded, DialError> {
        let mut client = ClientHandshake::new(random_nonce());
        let mut request = Vec::new();
        self.request(url, &client, &mut request);
        stream.write_all(&request)?;
        stream.flush()?;
        let mut received = RequestBuffer::new();
        loop {
            match read(stream, received.room()) {
                Ok(0) => return Err(cut_short(self, &mut client, received.filled(), None)),
                Ok(read) => received.advance(read),
                Err(error) => {
                    return Err(cut_short(self, &mut client, received.filled(), Some(error)));
                }
            }
            if let Some((handshake, size)) = self.advance(&mut client, received.filled())? {
                return Ok(Upgraded::new(handshake, received.filled(), size));
            }
        }
    }
}

/// How a [`Dialer`] gets its stream; closures of this shape are connectors, too.
///
/// The deadline is of everything together. [`DeadlineStream`] holds a stream to it, and belongs
/// right on the socket: below TLS, which may read several times for one read of ours. Once the
/// handshake is done, the deadline is lifted.
pub trait Connect {
    /// What frames are sent over.
    type Stream: Read + Write;

    /// Connects to the host and port of the address.
    ///
    /// # Errors
    /// Why there is no connection.
    fn connect(&self, url: &Url, deadline: &Deadline) -> io::Result<Self::Stream>;

    /// Whether the stream is secure for `wss`: true unless said otherwise.
    fn does_tls(&self) -> bool {
        true
    }

    /// The same connector with its streams wrapped, such as in TLS.
    ///
    /// ```no_run
    /// # use std::{io, net::TcpStream};
    /// # type Stream = wscore::DeadlineStream<TcpStream>;
    /// # fn tls(stream: Stream, name: &str) -> io::Result<Stream> { Ok(stream) }
    /// use wscore::{Connect, Dialer, Tcp};
    /// let connector = Tcp.wrap(|stream, url, _| match url.is_secure() {
    ///     true => tls(stream, url.host()),
    ///     false => Ok(stream),
    /// });
    /// let (stream, handshake) = Dialer::new().dial_with("wss://example.com", &connector)?;
    /// # Ok::<(), wscore::DialError>(())
    /// ```
    fn wrap<W, F>(self, wrap: F) -> impl Connect<Stream = W>
    where
        Self: Sized,
        W: Read + Write,
        F: Fn(Self::Stream, &Url, &Deadline) -> io::Result<W>,
    {
        move |url: &Url, deadline: &Deadline| wrap(self.connect(url, deadline)?, url, deadline)
    }
}

impl<S: Read + Write, F: Fn(&Url, &Deadline) -> io::Result<S>> Connect for F {
    type Stream = S;
    fn connect(&self, url: &Url, deadline: &Deadline) -> io::Result<S> {
        self(url, deadline)
    }
}

/// Connects over TCP to the first address of the host that answers; [`wrap`](Connect::wrap) its
/// streams for TLS.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tcp;

impl Connect for Tcp {
    type Stream = DeadlineStream<TcpStream>;

    fn connect(&self, url: &Url, deadline: &Deadline) -> io::Result<Self::Stream> {
        Ok(DeadlineStream::until(connect_tcp(url, deadline)?, deadline))
    }

    fn does_tls(&self) -> bool {
        false
    }
}

fn connect_tcp(url: &Url, deadline: &Deadline) -> io::Result<TcpStream> {
    connect_first(&look_up(url, deadline)?, deadline)
}

/// Connects to the first address that answers.
fn connect_first(addresses: &[SocketAddr], deadline: &Deadline) -> io::Result<TcpStream> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for (tried, address) in addresses.iter().enumerate() {
        let attempt = match deadline.share(addresses.len() - tried)? {
            Some(share) => TcpStream::connect_timeout(address, share),
            None => TcpStream::connect(address),
        };
        match attempt {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Looks the host up. The system's look-up cannot be bounded in time, so that of a name happens
/// on a thread that is left behind when the deadline passes.
fn look_up(url: &Url, deadline: &Deadline) -> io::Result<Vec<SocketAddr>> {
    let target = (url.host().to_owned(), url.port());
    let look_up =
        |(host, port): (String, u16)| Ok((host.as_str(), port).to_socket_addrs()?.collect());
    let is_address = target.0.parse::<IpAddr>().is_ok();
    match deadline.left()? {
        Some(left) if !is_address => {
            let (sender, receiver) = mpsc::channel();
            thread::Builder::new().spawn(move || sender.send(look_up(target)))?;
            receiver.recv_timeout(left).unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
        }
        _ => look_up(target),
    }
}

#[cfg(test)]
mod tests {
    use std::{net::TcpListener, time::Duration};

    use super::*;

    #[test]
    fn cl16_a_dead_address_leaves_time_for_the_next() {
        let deadline = Deadline::after(Some(Duration::from_secs(60)));
        let live = TcpListener::bind("127.0.0.1:0").unwrap();
        let dead = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let addresses = [dead, live.local_addr().unwrap()];
        let stream = connect_first(&addresses, &deadline).unwrap();
        assert_eq!(stream.peer_addr().unwrap(), addresses[1]);
        let refused = connect_first(&addresses[..1], &deadline).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
        assert_eq!(connect_first(&[], &deadline).unwrap_err().kind(), io::ErrorKind::NotFound);
        let share = deadline.share(3).unwrap().unwrap();
        assert!(share <= Duration::from_secs(20), "a third of the time for the first of three");
    }
}
