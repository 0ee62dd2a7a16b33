//! Pipes, as the standard streams of a process that must outlive whoever reads them. pipe(7)

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};

/// A pipe that carries what a process writes.
#[derive(Debug)]
pub struct OutputPipe {
    /// For the reader: read-only and non-blocking. It reports the end of the stream once the last
    /// duplicate of `writer` is closed.
    pub reader: OwnedFd,
    /// For the process: open for reading **and** writing. A process that holds it is itself a
    /// reader of the pipe, so a write never meets a pipe without readers: no SIGPIPE and no EPIPE,
    /// whoever dies on the other side. It waits instead when the pipe is full.
    pub writer: OwnedFd,
}

/// A pipe for output, owned by `uid` and `gid` so that the process may open `/dev/stdout`.
pub fn output(uid: u32, gid: u32) -> io::Result<OutputPipe> {
    let (reader, plain) = pipe_with(PipeFlags::CLOEXEC)?;
    let writer = reopen(&plain, OFlags::RDWR)?;
    give(&writer, uid, gid)?;
    set_nonblocking(&reader)?;
    Ok(OutputPipe { reader, writer })
}

/// A pipe for input: (the process's read end, the blocking write end). The process must not hold a
/// write end, or it would never see the end of its input.
pub fn input(uid: u32, gid: u32) -> io::Result<(OwnedFd, OwnedFd)> {
    let (reader, writer) = pipe_with(PipeFlags::CLOEXEC)?;
    give(&reader, uid, gid)?;
    Ok((reader, writer))
}

/// A pipe that another process has open, without an end of it: opening it changes nothing for anybody.
#[derive(Debug)]
pub struct ForeignPipe {
    pipe: OwnedFd,
    id: u64,
    both: bool,
}

/// The pipe behind descriptor `number` of process `pid`; none where there is something else, or nothing.
/// What a process shows there is its own choice, so nothing but a pipe is ever opened.
///
/// # Errors
/// This process may not look.
pub fn foreign(pid: u32, number: u32) -> io::Result<Option<ForeignPipe>> {
    let path = format!("/proc/{pid}/fd/{number}");
    let pipe = match rustix::fs::openat(CWD, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()) {
        Err(Errno::NOENT | Errno::SRCH | Errno::NXIO) => return Ok(None),
        other => other?,
    };
    if u64::try_from(rustix::fs::fstatfs(&pipe)?.f_type) != Ok(PIPEFS_MAGIC) {
        return Ok(None);
    }
    let id = rustix::fs::fstat(&pipe)?.st_ino;
    let both = opened_for_both(pid, number);
    Ok(Some(ForeignPipe { pipe, id, both }))
}

impl ForeignPipe {
    /// Its number: the same for all descriptors of one pipe.
    #[must_use]
    pub const fn id(&self) -> u64 {
        self.id
    }

    /// Whether the process holds it as [`OutputPipe::writer`] is held, which hardly any other pipe is.
    #[must_use]
    pub const fn is_output(&self) -> bool {
        self.both
    }

    /// A read end of one's own: non-blocking, and what is in the pipe comes to whoever reads first.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn reader(&self) -> io::Result<OwnedFd> {
        reopen(&self.pipe, OFlags::RDONLY | OFlags::NONBLOCK)
    }

    /// A write end of one's own; it blocks.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn writer(&self) -> io::Result<OwnedFd> {
        // Without waiting: the process that read it may be gone.
        let writer = reopen(&self.pipe, OFlags::WRONLY | OFlags::NONBLOCK)?;
        let flags = rustix::fs::fcntl_getfl(&writer)?;
        rustix::fs::fcntl_setfl(&writer, flags - OFlags::NONBLOCK)?;
        Ok(writer)
    }
}

/// The file system of pipes.
const PIPEFS_MAGIC: u64 = 0x5049_5045;

fn opened_for_both(pid: u32, number: u32) -> bool {
    let info = std::fs::read_to_string(format!("/proc/{pid}/fdinfo/{number}")).unwrap_or_default();
    let flags = info.lines().find_map(|line| line.strip_prefix("flags:"));
    let flags = flags.and_then(|flags| u32::from_str_radix(flags.trim(), 8).ok());
    flags.is_some_and(|flags| OFlags::from_bits_retain(flags) & OFlags::RWMODE == OFlags::RDWR)
}

/// A plain close-on-exec pipe: (read end, write end), of which the write end does not block.
pub fn copy_target() -> io::Result<(OwnedFd, OwnedFd)> {
    let (reader, writer) = pipe_with(PipeFlags::CLOEXEC)?;
    set_nonblocking(&writer)?;
    Ok((reader, writer))
}

