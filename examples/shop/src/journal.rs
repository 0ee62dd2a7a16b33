//! What a service says: on its own standard output, and to the log service.

use std::io::{self, Write};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use crate::http::client::Sibling;

/// Lines that wait to be sent; what comes on top is on standard output only.
const WAITING: usize = 1024;
/// Lines sent at once.
const BATCH: usize = 128;

pub(crate) struct Journal {
    service: String,
    sending: Option<SyncSender<String>>,
}

impl Journal {
    /// Without a log service (it is this one), on standard output alone.
    pub(crate) fn open(service: &str, log: Option<Sibling>) -> io::Result<Self> {
        let send = |log| {
            let (sending, lines) = sync_channel(WAITING);
            thread::Builder::new().spawn(move || send(&log, &lines))?;
            Ok(sending)
        };
        let sending = log.map(send).transpose();
        sending.map(|sending| Self {
            service: service.to_owned(),
            sending,
        })
    }

    /// Never waits for the log service.
    pub(crate) fn say(&self, line: &str) {
        let line = format!("{}: {line}\n", self.service);
        // There is nobody left to tell where standard output fails, or the queue is full.
        drop(io::stdout().write_all(line.as_bytes()));
        drop(self.sending.as_ref().map(|sending| sending.try_send(line)));
    }
}

/// Everything that waits goes in one request.
fn send(log: &Sibling, lines: &Receiver<String>) {
    while let Ok(first) = lines.recv() {
        let batch: String = std::iter::once(first)
            .chain(lines.try_iter().take(BATCH - 1))
            .collect();
        // Standard output has them.
        drop(log.tell("/lines", &batch));
    }
}
