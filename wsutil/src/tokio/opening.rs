//! Connections in one call.

use std::{future::poll_fn, io, time::Duration};

use ::tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout,
};
use wscore::{DialError, Dialer, Role, UpgradeError, Upgrader};

use super::{Connection, io::poll_linger};
use crate::blocking::transport::{LINGER_BYTES, linger_time};

/// Upgrades an accepted stream, within 10 seconds, with the default [`Upgrader`].
///
/// For subprotocols, callbacks and checks of the origin, upgrade with an [`Upgrader`] of your own
/// and pass what it returns to [`Connection::server`].
///
/// # Errors
/// [`UpgradeError`]; the client was told.
///
/// # Cancel safety
/// Not cancel-safe: the stream is dropped.
pub async fn accept<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
) -> Result<Connection<S>, UpgradeError> {
    accept_as(stream, &Upgrader::new()).await
}

/// As [`accept`], with messages compressed if the client offers that, as the configuration says.
///
/// # Errors
/// As [`accept`].
///
/// # Cancel safety
/// As [`accept`].
#[cfg(feature = "deflate")]
pub async fn accept_deflate<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    deflate: &wsflate::Deflate,
) -> Result<Connection<S>, UpgradeError> {
    let connection = accept_as(stream, &Upgrader::new().negotiate(deflate)).await?;
    Ok(connection.with_deflate(deflate))
}

async fn accept_as<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    upgrader: &Upgrader<'_>,
) -> Result<Connection<S>, UpgradeError> {
    const TIMEOUT: Duration = Duration::from_secs(10);
    let upgraded = timeout(TIMEOUT, wscore::tokio::upgrade(upgrader, &mut stream)).await;
    let error = match upgraded {
        Ok(Ok(upgraded)) => return Ok(Connection::server(stream, upgraded)),
        Ok(Err(error)) => error,
        Err(_) => UpgradeError::Io(io::ErrorKind::TimedOut.into()),
    };
    let mut left = LINGER_BYTES;
    let lingering = poll_fn(|cx| poll_linger(&mut stream, &mut false, &mut left, cx));
    // The client may be gone already, which changes nothing.
    let _ = timeout(linger_time(Role::Server), lingering).await;
    Err(error)
}

/// Connects to a server, within 30 seconds, with the default [`Dialer`].
///
/// For subprotocols, headers and TLS, dial with a [`Dialer`] of your own and pass what it returns
/// to [`Connection::client`].
///
/// # Errors
/// [`DialError`].
///
/// # Cancel safety
/// Cancel-safe: there is no connection then.
pub async fn connect(url: &str) -> Result<Connection<TcpStream>, DialError> {
    connect_as(url, &Dialer::new()).await
}

/// As [`connect`], with messages compressed if the server accepts that, as the configuration says.
///
/// # Errors
/// As [`connect`].
///
/// # Cancel safety
/// As [`connect`].
#[cfg(feature = "deflate")]
pub async fn connect_deflate(
    url: &str,
    deflate: &wsflate::Deflate,
) -> Result<Connection<TcpStream>, DialError> {
    let connection = connect_as(url, &Dialer::new().negotiate(deflate)).await?;
    Ok(connection.with_deflate(deflate))
}

async fn connect_as(url: &str, dialer: &Dialer<'_>) -> Result<Connection<TcpStream>, DialError> {
    let (stream, handshake) = wscore::tokio::dial(dialer, url).await?;
    // A message is not to wait for the next one.
    stream.get_ref().set_nodelay(true)?;
    Ok(Connection::client(stream, handshake))
}
