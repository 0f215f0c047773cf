//! The client's request as the server sees it: parsed in place, once, and checked.

use core::{fmt, mem::MaybeUninit};

use super::{Key, Limits, MAX_HEADERS, head::HeadScan, request_error::RequestError};
use crate::{
    extension::{Element, MAX_ELEMENTS},
    http::{elements, has_element, is_token, is_token_byte, is_word, split_authority},
};

/// Finds and parses a request, however its bytes arrive.
///
/// The bytes stay with the caller, who gathers them in one buffer.
///
/// ```
/// use wscore::{HeaderSlots, Limits, RequestParser};
/// let bytes = b"GET /chat?room=1 HTTP/1.1\r\nHost: example.com\r\n\r\nbehind it";
/// let mut parser = RequestParser::new(Limits::default());
/// assert!(parser.parse(&bytes[..20], &mut HeaderSlots::new())?.is_none());
/// let mut slots = HeaderSlots::new();
/// let request = parser.parse(bytes, &mut slots)?.unwrap();
/// assert_eq!((request.path(), request.query()), ("/chat", Some("room=1")));
/// assert_eq!(&bytes[request.size()..], b"behind it");
/// # Ok::<(), wscore::RequestError>(())
/// ```
#[derive(Clone, Debug)]
pub struct RequestParser {
    limits: Limits,
    scan: HeadScan,
}

/// Room for the headers of one request, on the stack.
///
/// Making it costs nothing, so make it anew for each call of [`RequestParser::parse`]: a request
/// borrows it.
pub struct HeaderSlots<'a>([MaybeUninit<httparse::Header<'a>>; MAX_HEADERS]);

impl HeaderSlots<'_> {
    /// Room for [`MAX_HEADERS`] headers.
    #[must_use]
    pub const fn new() -> Self {
        Self([const { MaybeUninit::uninit() }; MAX_HEADERS])
    }
}

impl Default for HeaderSlots<'_> {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for HeaderSlots<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HeaderSlots")
    }
}

impl RequestParser {
    /// A parser at the beginning of a connection.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self { limits: limits.clamped(), scan: HeadScan::default() }
    }

    /// The request, or `None` while more bytes are wanted.
    ///
    /// `received` is all that came from the client, from its first byte on. A request is
    /// well-formed HTTP/1.1 (or 1.0) with one valid Host; whether it asks for a WebSocket, [`Request::upgrade`] says. Asked again with the same bytes, the answer is the
    /// same.
    ///
    /// # Errors
    /// The rule that the client broke: of limits and line ends as soon as that is certain, of
    /// everything else when the head is complete.
    pub fn parse<'a>(
        &mut self,
        received: &'a [u8],
        slots: &'a mut HeaderSlots<'a>,
    ) -> Result<Option<Request<'a>>, RequestError> {
        // What is not HTTP at all is refused at its first byte.
        if received.first().is_some_and(|&first| !is_token_byte(first) && first != b'\r') {
            return Err(RequestError::Malformed);
        }
        let Some(size) = self.scan.advance(received, &self.limits)? else {
            return Ok(None);
        };
        let head = &received[..size];
        let mut parsed = httparse::Request::new(&mut []);
        match parsed.parse_with_uninit_headers(head, &mut slots.0) {
            Ok(httparse::Status::Complete(used)) if used == size => {}
            Ok(_) => return Err(RequestError::Malformed),
            Err(error) => return Err(classify(error, head)),
        }
        let (Some(method), Some(target), Some(minor)) =
            (parsed.method, parsed.path, parsed.version)
        else {
            return Err(RequestError::Malformed);
        };
        let (authority, target) = split_target(target).ok_or(RequestError::TargetInvalid)?;
        let fields = Fields::gather(parsed.headers)?;
        // RFC 9112 §3.2.2: the authority of an absolute target replaces Host.
        let host = authority.unwrap_or(fields.host);
        let request =
            Request { method, target, minor, size, host, headers: parsed.headers, fields };
        Ok(Some(request))
    }
}

/// What the syntax error of the parser means for the client.
fn classify(error: httparse::Error, head: &[u8]) -> RequestError {
    match error {
        httparse::Error::Version => other_version(head),
        httparse::Error::TooManyHeaders => RequestError::TooManyHeaders,
        _ => RequestError::Malformed,
    }
}

