//! Extensions: what an offer or an answer looks like, and who owns which RSV bits
//! (RFC 6455 §9).
//!
//! ```text
//! Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits="10", x-private
//!                           ╰─ name ─────────╯  ╰─ parameter ────────────╯
//!                           ╰─ element ──────────────────────────────────╯  ╰─ element
//! ```

use alloc::{borrow::Cow, string::String, sync::Arc, vec::Vec};
use core::{error, fmt};

use crate::{
    Rsv,
    http::{is_token, is_token_byte},
};

/// The most elements that are read from one handshake; a list with more is refused.
pub const MAX_ELEMENTS: usize = 64;

/// An extension that both sides of the handshake can negotiate.
///
/// One object serves any number of connections at once: nothing is remembered between calls.
pub trait Extension: Send + Sync {
    /// The registered name, such as `permessage-deflate`.
    fn name(&self) -> &str;

    /// The RSV bits that are this extension's once it is agreed.
    fn rsv(&self) -> Rsv;

    /// Server: the answer to an offer of this name, or `None` to decline it.
    ///
    /// Offers come in the client's order; after the first answer the rest are declined.
    fn accept(&self, offer: &Element<'_>) -> Option<ElementBuf>;

    /// Client: what to offer, the favourite first.
    fn offers(&self) -> Vec<ElementBuf>;

    /// Client: whether the server's answer keeps to what was offered.
    fn confirm(&self, answer: &Element<'_>) -> bool;
}

macro_rules! extension_behind {
    ($($pointer:ty),*) => {$(
        impl<E: Extension + ?Sized> Extension for $pointer {
            fn name(&self) -> &str {
                (**self).name()
            }
            fn rsv(&self) -> Rsv {
                (**self).rsv()
            }
            fn accept(&self, offer: &Element<'_>) -> Option<ElementBuf> {
                (**self).accept(offer)
            }
            fn offers(&self) -> Vec<ElementBuf> {
                (**self).offers()
            }
            fn confirm(&self, answer: &Element<'_>) -> bool {
                (**self).confirm(answer)
            }
        }
    )*};
}

extension_behind!(&E, Arc<E>);

/// One element of a list of extensions, borrowed from the header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Element<'a> {
    name: &'a str,
    /// What stands behind the name; the grammar was checked.
    params: &'a str,
}

impl<'a> Element<'a> {
    /// The elements of a header's value, in order, with the RFC 6455 §9.1 grammar checked on the
    /// way.
    ///
    /// ```
    /// use wscore::extension::Element;
    /// let element = Element::list(b"x; bits=\"1\\0\"").next().unwrap()?;
    /// let param = element.params().next().unwrap();
    /// assert_eq!((element.name(), param.name, param.value.as_deref()), ("x", "bits", Some("10")));
    /// # Ok::<(), wscore::extension::InvalidElement>(())
    /// ```
    #[must_use]
    pub fn list(value: &'a [u8]) -> Elements<'a> {
        let rest = core::str::from_utf8(value).ok();
        Elements { scanner: Scanner { rest: rest.unwrap_or_default() }, failed: rest.is_none() }
    }

    /// The name of the extension.
    #[must_use]
    pub const fn name(&self) -> &'a str {
        self.name
    }

    /// Its parameters, in order, with repetitions.
    #[must_use]
    pub const fn params(&self) -> Params<'a> {
        Params { scanner: Scanner { rest: self.params } }
    }

    /// The same, owned.
    #[must_use]
    pub fn to_owned(&self) -> ElementBuf {
        let params = self.params();
        ElementBuf {
            name: self.name.into(),
            params: params.map(|p| (p.name.into(), p.value.map(Cow::into_owned))).collect(),
        }
    }
}

/// The elements of one header, from [`Element::list`].
#[derive(Clone, Debug)]
pub struct Elements<'a> {
    scanner: Scanner<'a>,
    failed: bool,
}

impl<'a> Iterator for Elements<'a> {
    type Item = Result<Element<'a>, InvalidElement>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            self.failed = false;
            self.scanner.rest = "";
            return Some(Err(InvalidElement));
        }
        // RFC 9110 §5.6.1: empty elements are ignored.
        loop {
            self.scanner.skip_space();
            if !self.scanner.eat(b',') {
                break;
            }
        }
        if self.scanner.rest.is_empty() {
            return None;
        }
        let element = self.scanner.element();
        if element.is_none() {
            self.scanner.rest = "";
        }
        Some(element.ok_or(InvalidElement))
    }
}

/// A parameter of an extension.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Param<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its value, if it has one, without quotes and escapes.
    pub value: Option<Cow<'a, str>>,
}

/// The parameters of one element, from [`Element::params`].
#[derive(Clone, Debug)]
pub struct Params<'a> {
    scanner: Scanner<'a>,
}

