//! `--init`: process 1 of a container that was not written to be one. It is the forked child
//! itself, not another program: it reaps what is orphaned, forwards signals, and exits as the
//! container's program does.

use std::ffi::CStr;

use crate::raw::{self, Result};
use crate::title;

/// What users of docker know the init by.
const TITLE: [&CStr; 2] = [c"/sbin/docker-init", c"--"];
const NAME: &CStr = c"docker-init";

const ALL: u64 = u64::MAX;

/// Returns in the child; the parent stays behind and never returns.
pub(super) fn fork_under_init<'a>(arguments: impl Iterator<Item = &'a CStr>) -> Result<()> {
    // Blocked before the fork, so that no signal is lost between it and the loop.
    raw::block_signals(ALL);
    // Before the fork too: the program may look at who its parent is at once. Its own names come with its exec.
    title::replace(TITLE.into_iter().chain(arguments), NAME);
    // SAFETY: one thread, no lock; the parent only makes system calls from here on.
    match unsafe { raw::fork() }? {
        0 => {
            raw::block_signals(0);
            Ok(())
        }
        program => serve(program),
    }
}

fn serve(program: i32) -> ! {
    // Standard streams too: the container's end of its pipes must close when its program ends.
    raw::close_range(0, u32::MAX, 0);
    loop {
        match raw::wait_signal(ALL) {
            Ok(libc::SIGCHLD) => reap(program),
            Ok(signal) => {
                // The program may have ended meanwhile; SIGCHLD is then next.
                let _ = raw::kill(program, signal);
            }
            Err(_) => {}
        }
    }
}

fn reap(program: i32) {
    while let Ok(Some((pid, status))) = raw::reap(-1) {
        if pid == program {
            raw::exit(exit_code(status));
        }
    }
}

/// As shells report it: the exit status, or 128 and the signal.
fn exit_code(status: i32) -> i32 {
    if libc::WIFEXITED(status) {
        libc::WEXITSTATUS(status)
    } else {
        128 + libc::WTERMSIG(status)
    }
}
