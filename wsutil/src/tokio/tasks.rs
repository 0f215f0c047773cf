//! Who waits for a connection: the task that receives, and the one that sends.
//!
//! A stream wakes only the task that asked last. So whoever polls asks for both, and whoever gets on
//! wakes the other, which may have waited for the same.

use std::{
    sync::Arc,
    task::{Wake, Waker},
};

/// Which of the two tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Stream,
    #[cfg_attr(not(feature = "futures"), allow(dead_code, reason = "the task of a sink"))]
    Sink,
}

/// The tasks that wait; hardly ever both.
#[derive(Debug, Default)]
pub(super) struct Tasks {
    stream: Option<Waker>,
    sink: Option<Waker>,
}

impl Tasks {
    /// A waker for both tasks, if the other one waits too and is another.
    pub(super) fn both(&self, side: Side, own: &Waker) -> Option<Waker> {
        let other = match side {
            Side::Stream => self.sink.as_ref(),
            Side::Sink => self.stream.as_ref(),
        };
        let other = other.filter(|other| !other.will_wake(own))?;
        Some(Arc::new(Both(own.clone(), other.clone())).into())
    }

    /// Takes note that this task waits, or that it got on.
    pub(super) fn note(&mut self, side: Side, own: &Waker, is_pending: bool) {
        let (this, other) = match side {
            Side::Stream => (&mut self.stream, &mut self.sink),
            Side::Sink => (&mut self.sink, &mut self.stream),
        };
        if !is_pending {
            *this = None;
            if let Some(other) = other.take() {
                other.wake();
            }
        } else if !this.as_ref().is_some_and(|waker| waker.will_wake(own)) {
            *this = Some(own.clone());
        }
    }
}

struct Both(Waker, Waker);

impl Wake for Both {
    fn wake(self: Arc<Self>) {
        self.0.wake_by_ref();
        self.1.wake_by_ref();
    }
}
