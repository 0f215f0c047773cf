//! Connections in one call.

use std::{net::TcpStream, time::Duration};

use wscore::{DeadlineStream, DialError, Dialer, Role, UpgradeError, Upgrader};

use super::{Connection, transport::linger};
use crate::Transport;

/// Upgrades an accepted stream, within 10 seconds, with the default [`Upgrader`].
///
/// For subprotocols, callbacks and checks of the origin, upgrade with an [`Upgrader`] of your own
/// and pass what it returns to [`Connection::server`].
///
/// # Errors
/// [`UpgradeError`]; the client was told.
pub fn accept<S: Transport>(stream: S) -> Result<Connection<S>, UpgradeError> {
    accept_as(stream, &Upgrader::new())
}

/// As [`accept`], with messages compressed if the client offers that, as the configuration says.
///
/// # Errors
/// As [`accept`].
#[cfg(feature = "deflate")]
pub fn accept_deflate<S: Transport>(
    stream: S,
    deflate: &wsflate::Deflate,
) -> Result<Connection<S>, UpgradeError> {
    Ok(accept_as(stream, &Upgrader::new().negotiate(deflate))?.with_deflate(deflate))
}

fn accept_as<S: Transport>(
    mut stream: S,
    upgrader: &Upgrader<'_>,
) -> Result<Connection<S>, UpgradeError> {
    const TIMEOUT: Duration = Duration::from_secs(10);
    let upgraded = upgrader.upgrade(&mut DeadlineStream::new(&mut stream, TIMEOUT));
    match upgraded {
        Ok(upgraded) => Ok(Connection::server(stream, upgraded)),
        Err(error) => {
            linger(&mut stream, Role::Server);
            Err(error)
        }
    }
}

/// Connects to a server, within 30 seconds, with the default [`Dialer`].
///
/// For subprotocols, headers and TLS, dial with a [`Dialer`] of your own and pass what it returns
/// to [`Connection::client`].
///
/// # Errors
/// [`DialError`].
pub fn connect(url: &str) -> Result<Connection<TcpStream>, DialError> {
    connect_as(url, &Dialer::new())
}

/// As [`connect`], with messages compressed if the server accepts that, as the configuration says.
///
/// # Errors
/// As [`connect`].
#[cfg(feature = "deflate")]
pub fn connect_deflate(
    url: &str,
    deflate: &wsflate::Deflate,
) -> Result<Connection<TcpStream>, DialError> {
    Ok(connect_as(url, &Dialer::new().negotiate(deflate))?.with_deflate(deflate))
}

fn connect_as(url: &str, dialer: &Dialer<'_>) -> Result<Connection<TcpStream>, DialError> {
    let (stream, handshake) = dialer.dial(url)?;
    // A message is not to wait for the next one.
    stream.get_ref().set_nodelay(true)?;
    Ok(Connection::client(stream, handshake))
}
