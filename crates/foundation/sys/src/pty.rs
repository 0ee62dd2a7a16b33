//! Pseudo-terminals. pty(7), ioctl_tty(2)

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::pty::OpenptFlags;
use rustix::termios::Winsize;

/// Rows and columns, in characters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Size {
    /// Lines.
    pub rows: u16,
    /// Characters in a line.
    pub columns: u16,
}

/// A pseudo-terminal of the host's devpts.
#[derive(Debug)]
pub struct Pty {
    /// For who plays the terminal: non-blocking. Reading it fails with EIO once every `slave` is
    /// closed.
    pub master: OwnedFd,
    /// For the process; not yet anybody's controlling terminal.
    pub slave: OwnedFd,
}

/// Opens a terminal of this size, owned by `uid` and by `gid`.
pub fn open(size: Size, uid: u32, gid: u32) -> io::Result<Pty> {
    let master = rustix::pty::openpt(FLAGS | OpenptFlags::NOCTTY)?;
    rustix::pty::unlockpt(&master)?;
    let slave = rustix::pty::ioctl_tiocgptpeer(&master, FLAGS | OpenptFlags::NOCTTY)?;
    let (uid, gid) = (rustix::fs::Uid::from_raw(uid), rustix::fs::Gid::from_raw(gid));
    rustix::fs::fchown(&slave, Some(uid), Some(gid))?;
    resize(&slave, size)?;
    crate::pipe::set_nonblocking(&master)?;
    Ok(Pty { master, slave })
}

/// Changes the size; the foreground process group gets SIGWINCH.
pub fn resize(terminal: impl AsFd, size: Size) -> io::Result<()> {
    let size = Winsize {
        ws_row: size.rows,
        ws_col: size.columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    Ok(rustix::termios::tcsetwinsize(terminal, size)?)
}

const FLAGS: OpenptFlags = OpenptFlags::RDWR.union(OpenptFlags::CLOEXEC);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_is_cooked_and_the_end_is_an_error() {
        let (uid, gid) = (
            rustix::process::getuid().as_raw(),
            rustix::process::getgid().as_raw(),
        );
        let pty = open(
            Size {
                rows: 24,
                columns: 80,
            },
            uid,
            gid,
        )
        .unwrap();
        assert_eq!(rustix::termios::tcgetwinsize(&pty.slave).unwrap().ws_col, 80);
        crate::pipe::write(&pty.slave, b"hi\n").unwrap();
        let mut buffer = [0; 8];
        assert_eq!(
            crate::pipe::read(&pty.master, &mut buffer).unwrap(),
            4,
            "a newline becomes two bytes"
        );
        drop(pty.slave);
        let error = crate::pipe::read(&pty.master, &mut buffer).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EIO));
    }
}
