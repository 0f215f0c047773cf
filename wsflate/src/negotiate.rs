//! What two sides agree on (RFC 7692 §5, §7.1): pure functions, for both roles.

use wscore::Role;

use crate::{ClientMaxWindowBits, Config, Parameters, ParametersError, WindowBits};

/// What holds for one direction of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Direction {
    /// Whether a message may refer to the ones before it.
    pub takeover: bool,
    /// How far back it may refer.
    pub window: WindowBits,
}

/// What holds for both directions of a connection, as one side sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Agreed {
    /// What we send.
    pub send: Direction,
    /// What we receive.
    pub receive: Direction,
}

/// Server: the answer to the first of these offers that suits the configuration (RFC 7692 §5.1).
///
/// Offers come in the client's order, as far as they can be parsed: one that cannot is declined by
/// leaving it out. An offer is declined, too, when the configuration limits the client's window and
/// the client does not offer to limit it.
///
/// ```
/// use wsflate::{ClientMaxWindowBits, Config, Parameters, WindowBits};
/// let browser = Parameters {
///     client_max_window_bits: ClientMaxWindowBits::Supported,
///     ..Parameters::default()
/// };
/// let config = Config { send_window: WindowBits::new(11).unwrap(), ..Config::TAKEOVER };
/// let answer = wsflate::negotiate(&config, [browser]).unwrap();
/// assert_eq!(answer.to_string(), "permessage-deflate; server_max_window_bits=11");
/// ```
#[must_use]
pub fn negotiate(
    config: &Config,
    offers: impl IntoIterator<Item = Parameters>,
) -> Option<Parameters> {
    offers.into_iter().find_map(|offer| answer(config, &offer))
}

fn answer(config: &Config, offer: &Parameters) -> Option<Parameters> {
    let send = offer.server_max_window_bits.unwrap_or(WindowBits::MAX).min(config.send_window);
    let client_max_window_bits = match offer.client_max_window_bits {
        // RFC 7692 §7.1.2.2: who does not say that it can be limited must not be.
        ClientMaxWindowBits::Absent if config.receive_window < WindowBits::MAX => return None,
        ClientMaxWindowBits::Absent => ClientMaxWindowBits::Absent,
        ClientMaxWindowBits::Supported if config.receive_window < WindowBits::MAX => {
            ClientMaxWindowBits::Bits(config.receive_window)
        }
        ClientMaxWindowBits::Supported => ClientMaxWindowBits::Absent,
        ClientMaxWindowBits::Bits(bits) => {
            ClientMaxWindowBits::Bits(bits.min(config.receive_window))
        }
    };
    Some(Parameters {
        server_no_context_takeover: offer.server_no_context_takeover || !config.send_takeover,
        // RFC 7692 §7.1.1.2: who says that it does not take over is held to it.
        client_no_context_takeover: offer.client_no_context_takeover || !config.receive_takeover,
        // What was asked for is answered, also where it says nothing new.
        server_max_window_bits: (offer.server_max_window_bits.is_some() || send < WindowBits::MAX)
            .then_some(send),
        client_max_window_bits,
    })
}

/// Client: whether an answer keeps to one of these offers (RFC 7692 §5.1, §7.1).
///
/// # Errors
/// [`ParametersError::NotOffered`]: the connection is to be failed.
///
/// ```
/// use wsflate::{Parameters, ParametersError};
/// let offer = Parameters { server_no_context_takeover: true, ..Parameters::default() };
/// assert_eq!(wsflate::confirm(&[offer], &offer), Ok(()));
/// let answer = Parameters::default();
/// assert_eq!(wsflate::confirm(&[offer], &answer), Err(ParametersError::NotOffered));
/// ```
pub fn confirm(offers: &[Parameters], answer: &Parameters) -> Result<(), ParametersError> {
    let fits = offers.iter().any(|offer| offer.fits(answer));
    if fits { Ok(()) } else { Err(ParametersError::NotOffered) }
}

impl Parameters {
    /// Whether an answer keeps to this offer.
    pub(crate) fn fits(&self, answer: &Self) -> bool {
        let takeover = answer.server_no_context_takeover || !self.server_no_context_takeover;
        let server_window = match (self.server_max_window_bits, answer.server_max_window_bits) {
            (Some(most), Some(bits)) => bits <= most,
            (Some(_), None) => false,
            (None, _) => true,
        };
        let client_window = match answer.client_max_window_bits {
            ClientMaxWindowBits::Absent => true,
            // RFC 7692 §7.1.2.2: an answer has a value.
            ClientMaxWindowBits::Supported => false,
            ClientMaxWindowBits::Bits(_) => {
                self.client_max_window_bits != ClientMaxWindowBits::Absent
            }
        };
        takeover && server_window && client_window
    }

    /// What an answer means for this role.
    #[must_use]
    pub const fn agreed(&self, role: Role) -> Agreed {
        let server = Direction {
            takeover: !self.server_no_context_takeover,
            window: match self.server_max_window_bits {
                Some(bits) => bits,
                None => WindowBits::MAX,
            },
        };
        let client = Direction {
            takeover: !self.client_no_context_takeover,
            window: match self.client_max_window_bits {
                ClientMaxWindowBits::Bits(bits) => bits,
                _ => WindowBits::MAX,
            },
        };
        match role {
            Role::Server => Agreed { send: server, receive: client },
            Role::Client => Agreed { send: client, receive: server },
        }
    }
}
