//! Waiting for one descriptor: poll(2). For many at once there is [`crate::epoll`].

use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;

/// Waits until there is something to read, or the end of it. A pidfd is readable when its process
/// has ended.
pub fn readable(fd: impl AsFd) -> io::Result<()> {
    wait(&fd, PollFlags::IN, None).map(drop)
}

/// As [`readable`], but no longer than `limit`: whether it came to be.
pub fn readable_within(fd: impl AsFd, limit: Duration) -> io::Result<bool> {
    wait(&fd, PollFlags::IN, Some(limit))
}

/// Waits for exceptional news, such as a change of a kernel file that supports it (`cgroup.events`).
pub fn urgent(fd: impl AsFd) -> io::Result<()> {
    wait(&fd, PollFlags::PRI, None).map(drop)
}

/// As [`urgent`], but no longer than `limit`: whether there was news.
pub fn urgent_within(fd: impl AsFd, limit: Duration) -> io::Result<bool> {
    wait(&fd, PollFlags::PRI, Some(limit))
}

/// A signal begins the wait anew: its limit is then a lower bound.
fn wait(fd: &impl AsFd, what: PollFlags, limit: Option<Duration>) -> io::Result<bool> {
    let limit = limit.map(|limit| Timespec {
        tv_sec: limit.as_secs().cast_signed(),
        tv_nsec: limit.subsec_nanos().into(),
    });
    let mut fds = [PollFd::new(fd, what)];
    loop {
        match rustix::event::poll(&mut fds, limit.as_ref()) {
            Err(Errno::INTR) => {}
            other => return Ok(other? > 0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_readable() {
        let (read, write) = rustix::pipe::pipe().unwrap();
        assert!(!readable_within(&read, Duration::ZERO).unwrap());
        rustix::io::write(&write, b"x").unwrap();
        assert!(readable_within(&read, Duration::from_secs(60)).unwrap());
        drop(write);
        readable(&read).unwrap();
    }
}
