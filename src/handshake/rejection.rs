//! A refused upgrade as a value: what the client is told.

use alloc::{borrow::Cow, boxed::Box, string::ToString, vec::Vec};
use core::{error, fmt};

use super::{
    headers::{Headers, InvalidHeader},
    wrapped_by,
};
use crate::RequestError;

/// The answer to a request that is not upgraded: status, reason, headers and body.
///
/// It is always sent, with `Connection: close`; afterwards the connection must be closed, for
/// nothing behind a refused request may be taken for another one.
///
/// ```
/// use wscore::Rejection;
/// let rejection = Rejection::new(403).body("not from here").header("X-Why", "host")?;
/// let mut answer = vec![];
/// rejection.encode(&mut answer);
/// assert!(answer.starts_with(b"HTTP/1.1 403 Forbidden\r\nConnection: close\r\n"));
/// # Ok::<(), wscore::InvalidHeader>(())
/// ```
pub struct Rejection {
    /// 300 <= status <= 599
    status: u16,
    reason: Option<Cow<'static, str>>,
    headers: Headers,
    body: Option<Cow<'static, str>>,
    cause: Option<RequestError>,
    source: Option<Box<dyn error::Error + Send + Sync>>,
}

impl Rejection {
    /// A rejection with this status, 300–599; any other number becomes 500, because it would not
    /// refuse.
    #[must_use]
    pub const fn new(status: u16) -> Self {
        let status = if matches!(status, 300..=599) { status } else { 500 };
        Self {
            status,
            reason: None,
            headers: Headers::new(),
            body: None,
            cause: None,
            source: None,
        }
    }

    /// The rejection that an error stands for: a rejection or [`RequestError`] that it is or wraps,
    /// at any depth, keeps its status, headers and body; anything else is 500, and the client is not told the details.
    ///
    /// ```
    /// use std::{error::Error, io};
    /// use wscore::Rejection;
    /// let wrapped: Box<dyn Error + Send + Sync> = io::Error::other(Rejection::new(403)).into();
    /// assert_eq!(Rejection::from(wrapped).status(), 403);
    /// assert_eq!(Rejection::from_error(io::Error::other("disk full")).status(), 500);
    /// ```
    pub fn from_error(error: impl Into<Box<dyn error::Error + Send + Sync>>) -> Self {
        let error = match error.into().downcast::<Self>() {
            Ok(rejection) => return *rejection,
            Err(error) => error,
        };
        let mut wrapped: Option<&(dyn error::Error + 'static)> = Some(&*error);
        while let Some(inner) = wrapped {
            let rejection = match inner.downcast_ref::<RequestError>() {
                Some(cause) => Some(Self::from(*cause)),
                None => inner.downcast_ref::<Self>().map(Self::without_source),
            };
            if let Some(rejection) = rejection {
                return Self { source: Some(error), ..rejection };
            }
            wrapped = wrapped_by(inner);
        }
        Self { source: Some(error), ..Self::new(500) }
    }

    /// With this reason phrase in the status line; characters that may not stand there are
    /// dropped.
    #[must_use]
    pub fn reason(mut self, reason: impl Into<Cow<'static, str>>) -> Self {
        let reason = reason.into();
        let is_text = |c: char| c == '\t' || !c.is_control();
        self.reason = Some(match reason.chars().all(is_text) {
            true => reason,
            false => Cow::Owned(reason.chars().filter(|&c| is_text(c)).collect()),
        });
        self
    }

    /// With this body, sent as `text/plain; charset=utf-8` unless a header says otherwise.
    #[must_use]
    pub fn body(mut self, body: impl Into<Cow<'static, str>>) -> Self {
        self.body = Some(body.into());
        self
    }

    /// With one more header.
    ///
    /// # Errors
    /// As [`Headers::insert`].
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Result<Self, InvalidHeader> {
        self.headers.insert(name, value)?;
        Ok(self)
    }

    /// Without a body: for a request whose method is HEAD (RFC 9110 §9.3.2).
    #[must_use]
    pub fn without_body(self) -> Self {
        self.body("")
    }

    /// With a `Retry-After`: how many seconds the client should wait (RFC 9110 §10.2.3).
    #[must_use]
    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.headers.push("Retry-After", &Decimal::new(seconds as usize));
        self
    }

    /// With these headers besides its own.
    #[must_use]
    pub(crate) fn with_headers(mut self, headers: &Headers) -> Self {
        self.headers.append(headers);
        self
    }

