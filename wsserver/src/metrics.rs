//! What a server counts, and how it tells Prometheus.

use std::{
    fmt::{self, Write},
    sync::atomic::{AtomicU64, Ordering},
};

use crate::{End, shared::Shared};

/// A number that one thread counts up, and all read.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    /// Only ever called by the same thread: costs no more than adding to a number of its own.
    pub(crate) fn add(&self, more: u64) {
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(more), Ordering::Relaxed);
    }

    fn read(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What one loop counts.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    /// Connections that were told 503, as there were too many.
    pub(crate) refused: Counter,
    /// Requests that were answered with anything but 101, or not at all.
    pub(crate) not_upgraded: Counter,
    pub(crate) opened: Counter,
    /// Messages that came.
    pub(crate) received: Counter,
    /// Messages that others sent, for each client that they were for.
    pub(crate) delivered: Counter,
    /// Those of them that were dropped, for clients that did not keep up.
    pub(crate) dropped: Counter,
    pub(crate) pings: Counter,
    /// How connections ended.
    pub(crate) ended: [Counter; End::NAMES.len()],
}

/// What is told of one number: its name, what it is, and its values by label.
type Family<'a> = (&'static str, &'static str, &'static str, Vec<(&'a str, u64)>);

/// All of a server's, in the text format of Prometheus.
pub(crate) fn render(shared: &Shared) -> String {
    let sum = |counter: fn(&Metrics) -> &Counter| {
        vec![("", shared.loops.iter().map(|one| counter(&one.metrics).read()).sum())]
    };
    let ended = End::NAMES.iter().enumerate().map(|(place, name)| {
        let counters = shared.loops.iter().map(|one| one.metrics.ended[place].read());
        (*name, counters.sum())
    });
    let gauge = |value: usize| vec![("", value as u64)];
    let families: [Family<'_>; 13] = [
        ("connections", "gauge", "Streams that are accepted", gauge(shared.connections())),
        ("open", "gauge", "Connections that are upgraded", gauge(shared.open())),
        (
            "rooms",
            "gauge",
            "Rooms, once for each loop that has members of them",
            gauge(shared.rooms()),
        ),
        ("queued_bytes", "gauge", "What waits for clients", gauge(shared.queued())),
        (
            "held_bytes",
            "gauge",
            "What is held of messages that are not whole",
            gauge(shared.held()),
        ),
        ("refused_total", "counter", "Streams told 503", sum(|one| &one.refused)),
        ("not_upgraded_total", "counter", "Requests without a 101", sum(|one| &one.not_upgraded)),
        ("opened_total", "counter", "Connections that were upgraded", sum(|one| &one.opened)),
        ("received_total", "counter", "Messages from clients", sum(|one| &one.received)),
        ("delivered_total", "counter", "Messages of others, by client", sum(|one| &one.delivered)),
        ("dropped_total", "counter", "Those dropped for slow clients", sum(|one| &one.dropped)),
        ("pings_total", "counter", "Pings of silent clients", sum(|one| &one.pings)),
        ("ended_total", "counter", "Connections by how they ended", ended.collect()),
    ];
    let mut text = String::new();
    for family in &families {
        // Writing to a string does not fail.
        let _ = put(&mut text, family);
    }
    text
}

fn put(text: &mut String, (name, kind, help, values): &Family<'_>) -> fmt::Result {
    writeln!(text, "# HELP wsserver_{name} {help}.\n# TYPE wsserver_{name} {kind}")?;
    for (label, value) in values {
        match *label {
            "" => writeln!(text, "wsserver_{name} {value}")?,
            label => writeln!(text, "wsserver_{name}{{end=\"{label}\"}} {value}")?,
        }
    }
    Ok(())
}
