//! Reading container logs (`docker logs`): the files that the supervisor writes, also while it
//! writes and rotates them.
//!
//! [`read()`] starts a task that sends entries over a bounded channel: first what is there, from
//! the last `tail` entries on, then, if it follows, what comes, until the container has ended and
//! all of it is read. Who does not follow sees what was there when the reading began. It waits for inotify(7) and never polls; a client that does not read stops
//! the task, not the container. Files are read on blocking threads, a batch at a time.

mod entry;
mod files;
mod lines;
#[cfg(test)]
mod tests;
mod watch;

use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::mpsc;

use crate::Error;
use crate::request::Stream;
use crate::spec::LogDriver;

pub use entry::{Format, LogEntry};
use files::Reader;
use watch::Watch;

/// Entries that wait for a slow client.
const BACKLOG: usize = 64;
/// Entries read in one visit of a blocking thread.
const BATCH: usize = 64;

/// What is wanted of a log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogQuery {
    /// Standard output.
    pub stdout: bool,
    /// Standard error.
    pub stderr: bool,
    /// Nothing before.
    pub since: Option<Timestamp>,
    /// Nothing after.
    pub until: Option<Timestamp>,
    /// The last entries only, counted before anything else is left out; absent for all.
    pub tail: Option<u64>,
    /// Whether what comes is wanted too.
    pub follow: bool,
}

impl LogQuery {
    fn admits(&self, entry: &LogEntry) -> bool {
        let stream = match entry.stream {
            Stream::Stdout => self.stdout,
            Stream::Stderr => self.stderr,
        };
        stream && self.since.is_none_or(|since| entry.time >= since) && !self.is_past(entry)
    }

    fn is_past(&self, entry: &LogEntry) -> bool {
        self.until.is_some_and(|until| entry.time > until)
    }
}

/// Where a container's log is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogSource {
    /// The file being written; older ones are beside it, `.1` the youngest.
    pub path: PathBuf,
    /// How entries are written.
    pub format: Format,
}

impl LogSource {
    /// The log of a container whose json-file would be `path`.
    ///
    /// # Errors
    /// [`Error::Unsupported`]: there is none to read.
    pub fn of(driver: &LogDriver, path: PathBuf) -> Result<Self, Error> {
        match driver {
            LogDriver::JsonFile { .. } => Ok(Self {
                path,
                format: Format::Json,
            }),
            LogDriver::Cri { path, .. } => Ok(Self {
                path: path.into(),
                format: Format::Cri,
            }),
            LogDriver::Unusable { reason } => Err(Error::Specification(reason.clone())),
            LogDriver::None => Err(Error::Unsupported(
                "configured logging driver does not support reading".to_owned(),
            )),
        }
    }
}

/// Starts reading. `now` is the time of day; `ended` resolves when the container has ended and
/// its last line is written, which ends a follower.
///
/// The channel closes after the last entry, or after an error.
pub fn read(
    source: LogSource,
    query: LogQuery,
    now: Timestamp,
    ended: impl Future<Output = ()> + Send + 'static,
) -> mpsc::Receiver<io::Result<LogEntry>> {
    let (sender, receiver) = mpsc::channel(BACKLOG);
    tokio::spawn(async move {
        // A client that has gone needs no answer.
        if let Err(error) = run(source, query, now, ended, &sender).await {
            let _ = sender.send(Err(error)).await;
        }
    });
    receiver
}

/// Whether a reading goes on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    More,
    Done,
}

async fn run(
    source: LogSource,
    query: LogQuery,
    now: Timestamp,
    ended: impl Future<Output = ()> + Send,
    sender: &mpsc::Sender<io::Result<LogEntry>>,
) -> io::Result<()> {
    // Watched before the first look, so that nothing written in between goes unnoticed.
    let mut watch = if query.follow {
        Some(Watch::new(&source.path)?)
    } else {
        None
    };
    let (tail, follow) = (query.tail, query.follow);
    let mut reader = blocking(move || Reader::open(source, tail, follow)).await?;
    let mut until = std::pin::pin!(sleep_until(query.until, now));
    let mut ended = std::pin::pin!(ended);
    loop {
        let done;
        (reader, done) = send_all(reader, &query, sender).await?;
        let Some(watch) = watch.as_mut().filter(|_| done == Next::More) else {
            return Ok(());
        };
        // Cancel-safe: each arm only waits; what an arm learns is in the files.
        let last = tokio::select! {
            biased;
            () = sender.closed() => return Ok(()),
            () = &mut until => true,
            () = &mut ended => true,
            changed = watch.changed() => changed.map(|()| false)?,
        };
        if last {
            send_all(reader, &query, sender).await?;
            return Ok(());
        }
    }
}

/// Sends whatever there is now.
async fn send_all(
    mut reader: Reader,
    query: &LogQuery,
    sender: &mpsc::Sender<io::Result<LogEntry>>,
) -> io::Result<(Reader, Next)> {
    loop {
        let batch;
        (reader, batch) = blocking(move || reader.batch(BATCH).map(|batch| (reader, batch))).await?;
        if batch.is_empty() {
            return Ok((reader, Next::More));
        }
        for entry in batch {
            // Entries of two streams may be out of order by a little: only a follower, which
            // would wait for ever, takes the first one past the end for the end.
            if query.follow && query.is_past(&entry) {
                return Ok((reader, Next::Done));
            }
            if query.admits(&entry) && sender.send(Ok(entry)).await.is_err() {
                return Ok((reader, Next::Done));
            }
        }
    }
}

async fn sleep_until(until: Option<Timestamp>, now: Timestamp) {
    match until {
        Some(until) => {
            tokio::time::sleep(Duration::try_from(until.duration_since(now)).unwrap_or_default()).await;
        }
        None => std::future::pending().await,
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(io::Error::other)?
}