/// Tells a well-formed version that we do not speak from a malformed one.
fn other_version(head: &[u8]) -> RequestError {
    let mut parts = head.trim_ascii_start().split(|&byte| byte == b' ');
    let target = parts.nth(1).and_then(|target| core::str::from_utf8(target).ok());
    let version = parts.next().and_then(|rest| rest.split_first_chunk());
    match (target.and_then(split_target), version) {
        (None, _) => RequestError::TargetInvalid,
        // RFC 9112 §2.3: HTTP-version = "HTTP/" DIGIT "." DIGIT
        (
            _,
            Some(([b'H', b'T', b'T', b'P', b'/', b'0'..=b'9', b'.', b'0'..=b'9'], [b'\r', ..])),
        ) => RequestError::VersionNotSupported,
        _ => RequestError::Malformed,
    }
}

/// Splits a target into the authority that it may begin with and its path and query.
fn split_target(target: &str) -> Option<(Option<&str>, &str)> {
    // RFC 6455 §3: a fragment is never part of a target; RFC 3986 §2: a URI is ASCII.
    if target.bytes().any(|byte| byte == b'#' || !byte.is_ascii()) {
        return None;
    }
    if target.starts_with('/') {
        return Some((None, target));
    }
    // RFC 9112 §3.2.2, RFC 6455 §4.1: an absolute target is an http or https URI.
    let (scheme, rest) = target.split_once("://")?;
    if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
        return None;
    }
    let (authority, target) = match rest.find(['/', '?']) {
        Some(at) => rest.split_at(at),
        None => (rest, "/"),
    };
    split_authority(authority)?;
    Some((Some(authority), target))
}

/// A request whose syntax is right, borrowed from the bytes that were received.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    method: &'a str,
    target: &'a str,
    minor: u8,
    size: usize,
    host: &'a str,
    headers: &'a [httparse::Header<'a>],
    fields: Fields<'a>,
}

impl<'a> Request<'a> {
    /// The method, such as `GET`.
    #[must_use]
    pub const fn method(&self) -> &'a str {
        self.method
    }

    /// Path and query as they were sent, such as `/chat?room=1`; only the query where an absolute
    /// target has no path.
    #[must_use]
    pub const fn target(&self) -> &'a str {
        self.target
    }

    /// The path, such as `/chat`; it begins with a slash.
    #[must_use]
    pub fn path(&self) -> &'a str {
        match self.target.split_once('?').map_or(self.target, |(path, _)| path) {
            // RFC 9112 §3.2.1: an empty path is a slash.
            "" => "/",
            path => path,
        }
    }

    /// What stands behind the question mark, if there is one.
    #[must_use]
    pub fn query(&self) -> Option<&'a str> {
        self.target.split_once('?').map(|(_, query)| query)
    }

    /// The host that the client means, with its port if it sent one.
    #[must_use]
    pub const fn host(&self) -> &'a str {
        self.host
    }

    /// How long the head is, in bytes: what came behind it begins there.
    #[must_use]
    pub const fn size(&self) -> usize {
        self.size
    }

    /// All headers in order: the name as it was sent, the value without surrounding space.
    pub fn headers(&self) -> impl Iterator<Item = (&'a str, &'a [u8])> + use<'a> {
        self.headers.iter().map(|header| (header.name, header.value))
    }

    /// The value of the first header of this name, in any case of letters.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&'a [u8]> {
        self.headers().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// The subprotocols that the client offers, its favourite first.
    pub fn protocols(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.values(Field::Protocol, self.fields.protocols)
            .flat_map(elements)
            .filter_map(|protocol| core::str::from_utf8(protocol).ok())
    }

    /// The extensions that the client offers, its favourite first.
    pub fn extensions(&self) -> impl Iterator<Item = Element<'a>> + use<'a> {
        self.values(Field::Extensions, self.fields.extensions)
            .flat_map(Element::list)
            .filter_map(Result::ok)
    }

    /// The values of the headers of this kind, of which there are none if they hold no elements.
    fn values(&self, field: Field, count: usize) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let headers = if count == 0 { &[] } else { self.headers };
        headers
            .iter()
            .filter(move |header| Field::of(header.name) == field)
            .map(|header| header.value)
    }

    /// The headers that the handshake itself has no use for, `Origin` and `Cookie` among them.
    pub(crate) fn other_headers(&self) -> impl Iterator<Item = (&'a str, &'a [u8])> + use<'a> {
        let others = self.fields.others;
        let is_other = move |index: &usize| others >> index & 1 != 0;
        let headers = self.headers;
        (0..headers.len()).filter(is_other).map(|index| (headers[index].name, headers[index].value))
    }

    /// Whether the client asks for an upgrade to anything: if not, this is plain HTTP, perhaps with a
    /// body.
    #[must_use]
    pub const fn has_upgrade(&self) -> bool {
        !matches!(self.fields.upgrade, Upgrade::Missing)
    }

    /// Checks that this is the request of a WebSocket client, and answers its key
    /// (RFC 6455 §4.2.1).
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn upgrade(&self) -> Result<Key, RequestError> {
        // RFC 9110 §7.8: HTTP/1.0 knows no Upgrade.
        if self.minor != 1 {
            return Err(RequestError::VersionNotSupported);
        }
        // RFC 6455 §4.2.1: the method is GET.
        if self.method != "GET" {
            return Err(RequestError::MethodNotAllowed);
        }
        self.fields.upgrade()
    }
}