/// Makes the file description behind `fd` non-blocking.
pub fn set_nonblocking(fd: impl AsFd) -> io::Result<()> {
    let flags = rustix::fs::fcntl_getfl(&fd)?;
    Ok(rustix::fs::fcntl_setfl(&fd, flags | OFlags::NONBLOCK)?)
}

/// Reads into `buffer`; zero is the end of the stream.
pub fn read(fd: impl AsFd, buffer: &mut [u8]) -> io::Result<usize> {
    Ok(rustix::io::retry_on_intr(|| rustix::io::read(&fd, &mut *buffer))?)
}

/// Writes from `bytes` and answers how many went. The caller must ignore SIGPIPE, as Rust's
/// runtime does.
pub fn write(fd: impl AsFd, bytes: &[u8]) -> io::Result<usize> {
    Ok(rustix::io::retry_on_intr(|| rustix::io::write(&fd, bytes))?)
}

/// A second file description of the same pipe. Linux opens a pipe by its /proc link as it opens a
/// FIFO, with any access mode.
fn reopen(pipe: &OwnedFd, access: OFlags) -> io::Result<OwnedFd> {
    let path = format!("/proc/self/fd/{}", pipe.as_raw_fd());
    Ok(rustix::fs::openat(
        CWD,
        path,
        access | OFlags::CLOEXEC,
        Mode::empty(),
    )?)
}

fn give(pipe: &OwnedFd, uid: u32, gid: u32) -> io::Result<()> {
    let (uid, gid) = (rustix::fs::Uid::from_raw(uid), rustix::fs::Gid::from_raw(gid));
    Ok(rustix::fs::fchown(pipe, Some(uid), Some(gid))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own() -> (u32, u32) {
        (
            rustix::process::getuid().as_raw(),
            rustix::process::getgid().as_raw(),
        )
    }

    #[test]
    fn a_writer_outlives_its_reader_and_the_reader_sees_the_end() {
        let (uid, gid) = own();
        let pipe = output(uid, gid).unwrap();
        let mut buffer = [0; 8];
        assert_eq!(
            read(&pipe.reader, &mut buffer).unwrap_err().kind(),
            io::ErrorKind::WouldBlock
        );
        write(&pipe.writer, b"abc").unwrap();
        let second = output(uid, gid).unwrap();
        drop(second.reader);
        assert_eq!(
            write(&second.writer, b"abc").unwrap(),
            3,
            "no reader but the writer itself"
        );
        drop(pipe.writer);
        assert_eq!(read(&pipe.reader, &mut buffer).unwrap(), 3);
        assert_eq!(read(&pipe.reader, &mut buffer).unwrap(), 0);
    }

    #[test]
    fn what_a_killed_reader_has_left_in_a_pipe_is_read_by_the_next() {
        let (uid, gid) = own();
        let pipe = output(uid, gid).unwrap();
        let number = |fd: &OwnedFd| u32::try_from(fd.as_raw_fd()).unwrap();
        write(&pipe.writer, b"abc").unwrap();
        drop(pipe.reader);
        let found = foreign(std::process::id(), number(&pipe.writer))
            .unwrap()
            .unwrap();
        assert!(found.is_output());
        let reader = found.reader().unwrap();
        let mut buffer = [0; 8];
        assert_eq!(read(&reader, &mut buffer).unwrap(), 3);
        drop(pipe.writer);
        assert_eq!(read(&reader, &mut buffer).unwrap(), 0, "the end is still seen");
    }

    #[test]
    fn an_input_is_opened_again_and_nothing_but_a_pipe_is() {
        let (uid, gid) = own();
        let (reader, writer) = input(uid, gid).unwrap();
        drop(writer);
        let here =
            |fd: &OwnedFd| foreign(std::process::id(), u32::try_from(fd.as_raw_fd()).unwrap()).unwrap();
        let found = here(&reader).unwrap();
        assert!(!found.is_output());
        let again = found.writer().unwrap();
        assert_eq!(write(&again, b"x").unwrap(), 1);
        assert_eq!(read(&reader, &mut [0; 8]).unwrap(), 1);
        let file: OwnedFd = std::fs::File::open("/dev/null").unwrap().into();
        assert!(here(&file).is_none());
        assert!(foreign(std::process::id(), 9_999).unwrap().is_none());
    }

    #[test]
    fn input_ends_when_the_write_end_closes() {
        let (uid, gid) = own();
        let (reader, writer) = input(uid, gid).unwrap();
        drop(writer);
        assert_eq!(read(&reader, &mut [0; 1]).unwrap(), 0);
    }
}
