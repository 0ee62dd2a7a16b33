//! Starting a worker, feeding it, and hearing its answer.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::ExitStatus;
use std::thread;

use rustix::pipe::{PipeFlags, pipe_with};
use serde::de::DeserializeOwned;

use super::jobs::{Answer, BEAT, Job};
use super::{WorkerJob, Workers};
use crate::Error;

/// The longest answer: a list of all parts of an archive.
const MAX_ANSWER: u64 = 64 << 20;
/// What a worker may say before it dies.
const MAX_DIAGNOSTICS: u64 = 4 << 10;
const COPY_BUFFER: usize = 256 << 10;
const PIPE: usize = 1 << 20;

/// Whether a worker is to go on.
type Watch<'a> = dyn Fn() -> io::Result<()> + Sync + 'a;

/// What a worker reads.
pub(crate) enum Stream<'a> {
    /// A file, from where it is.
    File(&'a File),
    /// Whatever comes; it is pumped through a pipe.
    Reader(&'a mut dyn Read),
}

/// Has a worker do a job and answers what it found out.
///
/// # Errors
/// [`Error::Archive`] where the archive is to blame, [`Error::Worker`] where the worker is.
pub(crate) fn run<T: DeserializeOwned>(
    workers: &dyn Workers,
    job: &Job,
    stream: Stream<'_>,
    directory: BorrowedFd<'_>,
) -> Result<T, Error> {
    run_while(workers, job, (stream, directory), &|| Ok(()))
}

/// As [`run`], until the watch answers an error: it is asked first, and each time that the worker says how far it is.
///
/// # Errors
/// As there; what the watch answered.
pub(crate) fn run_while<T: DeserializeOwned>(
    workers: &dyn Workers,
    job: &Job,
    (stream, directory): (Stream<'_>, BorrowedFd<'_>),
    watch: &Watch<'_>,
) -> Result<T, Error> {
    watch().map_err(Error::io(LISTEN))?;
    let arguments = vec![OsString::from(
        serde_json::to_string(job).map_err(|error| Error::Worker(error.to_string()))?,
    )];
    let start = Error::io("start a worker");
    let finished = match stream {
        Stream::File(file) => converse(
            workers,
            arguments,
            file.as_fd().try_clone_to_owned(),
            None,
            (directory, watch),
        ),
        Stream::Reader(reader) => match wide_pipe() {
            Ok((read, write)) => converse(
                workers,
                arguments,
                Ok(read),
                Some((reader, write)),
                (directory, watch),
            ),
            Err(error) => Err(error),
        },
    };
    judge(finished.map_err(start)?)
}

/// A pipe that holds as much as one may without privilege, so that whoever fills it and whoever empties it take
/// turns less often.
fn wide_pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let ends = pipe_with(PipeFlags::CLOEXEC)?;
    // A smaller one does as well.
    let _ = rustix::pipe::fcntl_setpipe_size(&ends.1, PIPE);
    Ok(ends)
}

/// How a worker's life went.
struct Finished {
    status: ExitStatus,
    /// Or why nobody listened to its end.
    answer: io::Result<Vec<u8>>,
    diagnostics: Vec<u8>,
    /// How reading the stream for it failed.
    fed: io::Result<()>,
}

const LISTEN: &str = "have a worker read an archive";

fn judge<T: DeserializeOwned>(finished: Finished) -> Result<T, Error> {
    let answer = finished.answer.map_err(Error::io(LISTEN))?;
    finished.fed.map_err(Error::io("read the archive"))?;
    match serde_json::from_slice(&answer) {
        Ok(Answer::Done(value)) => Ok(value),
        Ok(Answer::Refused(why)) => Err(Error::Archive(why)),
        Ok(Answer::Failed(why)) => Err(Error::Worker(why)),
        Err(_) => {
            let said = String::from_utf8_lossy(&finished.diagnostics);
            Err(Error::Worker(format!(
                "the worker ended with {}: {}",
                finished.status,
                said.trim()
            )))
        }
    }
}

/// The pipes of a worker are read and written at once, and the worker's ends are closed as soon as it has ended, so
/// that nobody waits for it.
fn converse(
    workers: &dyn Workers,
    arguments: Vec<OsString>,
    stream: io::Result<OwnedFd>,
    feed: Option<(&mut dyn Read, OwnedFd)>,
    (directory, watch): (BorrowedFd<'_>, &Watch<'_>),
) -> io::Result<Finished> {
    let stream = stream?;
    let (answer, answer_end) = pipe_with(PipeFlags::CLOEXEC)?;
    let (diagnostics, diagnostics_end) = pipe_with(PipeFlags::CLOEXEC)?;
    thread::scope(|scope| {
        let runner = scope.spawn(move || {
            let ends = (stream, diagnostics_end, answer_end);
            workers.run(WorkerJob {
                arguments,
                descriptors: vec![
                    ends.0.as_fd(),
                    ends.1.as_fd(),
                    ends.1.as_fd(),
                    ends.2.as_fd(),
                    directory,
                ],
            })
        });
        let listener = scope.spawn(move || {
            let answer = listen(File::from(answer), watch);
            (answer, read_all(diagnostics, MAX_DIAGNOSTICS))
        });
        let fed = feed.map_or(Ok(()), |(reader, pipe)| pump(reader, File::from(pipe)));
        let panicked = |_| io::Error::other("a worker's thread panicked");
        let (answer, diagnostics) = listener.join().map_err(panicked)?;
        Ok(Finished {
            status: runner.join().map_err(panicked)??,
            answer,
            diagnostics: diagnostics?,
            fed,
        })
    })
}

/// Hears a worker's answer, and the watch's each time that it says before how far it is. Not to listen ends it.
fn listen(pipe: File, watch: &Watch<'_>) -> io::Result<Vec<u8>> {
    let mut pipe = BufReader::new(pipe);
    loop {
        let said = pipe.fill_buf()?;
        match said.iter().take_while(|byte| **byte == BEAT).count() {
            0 => break,
            beats => pipe.consume(beats),
        }
        watch()?;
    }
    let mut answer = Vec::new();
    pipe.take(MAX_ANSWER).read_to_end(&mut answer)?;
    Ok(answer)
}

fn read_all(pipe: OwnedFd, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::from(pipe).take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Copies until the stream ends or the worker wants no more: a refused archive is not read on.
fn pump(reader: &mut dyn Read, mut pipe: File) -> io::Result<()> {
    let mut buffer = vec![0; COPY_BUFFER];
    loop {
        let count = match reader.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        match pipe.write_all(&buffer[..count]) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
            other => other?,
        }
    }
}
