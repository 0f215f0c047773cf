//! The address of a WebSocket (RFC 6455 §3).

use alloc::string::{String, ToString};
use core::{error, fmt, str::FromStr};

use crate::http::split_authority;

/// A `ws://` or `wss://` address.
///
/// ```
/// let url: wscore::Url = "wss://example.com/chat?room=1".parse()?;
/// assert_eq!((url.host(), url.port(), url.target()), ("example.com", 443, "/chat?room=1"));
/// assert!(url.is_secure());
/// # Ok::<(), wscore::InvalidUrl>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Url {
    secure: bool,
    host: String,
    port: u16,
    target: String,
}

impl Url {
    /// Whether the connection runs over TLS: the scheme is `wss`.
    #[must_use]
    pub const fn is_secure(&self) -> bool {
        self.secure
    }

    /// The name or address to connect to; an IPv6 address without its brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        self.host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(&self.host)
    }

    /// The port: 80 for `ws` and 443 for `wss` unless the address has one.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Path and query as they go into the request; the path begins with a slash.
    #[must_use]
    pub fn target(&self) -> &str {
        &self.target
    }

    /// What the Host header says: the host, an IPv6 address in brackets, and the port if it is
    /// not the usual one (RFC 6455 §4.1).
    #[must_use]
    pub fn authority(&self) -> String {
        match self.port == usual_port(self.secure) {
            true => self.host.clone(),
            false => alloc::format!("{}:{}", self.host, self.port),
        }
    }
}

const fn usual_port(secure: bool) -> u16 {
    if secure { 443 } else { 80 }
}

impl FromStr for Url {
    type Err = InvalidUrl;

    fn from_str(url: &str) -> Result<Self, InvalidUrl> {
        let (scheme, rest) = url.split_once("://").ok_or(InvalidUrl::Scheme)?;
        let secure = match scheme {
            _ if scheme.eq_ignore_ascii_case("ws") => false,
            _ if scheme.eq_ignore_ascii_case("wss") => true,
            _ => return Err(InvalidUrl::Scheme),
        };
        // RFC 6455 §3: fragment identifiers are meaningless and must not be used.
        if rest.contains('#') {
            return Err(InvalidUrl::Fragment);
        }
        let (authority, target) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        // RFC 6455 §3: there is no user information in a ws-URI.
        if authority.contains('@') {
            return Err(InvalidUrl::UserInfo);
        }
        let (host, port) = split_authority(authority).ok_or(InvalidUrl::Host)?;
        if !target.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(InvalidUrl::Target);
        }
        let target = match target.as_bytes() {
            // RFC 6455 §3: an empty path is sent as a slash.
            [] | [b'?', ..] => alloc::format!("/{target}"),
            _ => target.to_string(),
        };
        let port = port.unwrap_or(usual_port(secure));
        Ok(Self { secure, host: host.to_ascii_lowercase(), port, target })
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.secure { "wss" } else { "ws" };
        write!(f, "{scheme}://{}{}", self.authority(), self.target)
    }
}

/// Why an address cannot be dialled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum InvalidUrl {
    /// The scheme is neither `ws` nor `wss`.
    Scheme,
    /// There is no host, or it is not an ASCII name or an address with a port.
    Host,
    /// There is a user name or password (RFC 6455 §3): set an `Authorization` header instead.
    UserInfo,
    /// The path or query holds spaces, control characters or non-ASCII: encode them with `%`.
    Target,
    /// There is a fragment (RFC 6455 §3).
    Fragment,
}

impl fmt::Display for InvalidUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Scheme => "the scheme of the address is neither ws nor wss",
            Self::Host => "the host of the address is not a name or address with a port",
            Self::UserInfo => "the address has a user name: send an Authorization header instead",
            Self::Target => "the path of the address holds characters that must be %-encoded",
            Self::Fragment => "the address has a fragment",
        })
    }
}

impl error::Error for InvalidUrl {}
