//! A program in a container on our own streams: its output is ours, our input is its own, and on a terminal
//! its size too.
//!
//! Both directions are futures of their own, so that a program that reads nothing while it writes, or the
//! other way round, holds up one of them only.

use std::io::{self, Read, Write};

use bytes::Bytes;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use super::frame::{Demultiplexer, Stream};
use super::http::{Daemon, Error, Target};
use super::terminal::{self, Raw};

/// Pieces of input that wait for the node.
const WAITING: usize = 8;
/// Ctrl-P Ctrl-Q: leave the program running.
const DETACH: [u8; 2] = [16, 17];

/// How a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// The program closed its outputs.
    Output,
    /// The user typed the detach keys.
    Detached,
}

/// What a session needs to know.
pub(super) struct Session<'a> {
    pub(super) daemon: &'a Daemon,
    /// `["containers", ID]` or `["exec", ID]`.
    pub(super) of: [&'a str; 2],
    pub(super) tty: bool,
    pub(super) input: bool,
}

impl Session<'_> {
    /// Until the output ends or the user leaves.
    pub(super) async fn attend(&self, stream: TokioIo<Upgraded>) -> Result<Ended, Error> {
        let _raw = if self.tty && self.input {
            Raw::enter()
        } else {
            None
        };
        let (reader, writer) = tokio::io::split(stream);
        // Each of them is polled on where it was; when one ends the session is over.
        tokio::select! {
            biased;
            ended = output(reader, self.tty) => ended.map(|()| Ended::Output),
            ended = self.input(writer) => ended.map(|()| Ended::Detached),
            ended = self.follow_size(), if self.tty => ended.map(|()| Ended::Output),
        }
    }

    /// Returns when the detach keys are typed; the end of the input closes the program's and nothing else.
    async fn input(&self, mut writer: WriteHalf<TokioIo<Upgraded>>) -> Result<(), Error> {
        if self.input {
            let mut keys = Keys::default();
            let mut input = read_input()?;
            while let Some(bytes) = input.recv().await {
                let left = self.tty && keys.leave(&bytes);
                // A program that reads no more is no failure of ours; its output says how it ended.
                if writer.write_all(&bytes).await.is_err() {
                    break;
                }
                if left {
                    return Ok(());
                }
            }
            let _ = writer.shutdown().await;
        }
        std::future::pending().await
    }

    /// Never ends by itself.
    async fn follow_size(&self) -> Result<(), Error> {
        let mut changed = signal(SignalKind::window_change())?;
        while changed.recv().await.is_some() {
            self.resize().await;
        }
        std::future::pending().await
    }

    /// Tells the program the size of our terminal. One that has ended needs none.
    pub(super) async fn resize(&self) {
        if let Some((rows, columns)) = terminal::size() {
            let target = Target::new(&[self.of[0], self.of[1], "resize"])
                .with("h", rows.to_string())
                .with("w", columns.to_string());
            let _ = self.daemon.post(target).await;
        }
    }
}

async fn output(mut reader: ReadHalf<TokioIo<Upgraded>>, tty: bool) -> Result<(), Error> {
    let mut frames = Demultiplexer::default();
    let mut buffer = vec![0; 32 << 10];
    loop {
        let length = reader.read(&mut buffer).await?;
        let bytes = &buffer[..length];
        match (length, tty) {
            (0, _) => return Ok(()),
            (_, true) => print(Stream::Out, bytes)?,
            (_, false) => frames.feed(bytes, &mut print)?,
        }
    }
}

/// What a container says, on the stream on which it says it.
pub(super) fn print(stream: Stream, bytes: &[u8]) -> io::Result<()> {
    fn put(mut out: impl Write, bytes: &[u8]) -> io::Result<()> {
        out.write_all(bytes)?;
        out.flush()
    }
    match stream {
        Stream::Out => put(io::stdout().lock(), bytes),
        Stream::Err => put(io::stderr().lock(), bytes),
    }
}

/// Our input, from a thread of its own: reading it cannot be given up.
fn read_input() -> io::Result<mpsc::Receiver<Bytes>> {
    let (sender, receiver) = mpsc::channel(WAITING);
    let read = move || {
        let mut buffer = [0; 16 << 10];
        while let Ok(length @ 1..) = io::stdin().read(&mut buffer) {
            if sender
                .blocking_send(Bytes::copy_from_slice(&buffer[..length]))
                .is_err()
            {
                return;
            }
        }
    };
    std::thread::Builder::new().name("input".to_owned()).spawn(read)?;
    Ok(receiver)
}

/// Looks for the detach keys in what is typed. The node does as well, and keeps them from the program.
#[derive(Debug, Default)]
struct Keys {
    seen: usize,
}

impl Keys {
    fn leave(&mut self, typed: &[u8]) -> bool {
        for key in typed {
            self.seen = if *key == DETACH[self.seen] {
                self.seen + 1
            } else {
                usize::from(*key == DETACH[0])
            };
            if self.seen == DETACH.len() {
                return true;
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::Keys;

    #[test]
    fn the_detach_keys_are_seen_across_pieces_and_only_together() {
        let typed = |pieces: &[&[u8]]| {
            let mut keys = Keys::default();
            pieces.iter().any(|piece| keys.leave(piece))
        };
        assert!(typed(&[b"x\x10", b"\x11"]));
        assert!(typed(&[b"\x10\x10\x11"]));
        assert!(!typed(&[b"\x10x\x11"]));
        assert!(!typed(&[b"\x11\x10"]));
    }
}
