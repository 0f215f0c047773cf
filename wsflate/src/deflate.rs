//! What the connections of a service share: configuration, codec, compressors in work.

use alloc::{boxed::Box, sync::Arc, vec::Vec};
use core::fmt;

use wscore::{
    Extension, Handshake, Role, Rsv,
    extension::{Element, ElementBuf},
};

use crate::{
    Agreed, Codec, Compress, Config, Fast, NAME, Parameters, WindowBits, confirm, negotiate,
    pool::{Free, Owner, Pool},
    window::Window,
};

/// `permessage-deflate` for the handshakes and connections of a service; cheap to clone.
///
/// One is made for all connections: they take turns with its compressors. It keeps at most 16 that
/// no connection has in work, of 125 KB each, or 380 KB at zlib's levels. A connection that takes
/// over finds its own one as it left it if no other connection has had it since; else one is primed
/// with its window.
///
/// ```no_run
/// use wscore::Upgrader;
/// use wsflate::{Config, Deflate};
/// let deflate = Deflate::new(Config::TAKEOVER);
/// let mut stream = std::net::TcpListener::bind("127.0.0.1:9001")?.accept()?.0;
/// let upgraded = Upgrader::new().negotiate(&deflate).upgrade(&mut stream)?;
/// let agreed = deflate.agreed(wscore::Role::Server, &upgraded.handshake);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Deflate {
    shared: Arc<Shared>,
    /// What a client offers beside what the configuration says, in order.
    fallbacks: Vec<Parameters>,
}

struct Shared {
    config: Config,
    codec: Box<dyn Codec>,
    pool: Pool,
}

impl Deflate {
    /// With [`Fast`] for the levels 1 and 2, and else the compressor of zlib-rs. Without the feature
    /// `std` with `Fast` for all.
    #[must_use]
    pub fn new(config: Config) -> Self {
        match config.level {
            #[cfg(feature = "std")]
            level @ (0 | 3..) => {
                Self::with_codec(config, crate::Zlib { level, mem_level: config.mem_level })
            }
            level => Self::with_codec(config, Fast { level }),
        }
    }

    /// With a codec of your own: levels are its business.
    #[must_use]
    pub fn with_codec(config: Config, codec: impl Codec + 'static) -> Self {
        let shared = Shared { config, codec: Box::new(codec), pool: Pool::default() };
        Self { shared: Arc::new(shared), fallbacks: Vec::new() }
    }

    /// Client: the same with one more offer, for a server that declines those before it.
    ///
    /// What such an offer allows the server is allowed, also where the configuration asks for less:
    /// a window without limit, say, where the server does not take one with a limit.
    #[must_use]
    pub fn with_fallback(mut self, offer: Parameters) -> Self {
        self.fallbacks.push(offer);
        self
    }

    fn all_offers(&self) -> impl Iterator<Item = Parameters> {
        core::iter::once(self.config().offer()).chain(self.fallbacks.iter().copied())
    }

    /// The configuration.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.shared.config
    }

    /// What a handshake agreed on for this role; `None` if it did not agree on this extension.
    #[must_use]
    pub fn agreed(&self, role: Role, handshake: &Handshake) -> Option<Agreed> {
        let mut elements = handshake.extensions().iter();
        let parameters = elements.find_map(|element| Parameters::from_agreed(element).ok())?;
        let mut agreed = parameters.agreed(role);
        // We may always do with less than we are allowed to.
        agreed.send.takeover &= self.config().send_takeover;
        agreed.send.window = agreed.send.window.min(self.config().send_window);
        if role == Role::Client {
            // RFC 7692 §7.1.1.2, §7.1.2.2: what a client offers of itself it keeps, whichever of its
            // offers was taken.
            for offer in self.all_offers().filter(|offer| offer.fits(&parameters)) {
                let promised = offer.agreed(role).send;
                agreed.send.takeover &= promised.takeover;
                agreed.send.window = agreed.send.window.min(promised.window);
            }
        }
        Some(agreed)
    }

    pub(crate) fn codec(&self) -> &dyn Codec {
        &*self.shared.codec
    }

    /// A number that no other owner of compressors has.
    pub(crate) fn new_owner(&self) -> Owner {
        self.shared.pool.new_owner()
    }

    /// A compressor for a message of this owner, which has this window if it takes over.
    pub(crate) fn lease(
        &self,
        bits: WindowBits,
        owner: Option<Owner>,
        window: &Window,
    ) -> Box<dyn Compress> {
        let mut codec = match self.shared.pool.take(bits, owner) {
            Some(Free { codec, owner: last, .. }) if owner.is_some() && owner == last => {
                return codec;
            }
            Some(Free { mut codec, .. }) => {
                codec.reset();
                codec
            }
            None => self.codec().compressor(bits),
        };
        let (older, newer) = window.parts();
        for part in [older, newer] {
            if !part.is_empty() {
                codec.prime(part);
            }
        }
        codec
    }

    /// The compressor is free; it has the window of this owner.
    pub(crate) fn give_back(
        &self,
        codec: Box<dyn Compress>,
        bits: WindowBits,
        owner: Option<Owner>,
    ) {
        self.shared.pool.give(Free { bits, owner, codec });
    }
}

impl Default for Deflate {
    fn default() -> Self {
        Self::new(Config::default())
    }
}

impl fmt::Debug for Deflate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deflate").field("config", self.config()).finish_non_exhaustive()
    }
}

impl Extension for Deflate {
    fn name(&self) -> &str {
        NAME
    }

    fn rsv(&self) -> Rsv {
        Rsv::RSV1
    }

    fn accept(&self, offer: &Element<'_>) -> Option<ElementBuf> {
        let offer = Parameters::parse(offer).ok()?;
        Some(negotiate(self.config(), [offer])?.to_element())
    }

    fn offers(&self) -> Vec<ElementBuf> {
        self.all_offers().map(|offer| offer.to_element()).collect()
    }

    fn confirm(&self, answer: &Element<'_>) -> bool {
        let offers: Vec<_> = self.all_offers().collect();
        Parameters::parse(answer).and_then(|answer| confirm(&offers, &answer)).is_ok()
    }
}
