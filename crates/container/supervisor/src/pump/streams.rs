//! Streams: read, cut into entries, logged, and copied to who has attached.

use std::io;
use std::os::fd::OwnedFd;

use sys::clock;
use sys::epoll::{Interest, Ready};

use super::{Pump, Report, Source, Stream, token};
use crate::log::{Splitter, StreamName, rfc3339_nano};

impl Pump {
    pub(super) fn read_all(&mut self, life: u64, sources: Vec<Source>) {
        for source in sources {
            self.read_from(life, source);
        }
    }

    fn read_from(&mut self, life: u64, source: Source) {
        let Some(log) = self.logs.get(&life) else { return };
        let splitter = Splitter::new(log.file.cut(), Vec::new());
        let Source { name, reader, copy } = source;
        // epoll_ctl fails only when the kernel is out of memory: the stream then ends, unread.
        drop(self.add(Stream {
            life,
            name,
            reader,
            splitter,
            copy,
            pending: Vec::new(),
            quiet: false,
        }));
    }

    pub(super) fn add(&mut self, stream: Stream) -> io::Result<()> {
        let token = token(stream.life, stream.name);
        let waits = !stream.pending.is_empty();
        if !waits {
            self.epoll.add(&stream.reader, token, Interest::READ)?;
        }
        if let Some(copy) = &stream.copy {
            self.epoll.add(
                copy,
                token + 1,
                if waits { Interest::WRITE } else { Interest::NONE },
            )?;
        }
        self.streams.insert(token, stream);
        Ok(())
    }

    pub(super) fn copy(&mut self, life: u64, copies: Vec<(StreamName, OwnedFd)>) {
        for (name, copy) in copies {
            let token = token(life, name);
            let Some(stream) = self.streams.get_mut(&token) else {
                continue;
            };
            let waits = !std::mem::take(&mut stream.pending).is_empty();
            if self.epoll.add(&copy, token + 1, Interest::NONE).is_ok() {
                stream.copy = Some(copy);
            }
            if waits {
                drop(self.epoll.add(&stream.reader, token, Interest::READ));
            }
        }
    }

    pub(super) fn drain(&mut self, life: u64) {
        if let Some(log) = self.logs.get_mut(&life) {
            log.draining = true;
        }
        for token in self.tokens(life) {
            self.settle(token);
        }
        self.report_if_drained(life);
    }

    pub(super) fn tokens(&self, life: u64) -> Vec<u64> {
        [StreamName::Stdout, StreamName::Stderr]
            .map(|name| token(life, name))
            .into_iter()
            .filter(|token| self.streams.contains_key(token))
            .collect()
    }

    /// Reads a stream until it is empty, ended, or waits for its copy's reader. Only for a process
    /// that has ended: what is in the pipe now is all it wrote.
    pub(super) fn settle(&mut self, token: u64) {
        while self.read(token) {}
    }

    pub(super) fn serve(&mut self, event: Ready) {
        let stream = event.token & !1;
        if event.token != stream && !self.serve_copy(stream, event.closed) {
            return;
        }
        let Some(life) = self.streams.get(&stream).map(|stream| stream.life) else {
            return;
        };
        if self.logs.get(&life).is_some_and(|log| log.draining) {
            self.settle(stream);
            self.report_if_drained(life);
        } else {
            self.read(stream);
        }
    }

    /// A copy's reader has made room, or has gone; whether the stream may be read on.
    fn serve_copy(&mut self, token: u64, gone: bool) -> bool {
        if let Some(stream) = self.streams.get_mut(&token).filter(|_| gone) {
            stream.copy = None;
        }
        self.push_copy(token)
    }