impl<'a> Iterator for Params<'a> {
    type Item = Param<'a>;

    fn next(&mut self) -> Option<Param<'a>> {
        self.scanner.param().flatten()
    }
}

/// A place in a header's value. Each method takes what it names, or answers `None`.
#[derive(Clone, Debug)]
struct Scanner<'a> {
    rest: &'a str,
}

impl<'a> Scanner<'a> {
    /// A whole element, up to the comma behind it or the end.
    fn element(&mut self) -> Option<Element<'a>> {
        let name = self.token()?;
        let before = self.rest;
        while self.param()?.is_some() {}
        self.skip_space();
        if !self.rest.is_empty() && !self.rest.starts_with(',') {
            return None;
        }
        let params = &before[..before.len() - self.rest.len()];
        Some(Element { name, params })
    }

    /// `; name`, `; name=value`, or `Some(None)` where no semicolon follows.
    fn param(&mut self) -> Option<Option<Param<'a>>> {
        self.skip_space();
        if !self.eat(b';') {
            return Some(None);
        }
        self.skip_space();
        let name = self.token()?;
        self.skip_space();
        let value = if self.eat(b'=') {
            self.skip_space();
            Some(if self.eat(b'"') { self.quoted()? } else { self.token()?.into() })
        } else {
            None
        };
        Some(Some(Param { name, value }))
    }

    fn token(&mut self) -> Option<&'a str> {
        let end = self.rest.bytes().position(|byte| !is_token_byte(byte));
        let (token, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest;
        (!token.is_empty()).then_some(token)
    }

    /// The rest of a quoted string, without escapes.
    fn quoted(&mut self) -> Option<Cow<'a, str>> {
        let mut value = Cow::Borrowed("");
        loop {
            let end = self.rest.find(['"', '\\'])?;
            let (plain, rest) = self.rest.split_at(end);
            value += plain;
            self.rest = &rest[1..];
            if rest.starts_with('"') {
                break;
            }
            let escaped = self.rest.chars().next()?;
            value.to_mut().push(escaped);
            self.rest = &self.rest[escaped.len_utf8()..];
        }
        // RFC 6455 §9.1: the value without its quotes must be a token all the same.
        is_token(value.as_bytes()).then_some(value)
    }

    fn eat(&mut self, byte: u8) -> bool {
        let found = self.rest.as_bytes().first() == Some(&byte);
        if found {
            self.rest = &self.rest[1..];
        }
        found
    }

    fn skip_space(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t']);
    }
}

/// One element of a list of extensions, owned; its `Display` is what goes on the wire.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ElementBuf {
    name: String,
    params: Vec<(String, Option<String>)>,
}

impl ElementBuf {
    /// An element without parameters.
    ///
    /// # Errors
    /// [`InvalidElement`] if the name is not a token.
    ///
    /// ```
    /// use wscore::extension::ElementBuf;
    /// let offer = ElementBuf::new("x")?.flag("quick")?.param("bits", 10)?;
    /// assert_eq!(offer.to_string(), "x; quick; bits=10");
    /// # Ok::<(), wscore::extension::InvalidElement>(())
    /// ```
    pub fn new(name: &str) -> Result<Self, InvalidElement> {
        Ok(Self { name: token(name)?, params: Vec::new() })
    }

    /// Adds a parameter without a value.
    ///
    /// # Errors
    /// [`InvalidElement`] if the name is not a token.
    pub fn flag(mut self, name: &str) -> Result<Self, InvalidElement> {
        self.params.push((token(name)?, None));
        Ok(self)
    }

    /// Adds a parameter with a value.
    ///
    /// # Errors
    /// [`InvalidElement`] if the name or the value is not a token.
    pub fn param(mut self, name: &str, value: impl fmt::Display) -> Result<Self, InvalidElement> {
        let value = token(&alloc::format!("{value}"))?;
        self.params.push((token(name)?, Some(value)));
        Ok(self)
    }

    /// The name of the extension.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its parameters, in order.
    pub fn params(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.params.iter().map(|(name, value)| (name.as_str(), value.as_deref()))
    }
}

fn token(text: &str) -> Result<String, InvalidElement> {
    if is_token(text.as_bytes()) { Ok(text.into()) } else { Err(InvalidElement) }
}

impl fmt::Display for ElementBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        self.params().try_for_each(|(name, value)| match value {
            Some(value) => write!(f, "; {name}={value}"),
            None => write!(f, "; {name}"),
        })
    }
}

/// Not an element of a list of extensions (RFC 6455 §9.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidElement;

impl fmt::Display for InvalidElement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not an extension with parameters")
    }
}

impl error::Error for InvalidElement {}
