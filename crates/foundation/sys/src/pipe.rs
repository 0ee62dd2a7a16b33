//! Pipes, as the standard streams of a process that must outlive whoever reads them. pipe(7)

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use rustix::fs::{CWD, Mode, OFlags};
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
    fn input_ends_when_the_write_end_closes() {
        let (uid, gid) = own();
        let (reader, writer) = input(uid, gid).unwrap();
        drop(writer);
        assert_eq!(read(&reader, &mut [0; 1]).unwrap(), 0);
    }
}