/// The headers that mean something to the handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Host,
    Upgrade,
    Connection,
    Key,
    Version,
    Protocol,
    Extensions,
    ContentLength,
    TransferEncoding,
    Other,
}

impl Field {
    #[inline]
    fn of(name: &str) -> Self {
        let name = name.as_bytes();
        // The lengths differ but for one pair, so most headers are told apart by a number.
        let (matches, field) = match name.len() {
            4 => (is_word(name, b"host"), Self::Host),
            7 => (is_word(name, b"upgrade"), Self::Upgrade),
            10 => (is_word(name, b"connection"), Self::Connection),
            14 => (is_word(name, b"content-length"), Self::ContentLength),
            17 if matches!(name, [b's' | b'S', ..]) => {
                (is_word(name, b"sec-websocket-key"), Self::Key)
            }
            17 => (is_word(name, b"transfer-encoding"), Self::TransferEncoding),
            21 => (is_word(name, b"sec-websocket-version"), Self::Version),
            22 => (is_word(name, b"sec-websocket-protocol"), Self::Protocol),
            24 => (is_word(name, b"sec-websocket-extensions"), Self::Extensions),
            _ => (false, Self::Other),
        };
        if matches { field } else { Self::Other }
    }
}

/// What the Upgrade headers ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Upgrade {
    Missing,
    Other,
    WebSocket,
}

/// What one pass over the headers finds of the handshake.
#[derive(Clone, Copy, Debug)]
struct Fields<'a> {
    host: &'a str,
    upgrade: Upgrade,
    connection_upgrade: bool,
    key: Option<&'a [u8]>,
    version: Option<&'a [u8]>,
    /// A bit for each header, by its index, that the handshake itself has no use for.
    others: u128,
    /// How many subprotocols are offered.
    protocols: usize,
    /// How many extensions are offered.
    extensions: usize,
    /// The first header of a WebSocket that is wrong by itself.
    error: Option<RequestError>,
}

impl<'a> Fields<'a> {
    fn gather(headers: &[httparse::Header<'a>]) -> Result<Self, RequestError> {
        let mut host = None;
        let mut content_length = None;
        let mut offers_protocols = false;
        let mut fields = Fields {
            host: "",
            upgrade: Upgrade::Missing,
            connection_upgrade: false,
            key: None,
            version: None,
            others: 0,
            protocols: 0,
            extensions: 0,
            error: None,
        };
        for (index, header) in headers.iter().enumerate() {
            let value = header.value;
            match Field::of(header.name) {
                Field::Other => fields.others |= 1 << index,
                // RFC 9112 §3.2: one Host, or the request is refused.
                Field::Host => set_once(&mut host, value, RequestError::HostDuplicate)?,
                Field::Upgrade if has_element(value, b"websocket") => {
                    fields.upgrade = Upgrade::WebSocket;
                }
                Field::Upgrade if fields.upgrade == Upgrade::Missing => {
                    fields.upgrade = Upgrade::Other;
                }
                Field::Upgrade => {}
                Field::Connection => fields.connection_upgrade |= has_element(value, b"upgrade"),
                // RFC 6455 §11.3.1: the key stands once.
                Field::Key => {
                    let once = set_once(&mut fields.key, value, RequestError::KeyDuplicate);
                    fields.note(once);
                }
                // RFC 6455 §11.3.5: a client sends the version once.
                Field::Version => {
                    let once = set_once(&mut fields.version, value, RequestError::VersionInvalid);
                    fields.note(once);
                }
                Field::Protocol => offers_protocols = true,
                Field::Extensions => {
                    let checked = check_extensions(value, &mut fields.extensions);
                    fields.note(checked);
                }
                // RFC 9112 §6: a length is one number; an upgrade has no body.
                Field::ContentLength => match content_length.replace(value) {
                    None if !value.is_empty() && value.iter().all(|&digit| digit == b'0') => {}
                    _ => fields.note(Err(RequestError::BodyPresent)),
                },
                Field::TransferEncoding => fields.note(Err(RequestError::BodyPresent)),
            }
        }
        if offers_protocols {
            match count_protocols(headers) {
                Ok(count) => fields.protocols = count,
                Err(error) => fields.note(Err(error)),
            }
        }
        fields.host = check_host(host)?;
        Ok(fields)
    }

    /// Keeps the first error that is found.
    fn note(&mut self, result: Result<(), RequestError>) {
        self.error = self.error.or(result.err());
    }

    fn upgrade(&self) -> Result<Key, RequestError> {
        // RFC 6455 §4.2.1 (3): Upgrade names websocket.
        match self.upgrade {
            Upgrade::WebSocket => {}
            Upgrade::Missing => return Err(RequestError::UpgradeMissing),
            Upgrade::Other => return Err(RequestError::UpgradeInvalid),
        }
        // RFC 6455 §4.2.1 (4): Connection names upgrade.
        if !self.connection_upgrade {
            return Err(RequestError::ConnectionInvalid);
        }
        if let Some(error) = self.error {
            return Err(error);
        }
        check_version(self.version)?;
        // RFC 6455 §4.2.1 (5): a key of 16 bytes.
        let key = self.key.ok_or(RequestError::KeyMissing)?;
        Key::parse(key).ok_or(RequestError::KeyInvalid)
    }
}

/// Keeps the value of a header that may stand once.
fn set_once<'a>(
    kept: &mut Option<&'a [u8]>,
    value: &'a [u8],
    error: RequestError,
) -> Result<(), RequestError> {
    match kept.replace(value) {
        None => Ok(()),
        Some(_) => Err(error),
    }
}

