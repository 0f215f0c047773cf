//! CPU time that server and load generator used.

use std::{
    io,
    time::{Duration, Instant},
};

use crate::system;

/// CPU time used until some moment.
pub struct Usage {
    pub at: Instant,
    server: Duration,
    load: Duration,
}

impl Usage {
    pub fn now(server: u32) -> io::Result<Self> {
        let load = system::cpu_time(std::process::id())?;
        Ok(Self { at: Instant::now(), server: system::cpu_time(server)?, load })
    }

    /// What was measured, as fields of JSON, for so many of what is counted; `waited` is the share
    /// of time when neither side ran.
    pub fn compare(before: &Self, after: &Self, count: usize) -> String {
        let passed = (after.at - before.at).as_secs_f64();
        let server = (after.server - before.server).as_secs_f64();
        let load = (after.load - before.load).as_secs_f64();
        let count = count as f64;
        let rate = count / passed;
        let (server_us, load_us) = (server * 1e6 / count, load * 1e6 / count);
        let waited = (1.0 - (server + load) / passed).max(0.0);
        format!(
            r#""rate": {rate:.1}, "server_us": {server_us:.5}, "load_us": {load_us:.5}, "waited": {waited:.4}"#
        )
    }
}
