//! What an offer or an answer says (RFC 7692 §7.1).

use core::{error, fmt};

use wscore::extension::{Element, ElementBuf, InvalidElement};

use crate::NAME;

const SERVER_NO_CONTEXT_TAKEOVER: &str = "server_no_context_takeover";
const CLIENT_NO_CONTEXT_TAKEOVER: &str = "client_no_context_takeover";
const SERVER_MAX_WINDOW_BITS: &str = "server_max_window_bits";
const CLIENT_MAX_WINDOW_BITS: &str = "client_max_window_bits";

/// How far back compressed data may refer, as a power of two: 8–15 bits, 256 B to 32 KiB
/// (RFC 7692 §7.1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WindowBits(u8);

impl WindowBits {
    /// 8: 256 B. The levels of zlib refer to nothing then, and only code the bytes shorter.
    pub const MIN: Self = Self(8);
    /// 15: 32 KiB, what holds when nothing was agreed.
    pub const MAX: Self = Self(15);

    /// This many bits, if they are 8–15.
    #[must_use]
    pub const fn new(bits: u8) -> Option<Self> {
        match bits {
            8..=15 => Some(Self(bits)),
            _ => None,
        }
    }

    /// The number of bits: 8–15.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }

    /// The size of the window in bytes: 256–32,768.
    #[must_use]
    pub const fn size(self) -> usize {
        1 << self.0
    }

    /// A number from 8 to 15 without sign and leading zeros.
    fn parse(value: &str) -> Option<Self> {
        let bits = match value.as_bytes() {
            [digit @ b'8'..=b'9'] => digit - b'0',
            [b'1', digit @ b'0'..=b'5'] => 10 + digit - b'0',
            _ => return None,
        };
        Some(Self(bits))
    }
}

impl Default for WindowBits {
    fn default() -> Self {
        Self::MAX
    }
}

impl fmt::Display for WindowBits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The parameter `client_max_window_bits` (RFC 7692 §7.1.2.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ClientMaxWindowBits {
    /// It is not there: the client's window is not to be limited.
    #[default]
    Absent,
    /// It is there without a value, in an offer: the client's window may be limited.
    Supported,
    /// The client's window is at most this large, or is to be.
    Bits(WindowBits),
}

/// The parameters of one `permessage-deflate` element: an offer, or the answer that both sides keep
/// to.
///
/// ```
/// use wscore::extension::Element;
/// use wsflate::{ClientMaxWindowBits, Parameters};
/// let offer = Element::list(b"permessage-deflate; client_max_window_bits").next().unwrap()?;
/// let offer = Parameters::parse(&offer)?;
/// assert_eq!(offer.client_max_window_bits, ClientMaxWindowBits::Supported);
/// assert_eq!(offer.to_string(), "permessage-deflate; client_max_window_bits");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Parameters {
    /// The server compresses each message by itself (RFC 7692 §7.1.1.1).
    pub server_no_context_takeover: bool,
    /// The client compresses each message by itself (RFC 7692 §7.1.1.2).
    pub client_no_context_takeover: bool,
    /// The server's window is at most this large (RFC 7692 §7.1.2.1).
    pub server_max_window_bits: Option<WindowBits>,
    /// The client's window is at most this large (RFC 7692 §7.1.2.2).
    pub client_max_window_bits: ClientMaxWindowBits,
}

impl Parameters {
    /// The parameters of an element.
    ///
    /// # Errors
    /// [`ParametersError`] for another extension, a parameter that RFC 7692 does not define, one that
    /// is there twice, and a value that it must not have.
    pub fn parse(element: &Element<'_>) -> Result<Self, ParametersError> {
        let mut parameters = Self::of(element.name())?;
        for param in element.params() {
            parameters.take(param.name, param.value.as_deref())?;
        }
        Ok(parameters)
    }

