//! Which web pages may connect (RFC 6455 §10.2, RFC 6454).

use alloc::{boxed::Box, string::String, vec::Vec};
use core::{error, fmt};

use crate::{Request, RequestError, http::split_authority};

/// A policy on the `Origin` header, by which a browser says whose page opens the connection.
///
/// Programs other than browsers send none and are always allowed. An origin is compared as a
/// whole: scheme, host without regard to case, and port, where the usual port may be left out.
///
/// ```
/// use wscore::Origin;
/// let policy = Origin::same_host().allow("https://app.example.com")?.allow("https://*.example.org")?;
/// # Ok::<(), wscore::InvalidOrigin>(())
/// ```
pub struct Origin {
    same_host: bool,
    /// The scheme that a page of the same host must have, if we know our own.
    scheme: Option<&'static str>,
    allowed: Vec<Pattern>,
    custom: Option<Box<Judge>>,
}

/// The rule of [`Origin::custom`].
type Judge = dyn Fn(&str, &Request<'_>) -> bool + Send + Sync;

impl Origin {
    /// Allows pages that come from the host and port that the request names, over http or https:
    /// for a server that cannot know which one it is behind.
    #[must_use]
    pub const fn same_host() -> Self {
        Self { same_host: true, scheme: None, allowed: Vec::new(), custom: None }
    }

    /// Allows pages that come from the host and port that the request names, over https if the
    /// connections are `secure`, else over http.
    #[must_use]
    pub const fn same_origin(secure: bool) -> Self {
        let scheme = Some(if secure { "https" } else { "http" });
        Self { same_host: true, scheme, allowed: Vec::new(), custom: None }
    }

    /// Allows no page but those that are added.
    #[must_use]
    pub const fn none() -> Self {
        Self { same_host: false, scheme: None, allowed: Vec::new(), custom: None }
    }

    /// Allows this origin too, such as `https://example.com:8443`. A host `*.example.com` stands
    /// for every name below `example.com`, but not for itself.
    ///
    /// # Errors
    /// [`InvalidOrigin`] if this is not an origin, for instance because a path follows.
    pub fn allow(mut self, origin: &str) -> Result<Self, InvalidOrigin> {
        self.allowed.push(Pattern::new(origin).ok_or(InvalidOrigin)?);
        Ok(self)
    }

    /// Allows what this function allows too; it gets the header's value as it was sent.
    #[must_use]
    pub fn custom(
        mut self,
        judge: impl Fn(&str, &Request<'_>) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.custom = Some(Box::new(judge));
        self
    }

    /// Checks the origin of a request.
    ///
    /// # Errors
    /// [`RequestError::OriginForbidden`] or [`RequestError::OriginDuplicate`].
    pub fn check(&self, request: &Request<'_>) -> Result<(), RequestError> {
        let is_origin = |(name, _): &(&str, _)| name.eq_ignore_ascii_case("origin");
        let mut origins = request.headers().filter(is_origin);
        let Some((_, origin)) = origins.next() else {
            return Ok(());
        };
        // RFC 6454 §7.3: there is one Origin header at most.
        if origins.next().is_some() {
            return Err(RequestError::OriginDuplicate);
        }
        // RFC 6455 §10.2: the server refuses origins that it does not trust.
        match core::str::from_utf8(origin) {
            Ok(origin) if self.allows(origin, request) => Ok(()),
            _ => Err(RequestError::OriginForbidden),
        }
    }

    fn allows(&self, origin: &str, request: &Request<'_>) -> bool {
        let by_rule = Parts::new(origin).is_some_and(|parts| {
            (self.same_host && parts.is_host(request.host(), self.scheme))
                || self.allowed.iter().any(|pattern| pattern.matches(&parts))
        });
        by_rule || self.custom.as_ref().is_some_and(|judge| judge(origin, request))
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Origin")
            .field("same_host", &self.same_host)
            .field("allowed", &self.allowed)
            .field("custom", &self.custom.is_some())
            .finish()
    }
}

/// `scheme://host[:port]`, nothing else.
struct Parts<'a> {
    scheme: &'a str,
    host: &'a str,
    port: Option<u16>,
}

impl<'a> Parts<'a> {
    fn new(origin: &'a str) -> Option<Self> {
        let (scheme, authority) = origin.split_once("://")?;
        let (host, port) = split_authority(authority)?;
        let port = port.or_else(|| usual_port(scheme));
        Some(Self { scheme, host, port })
    }

    /// Whether the Host header means the same host and port, the scheme being the origin's.
    fn is_host(&self, authority: &str, scheme: Option<&str>) -> bool {
        let usual = usual_port(self.scheme);
        usual.is_some()
            && scheme.is_none_or(|scheme| self.scheme.eq_ignore_ascii_case(scheme))
            && split_authority(authority).is_some_and(|(host, port)| {
                self.host.eq_ignore_ascii_case(host) && self.port == port.or(usual)
            })
    }
}

/// An origin that is allowed, its host perhaps with a wildcard.
#[derive(Debug)]
struct Pattern {
    scheme: String,
    /// With its leading dot if this is a wildcard.
    host: String,
    wildcard: bool,
    port: Option<u16>,
}

impl Pattern {
    fn new(origin: &str) -> Option<Self> {
        let parts = Parts::new(origin)?;
        let (host, wildcard) = match parts.host.strip_prefix('*') {
            Some(suffix) if suffix.len() > 1 && suffix.starts_with('.') => (suffix, true),
            Some(_) => return None,
            None => (parts.host, false),
        };
        if host.contains('*') {
            return None;
        }
        Some(Self { scheme: parts.scheme.into(), host: host.into(), wildcard, port: parts.port })
    }

    fn matches(&self, origin: &Parts<'_>) -> bool {
        let host_at =
            if self.wildcard { origin.host.len().checked_sub(self.host.len()) } else { Some(0) };
        let host = match host_at {
            // A wildcard stands for one character at least.
            Some(0) if self.wildcard => None,
            Some(at) => origin.host.get(at..),
            None => None,
        };
        host.is_some_and(|host| host.eq_ignore_ascii_case(&self.host))
            && self.scheme.eq_ignore_ascii_case(origin.scheme)
            && self.port == origin.port
    }
}

fn usual_port(scheme: &str) -> Option<u16> {
    match scheme {
        _ if scheme.eq_ignore_ascii_case("http") => Some(80),
        _ if scheme.eq_ignore_ascii_case("https") => Some(443),
        _ => None,
    }
}

/// Not an origin: `scheme://host[:port]` and nothing else (RFC 6454 §6.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidOrigin;

impl fmt::Display for InvalidOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not an origin, which is scheme://host[:port]")
    }
}

impl error::Error for InvalidOrigin {}
