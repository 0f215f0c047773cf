//! Who waits for the stream to take more: the task that receives, and the one that sends.

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
pub(super) struct Writers {
    stream: Option<Waker>,
    sink: Option<Waker>,
}

impl Writers {
    /// A waker for both tasks, if the other one waits too and is another.
    pub(super) fn both(&self, side: Side, own: &Waker) -> Option<Waker> {
        let other = match side {
            Side::Stream => self.sink.as_ref(),
            Side::Sink => self.stream.as_ref(),
        };
        let other = other.filter(|other| !other.will_wake(own))?;
        Some(Arc::new(Both(own.clone(), other.clone())).into())
    }

    /// Takes note that this task waits, or that nobody has to any more.
    pub(super) fn note(&mut self, side: Side, own: &Waker, is_pending: bool) {
        if is_pending {
            let waits = match side {
                Side::Stream => &mut self.stream,
                Side::Sink => &mut self.sink,
            };
            *waits = Some(own.clone());
            return;
        }
        // All is written, whoever did it.
        for waker in [self.stream.take(), self.sink.take()].into_iter().flatten() {
            if !waker.will_wake(own) {
                waker.wake();
            }
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
