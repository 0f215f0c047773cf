//! What a client's request did wrong, and the status that tells it so.

use core::{error, fmt};

use super::head::HeadError;

/// A rule that a client's request broke; [`status`](Self::status) maps each to the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RequestError {
    /// Not the syntax of an HTTP/1.1 request (RFC 9112 §2).
    Malformed,
    /// A line that ends with LF alone (RFC 9112 §2.2).
    BareLineFeed,
    /// A target that is neither a path nor an absolute http URI, or has a fragment
    /// (RFC 9112 §3.2, RFC 6455 §3).
    TargetInvalid,
    /// A request line longer than the limit.
    RequestLineTooLong,
    /// A header line longer than the limit.
    HeaderTooLong,
    /// A head longer than the limit.
    HeadTooLong,
    /// More headers than the limit.
    TooManyHeaders,
    /// An HTTP version other than 1.1 (RFC 6455 §4.2.1).
    VersionNotSupported,
    /// A method other than GET (RFC 6455 §4.2.1).
    MethodNotAllowed,
    /// A body is announced (RFC 9112 §6).
    BodyPresent,
    /// No Host (RFC 9112 §3.2).
    HostMissing,
    /// More than one Host (RFC 9112 §3.2).
    HostDuplicate,
    /// A Host that is not a name or address with a port (RFC 9110 §7.2).
    HostInvalid,
    /// No Upgrade: plain HTTP where a WebSocket is served (RFC 9110 §15.5.22).
    UpgradeMissing,
    /// An Upgrade to something else (RFC 6455 §4.2.1).
    UpgradeInvalid,
    /// A Connection that does not name upgrade (RFC 6455 §4.2.1).
    ConnectionInvalid,
    /// No Sec-WebSocket-Key (RFC 6455 §4.2.1).
    KeyMissing,
    /// More than one Sec-WebSocket-Key (RFC 6455 §11.3.1).
    KeyDuplicate,
    /// A Sec-WebSocket-Key that is not 16 bytes in base64 (RFC 6455 §4.2.1).
    KeyInvalid,
    /// No Sec-WebSocket-Version (RFC 6455 §4.2.1).
    VersionMissing,
    /// A Sec-WebSocket-Version that is no version, or more than one (RFC 6455 §4.3, §11.3.5).
    VersionInvalid,
    /// A Sec-WebSocket-Version other than 13 (RFC 6455 §4.4).
    VersionUnsupported,
    /// Subprotocols that are not different tokens (RFC 6455 §4.1, §4.3).
    ProtocolInvalid,
    /// Extensions that do not follow the grammar, or more than 64 (RFC 6455 §9.1).
    ExtensionsInvalid,
    /// Bytes behind the request before it was answered, where they are refused (RFC 6455 §4.1).
    EarlyData,
    /// An Origin that is not allowed (RFC 6455 §10.2).
    OriginForbidden,
    /// More than one Origin (RFC 6454 §7.3).
    OriginDuplicate,
    /// The request was not complete in time: for those who keep the time, such as event loops; the
    /// drivers here close without an answer.
    Timeout,
}

impl RequestError {
    /// The HTTP status that tells the client what it did wrong.
    ///
    /// ```
    /// assert_eq!(wscore::RequestError::MethodNotAllowed.status(), 405);
    /// ```
    #[must_use]
    pub const fn status(&self) -> u16 {
        match self {
            Self::Malformed
            | Self::BareLineFeed
            | Self::TargetInvalid
            | Self::BodyPresent
            | Self::HostMissing
            | Self::HostDuplicate
            | Self::HostInvalid
            | Self::UpgradeInvalid
            | Self::ConnectionInvalid
            | Self::KeyMissing
            | Self::KeyDuplicate
            | Self::KeyInvalid
            | Self::VersionMissing
            | Self::VersionInvalid
            | Self::ProtocolInvalid
            | Self::ExtensionsInvalid
            | Self::EarlyData
            | Self::OriginDuplicate => 400,
            Self::OriginForbidden => 403,
            Self::MethodNotAllowed => 405,
            Self::Timeout => 408,
            Self::RequestLineTooLong => 414,
            Self::UpgradeMissing | Self::VersionUnsupported => 426,
            Self::HeaderTooLong | Self::HeadTooLong | Self::TooManyHeaders => 431,
            Self::VersionNotSupported => 505,
        }
    }

    /// The header lines that this answer must have besides the usual ones.
    pub(crate) const fn required_headers(&self) -> &'static str {
        match self {
            // RFC 9110 §15.5.6
            Self::MethodNotAllowed => "Allow: GET\r\n",
            // RFC 6455 §4.2.2 (4), §4.4
            Self::VersionUnsupported | Self::VersionMissing | Self::VersionInvalid => {
                "Sec-WebSocket-Version: 13\r\n"
            }
            _ => "",
        }
    }

    pub(crate) const fn text(&self) -> &'static str {
        match self {
            Self::Malformed => "malformed HTTP request",
            Self::BareLineFeed => "line without a carriage return at its end",
            Self::TargetInvalid => "invalid request target",
            Self::RequestLineTooLong => "request line too long",
            Self::HeaderTooLong => "header line too long",
            Self::HeadTooLong => "request head too long",
            Self::TooManyHeaders => "too many headers",
            Self::VersionNotSupported => "HTTP version is not 1.1",
            Self::MethodNotAllowed => "method is not GET",
            Self::BodyPresent => "upgrade request with a body",
            Self::HostMissing => "no Host header",
            Self::HostDuplicate => "more than one Host header",
            Self::HostInvalid => "invalid Host header",
            Self::UpgradeMissing => "no Upgrade header: only WebSocket is served here",
            Self::UpgradeInvalid => "Upgrade header does not name websocket",
            Self::ConnectionInvalid => "Connection header does not name upgrade",
            Self::KeyMissing => "no Sec-WebSocket-Key header",
            Self::KeyDuplicate => "more than one Sec-WebSocket-Key header",
            Self::KeyInvalid => "Sec-WebSocket-Key is not 16 bytes in base64",
            Self::VersionMissing => "no Sec-WebSocket-Version header",
            Self::VersionInvalid => "invalid Sec-WebSocket-Version header",
            Self::VersionUnsupported => "Sec-WebSocket-Version is not 13",
            Self::ProtocolInvalid => "invalid Sec-WebSocket-Protocol header",
            Self::ExtensionsInvalid => "invalid Sec-WebSocket-Extensions header",
            Self::EarlyData => "data before the handshake was complete",
            Self::OriginForbidden => "Origin is not allowed",
            Self::OriginDuplicate => "more than one Origin header",
            Self::Timeout => "request not complete in time",
        }
    }
}

impl From<HeadError> for RequestError {
    fn from(error: HeadError) -> Self {
        match error {
            HeadError::BareLineFeed => Self::BareLineFeed,
            HeadError::BareCarriageReturn => Self::Malformed,
            HeadError::FirstLineTooLong => Self::RequestLineTooLong,
            HeadError::LineTooLong => Self::HeaderTooLong,
            HeadError::HeadTooLong => Self::HeadTooLong,
            HeadError::TooManyHeaders => Self::TooManyHeaders,
        }
    }
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl error::Error for RequestError {}