fn check_host(host: Option<&[u8]>) -> Result<&str, RequestError> {
    // RFC 9112 §3.2: a request without a valid Host is refused.
    let host = core::str::from_utf8(host.ok_or(RequestError::HostMissing)?).ok();
    let host = host.filter(|host| split_authority(host).is_some());
    host.ok_or(RequestError::HostInvalid)
}

fn check_version(version: Option<&[u8]>) -> Result<(), RequestError> {
    // RFC 6455 §4.2.1 (6), §4.3: version = 0 to 255 without leading zeros, and ours is 13.
    match version {
        Some(b"13") => Ok(()),
        Some([b'0'..=b'9'] | [b'1'..=b'9', b'0'..=b'9']) => Err(RequestError::VersionUnsupported),
        Some([b'1', b'0'..=b'9', b'0'..=b'9']) => Err(RequestError::VersionUnsupported),
        Some([b'2', b'0'..=b'4', b'0'..=b'9']) => Err(RequestError::VersionUnsupported),
        Some([b'2', b'5', b'0'..=b'5']) => Err(RequestError::VersionUnsupported),
        Some(_) => Err(RequestError::VersionInvalid),
        None => Err(RequestError::VersionMissing),
    }
}

/// Checks the lists of subprotocols, and counts what they offer.
fn count_protocols(headers: &[httparse::Header<'_>]) -> Result<usize, RequestError> {
    let mut offered = [&b""[..]; MAX_ELEMENTS];
    let mut count = 0;
    for list in headers.iter().filter(|header| Field::of(header.name) == Field::Protocol) {
        let before = count;
        for protocol in elements(list.value) {
            // RFC 6455 §4.1 (10): tokens, each different from the others; no more than we compare.
            let repeated = offered[..count].contains(&protocol);
            match offered.get_mut(count) {
                Some(place) if is_token(protocol) && !repeated => *place = protocol,
                _ => return Err(RequestError::ProtocolInvalid),
            }
            count += 1;
        }
        // RFC 6455 §4.3: a list has one element at least.
        if count == before {
            return Err(RequestError::ProtocolInvalid);
        }
    }
    Ok(count)
}

/// Checks the grammar of one more list of extensions; `count` is of all.
fn check_extensions(value: &[u8], count: &mut usize) -> Result<(), RequestError> {
    let count_before = *count;
    for element in Element::list(value) {
        *count += 1;
        // RFC 6455 §9.1: the whole list is well-formed, or the connection fails.
        if element.is_err() || *count > MAX_ELEMENTS {
            return Err(RequestError::ExtensionsInvalid);
        }
    }
    // RFC 6455 §9.1: a list has one element at least.
    if *count == count_before {
        return Err(RequestError::ExtensionsInvalid);
    }
    Ok(())
}
