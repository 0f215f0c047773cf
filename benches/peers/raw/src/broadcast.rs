//! Broadcast: what one client sends goes to all, with one write of the ready bytes for each. It is
//! expected that one client sends at a time.

use std::io;

use slab::Slab;

use crate::Client;

/// Tells all what one client sends, until its socket has nothing more.
pub fn serve(
    clients: &mut Slab<Client>,
    key: usize,
    buffer: &mut [u8],
    is_closed: bool,
) -> io::Result<()> {
    clients[key].flush()?;
    loop {
        let (reply, is_drained) = clients[key].receive(buffer)?;
        if reply > 0 {
            for (_, client) in clients.iter_mut() {
                // That a client is gone is told when it is read from.
                let _ = client.take(&buffer[..reply]);
            }
        }
        if is_drained && !is_closed {
            return Ok(());
        }
    }
}

impl Client {
    /// Writes once, or has it wait behind what waits already.
    fn take(&mut self, reply: &[u8]) -> io::Result<()> {
        if !self.is_upgraded {
            return Ok(());
        }
        if !self.unsent.is_empty() {
            self.unsent.extend_from_slice(reply);
            return Ok(());
        }
        self.send(reply)
    }
}