    /// The HTTP status.
    #[must_use]
    pub const fn status(&self) -> u16 {
        self.status
    }

    /// The headers that were added.
    #[must_use]
    pub const fn headers(&self) -> &Headers {
        &self.headers
    }

    /// The rule that the request broke, if that is why it is refused.
    #[must_use]
    pub const fn cause(&self) -> Option<RequestError> {
        self.cause
    }

    /// Appends the whole answer, as it goes to the client.
    pub fn encode(&self, out: &mut Vec<u8>) {
        self.render(|bytes| out.extend_from_slice(bytes));
    }

    /// Hands the answer out in pieces.
    pub(crate) fn render(&self, mut put: impl FnMut(&[u8])) {
        let body = match self.status {
            // RFC 9110 §15.4.5: a 304 has no body.
            304 => "",
            _ => self.text(),
        };
        put(b"HTTP/1.1 ");
        put(&Decimal::new(self.status.into()));
        put(b" ");
        put(self.reason_phrase().as_bytes());
        put(match self.status {
            // RFC 9110 §15.5.22, §7.8: a 426 names what to upgrade to, and Connection names it.
            426 => b"\r\nConnection: Upgrade, close\r\nUpgrade: websocket\r\n",
            _ => b"\r\nConnection: close\r\n",
        });
        put(self.cause.map_or("", |cause| cause.required_headers()).as_bytes());
        put(self.headers.as_bytes());
        if !self.headers.contains("Content-Type") {
            put(b"Content-Type: text/plain; charset=utf-8\r\n");
        }
        put(b"Content-Length: ");
        put(&Decimal::new(body.len()));
        put(b"\r\n\r\n");
        put(body.as_bytes());
    }

    fn reason_phrase(&self) -> &str {
        self.reason.as_deref().unwrap_or_else(|| reason_phrase(self.status))
    }

    /// The body: what was set, else the broken rule, else the reason phrase.
    fn text(&self) -> &str {
        match (&self.body, &self.cause) {
            (Some(body), _) => body,
            (None, Some(cause)) => cause.text(),
            (None, None) => self.reason_phrase(),
        }
    }

    fn without_source(&self) -> Self {
        Self {
            status: self.status,
            reason: self.reason.clone(),
            headers: self.headers.clone(),
            body: self.body.clone(),
            cause: self.cause,
            source: None,
        }
    }
}

impl From<RequestError> for Rejection {
    fn from(cause: RequestError) -> Self {
        Self { cause: Some(cause), ..Self::new(cause.status()) }
    }
}

impl From<Box<dyn error::Error + Send + Sync>> for Rejection {
    fn from(error: Box<dyn error::Error + Send + Sync>) -> Self {
        Self::from_error(error)
    }
}

impl From<InvalidHeader> for Rejection {
    fn from(error: InvalidHeader) -> Self {
        Self::from_error(error)
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "upgrade refused with status {}: {}", self.status, self.text())
    }
}

impl fmt::Debug for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rejection")
            .field("status", &self.status)
            .field("headers", &self.headers)
            .field("body", &self.text())
            .field("source", &self.source.as_ref().map(ToString::to_string))
            .finish_non_exhaustive()
    }
}

impl error::Error for Rejection {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        // A broken rule is not among the sources: it is what `Display` says.
        self.source.as_ref().map(|source| &**source as _)
    }
}

/// The usual words for a status (RFC 9110 §15, RFC 6585).
const fn reason_phrase(status: u16) -> &'static str {
    match status {
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        408 => "Request Timeout",
        409 => "Conflict",
        410 => "Gone",
        414 => "URI Too Long",
        421 => "Misdirected Request",
        426 => "Upgrade Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        _ => "Refused",
    }
}

/// A number in decimal digits, on the stack.
struct Decimal {
    digits: [u8; 20],
    start: usize,
}

impl Decimal {
    fn new(mut number: usize) -> Self {
        let mut decimal = Self { digits: [0; 20], start: 20 };
        loop {
            decimal.start -= 1;
            #[allow(clippy::cast_possible_truncation, reason = "a digit")]
            let digit = (number % 10) as u8;
            decimal.digits[decimal.start] = b'0' + digit;
            number /= 10;
            if number == 0 {
                return decimal;
            }
        }
    }
}

impl core::ops::Deref for Decimal {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.digits[self.start..]
    }
}