    /// One read; whether there may be more at once.
    pub(super) fn read(&mut self, token: u64) -> bool {
        let Some(stream) = self
            .streams
            .get_mut(&token)
            .filter(|stream| stream.pending.is_empty())
        else {
            return false;
        };
        match sys::pipe::read(&stream.reader, &mut self.chunk) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                stream.quiet = true;
                false
            }
            // A terminal whose last slave has closed answers EIO.
            Ok(0) | Err(_) => {
                self.end(token);
                false
            }
            Ok(length) => {
                self.log(token, length);
                self.push_copy(token)
            }
        }
    }

    /// Writes the lines of the chunk that was just read.
    pub(super) fn log(&mut self, token: u64, length: usize) {
        self.write_lines(token, Some(length));
    }

    /// Writes an unfinished line as a partial entry.
    pub(super) fn flush(&mut self, token: u64) {
        self.write_lines(token, None);
    }

    /// Of the first `length` bytes of the chunk, or of what is left at a stream's end.
    fn write_lines(&mut self, token: u64, length: Option<usize>) {
        let Some(stream) = self.streams.get_mut(&token) else {
            return;
        };
        let Some(log) = self.logs.get_mut(&stream.life) else {
            return;
        };
        let chunk = length.map(|length| &self.chunk[..length]);
        if stream.copy.is_some() {
            stream.pending.extend_from_slice(chunk.unwrap_or_default());
        }
        if log.file.keeps_nothing() {
            return;
        }
        let time = rfc3339_nano(clock::realtime());
        let (batch, name, format) = (&mut self.batch, stream.name, &log.file.spec().format);
        batch.clear();
        match chunk {
            Some(chunk) => stream.splitter.feed(chunk, |line, ending| {
                batch.push(format, &time, name, line, ending);
            }),
            None => stream
                .splitter
                .finish(|line, ending| batch.push(format, &time, name, line, ending)),
        }
        let life = stream.life;
        self.write(life);
    }

    pub(super) fn write(&mut self, life: u64) {
        let Some(log) = self.logs.get_mut(&life) else {
            return;
        };
        log.file.append(&self.batch, clock::boottime());
        let stats = log.file.counters.snapshot();
        if (stats.errno == 0) != (log.errno == 0) {
            self.reports.push(Report::Trouble(life, stats));
        }
        log.errno = stats.errno;
    }

    /// Passes pending output to the copy's reader; whether there is none left. A reader that has
    /// gone ends the copy, not the stream.
    pub(super) fn push_copy(&mut self, token: u64) -> bool {
        let Some(stream) = self.streams.get_mut(&token) else {
            return false;
        };
        while let (Some(copy), false) = (&stream.copy, stream.pending.is_empty()) {
            match sys::pipe::write(copy, &stream.pending) {
                Ok(length) => drop(stream.pending.drain(..length)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(_) => stream.copy = None,
            }
        }
        if stream.copy.is_none() {
            stream.pending = Vec::new();
        }
        let waits = !stream.pending.is_empty();
        // Taken out of epoll, not muted: a hang-up would be reported over and over. A reader that
        // is in place already answers EEXIST.
        drop(if waits {
            self.epoll.remove(&stream.reader)
        } else {
            self.epoll.add(&stream.reader, token, Interest::READ)
        });
        if let Some(copy) = &stream.copy {
            let interest = if waits { Interest::WRITE } else { Interest::NONE };
            drop(self.epoll.modify(copy, token + 1, interest));
        }
        !waits
    }

    pub(super) fn end(&mut self, token: u64) {
        self.flush(token);
        if let Some(stream) = self.streams.remove(&token) {
            // The daemon's duplicate would keep it in epoll, ready for ever. One that waits for its
            // copy's reader has been taken out already.
            drop(self.epoll.remove(&stream.reader));
        }
    }

    /// The last line is in the file before the other thread hears of the end.
    pub(super) fn report_if_drained(&mut self, life: u64) {
        let tokens = self.tokens(life);
        let quiet = |token: &u64| self.streams[token].quiet && self.streams[token].pending.is_empty();
        if !tokens.iter().all(quiet) || !self.logs.get(&life).is_some_and(|log| log.draining) {
            return;
        }
        for token in tokens {
            self.flush(token);
        }
        if let Some(log) = self.logs.get_mut(&life) {
            log.draining = false;
        }
        self.reports.push(Report::Drained(life));
    }
}