    /// As [`parse`](Self::parse), of an element that a handshake agreed on.
    ///
    /// # Errors
    /// As [`parse`](Self::parse).
    pub fn from_agreed(element: &ElementBuf) -> Result<Self, ParametersError> {
        let mut parameters = Self::of(element.name())?;
        for (name, value) in element.params() {
            parameters.take(name, value)?;
        }
        Ok(parameters)
    }

    /// No parameters so far, of the extension of this name.
    fn of(name: &str) -> Result<Self, ParametersError> {
        if name == NAME { Ok(Self::default()) } else { Err(ParametersError::OtherExtension) }
    }

    fn take(&mut self, name: &str, value: Option<&str>) -> Result<(), ParametersError> {
        let bits = || value.and_then(WindowBits::parse).ok_or(ParametersError::Invalid);
        let is_new = match name {
            SERVER_NO_CONTEXT_TAKEOVER => set(&mut self.server_no_context_takeover, value)?,
            CLIENT_NO_CONTEXT_TAKEOVER => set(&mut self.client_no_context_takeover, value)?,
            SERVER_MAX_WINDOW_BITS => self.server_max_window_bits.replace(bits()?).is_none(),
            CLIENT_MAX_WINDOW_BITS => {
                let bits = match value {
                    None => ClientMaxWindowBits::Supported,
                    Some(_) => ClientMaxWindowBits::Bits(bits()?),
                };
                let before = core::mem::replace(&mut self.client_max_window_bits, bits);
                before == ClientMaxWindowBits::Absent
            }
            _ => return Err(ParametersError::Unknown),
        };
        if is_new { Ok(()) } else { Err(ParametersError::Repeated) }
    }

    /// The element that says this.
    #[must_use]
    pub fn to_element(&self) -> ElementBuf {
        self.try_to_element().unwrap_or_else(|_| unreachable!("these names are tokens"))
    }

    fn try_to_element(self) -> Result<ElementBuf, InvalidElement> {
        let mut element = ElementBuf::new(NAME)?;
        if self.server_no_context_takeover {
            element = element.flag(SERVER_NO_CONTEXT_TAKEOVER)?;
        }
        if self.client_no_context_takeover {
            element = element.flag(CLIENT_NO_CONTEXT_TAKEOVER)?;
        }
        if let Some(bits) = self.server_max_window_bits {
            element = element.param(SERVER_MAX_WINDOW_BITS, bits)?;
        }
        match self.client_max_window_bits {
            ClientMaxWindowBits::Absent => Ok(element),
            ClientMaxWindowBits::Supported => element.flag(CLIENT_MAX_WINDOW_BITS),
            ClientMaxWindowBits::Bits(bits) => element.param(CLIENT_MAX_WINDOW_BITS, bits),
        }
    }
}

impl fmt::Display for Parameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_element().fmt(f)
    }
}

/// Sets a flag, which has no value: whether it was not set before.
fn set(flag: &mut bool, value: Option<&str>) -> Result<bool, ParametersError> {
    match value {
        None => Ok(!core::mem::replace(flag, true)),
        Some(_) => Err(ParametersError::Invalid),
    }
}

/// Why an element is no offer of `permessage-deflate` that can be accepted, and no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ParametersError {
    /// The name is not `permessage-deflate`.
    OtherExtension,
    /// A parameter that RFC 7692 does not define.
    Unknown,
    /// A parameter that is there twice.
    Repeated,
    /// A value where none may be, none where one must be, or one that is not a number from 8 to 15.
    Invalid,
    /// An answer that does not keep to any of the offers.
    NotOffered,
}

impl fmt::Display for ParametersError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OtherExtension => "not permessage-deflate",
            Self::Unknown => "unknown parameter of permessage-deflate",
            Self::Repeated => "repeated parameter of permessage-deflate",
            Self::Invalid => "invalid value of a parameter of permessage-deflate",
            Self::NotOffered => "an answer that permessage-deflate was not offered with",
        })
    }
}

impl error::Error for ParametersError {}
