//! Nobody is told what goes over a connection.

use wscore::Header;

use crate::Event;

/// A frame, or a piece of one, was received.
#[inline(always)]
pub(crate) const fn received(_: &Event<'_>) {}

/// A frame is on its way out.
#[inline(always)]
pub(crate) const fn sent(_: &Header) {}
