//! Messages are not compressed.

use wscore::Rsv;

use crate::{Kind, MessageError, SendError, inbox::Inbox};

pub(crate) const RSV: Rsv = Rsv::NONE;

#[derive(Debug, Default)]
pub(crate) struct Inflater {}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Inflated {
    More,
    Piece,
    Message,
}

impl Inflater {
    #[inline(always)]
    pub(crate) const fn is_at_work(&self) -> bool {
        false
    }
    pub(crate) const fn begin(&mut self, _: Kind, _: bool) {}
    pub(crate) const fn advance(
        &mut self,
        _: &mut Inbox,
        _: u64,
    ) -> Result<(Kind, Inflated), MessageError> {
        Ok((Kind::Binary, Inflated::Piece))
    }
    pub(crate) const fn bytes(&self) -> &[u8] {
        &[]
    }
    pub(crate) const fn release(&mut self) {}
    pub(crate) const fn park(&mut self) {}
}

#[cfg(feature = "std")]
#[derive(Debug, Default)]
pub(crate) struct StreamInflater {}

#[cfg(feature = "std")]
impl StreamInflater {
    pub(crate) const fn begin(&mut self, _: &wscore::Header) {}
    #[inline(always)]
    pub(crate) const fn is_open(&self) -> bool {
        false
    }
    pub(crate) const fn end(&mut self) {}
    pub(crate) const fn take_room(&mut self) -> Vec<u8> {
        Vec::new()
    }
    pub(crate) fn received(&mut self, _: Vec<u8>, _: usize, _: bool) {}
    pub(crate) const fn advance(
        &mut self,
        _: &mut [u8],
        _: u64,
    ) -> Result<(usize, Inflated), MessageError> {
        Ok((0, Inflated::Piece))
    }
}

#[derive(Debug, Default)]
pub(crate) struct Deflater {}

impl Deflater {
    #[inline(always)]
    pub(crate) const fn is_none(&self) -> bool {
        true
    }
    pub(crate) const fn message(&mut self, _: &[u8]) -> Result<Option<Payload>, SendError> {
        Ok(None)
    }
    pub(crate) const fn piece(
        &mut self,
        _: &[u8],
        _: bool,
        _: bool,
    ) -> Result<Option<Payload>, SendError> {
        Ok(None)
    }
    pub(crate) const fn prepared<'p>(&mut self, _: &'p crate::Prepared) -> Option<&'p [u8]> {
        None
    }
}

/// There is none.
#[derive(Debug)]
pub(crate) enum Payload {}

impl AsRef<[u8]> for Payload {
    fn as_ref(&self) -> &[u8] {
        match *self {}
    }
}
