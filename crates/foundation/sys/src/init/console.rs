//! The container's terminal. It is opened through the container's own devpts mount by descriptor,
//! never by a path that the container could have replaced (CVE-2025-52565).

use std::os::fd::{AsFd, AsRawFd};

use super::resolve::PROC_FILE;
use super::{Init, Owner};
use crate::program::Slot;
use crate::raw::{self, Result};

impl Init<'_> {
    pub(super) fn console(
        &mut self,
        pts: Slot,
        socket: Slot,
        out: Slot,
        size: u64,
        owner: Owner,
    ) -> Result<()> {
        let flags = libc::O_RDWR | libc::O_NOCTTY;
        let master = raw::openat2(self.fd(pts)?.as_raw_fd(), c"ptmx", flags, 0, PROC_FILE)?;
        raw::ioctl_ref(master.as_fd(), libc::TIOCSPTLCK, &0i32)?;
        let peer = raw::pty_peer(master.as_fd())?;
        if size != 0 {
            raw::ioctl_ref(peer.as_fd(), libc::TIOCSWINSZ, &window(size))?;
        }
        raw::chown(peer.as_raw_fd(), c"", owner.uid, owner.gid)?;
        raw::send_fd(self.fd(socket)?, b"/dev/ptmx", master.as_fd())?;
        self.keep(out, peer)
    }
}

fn window(size: u64) -> libc::winsize {
    #[expect(clippy::cast_possible_truncation, reason = "two 16-bit numbers side by side")]
    libc::winsize {
        ws_row: (size >> 16) as u16,
        ws_col: size as u16,
        ws_xpixel: 0,
        ws_ypixel: 0,
    }
}
