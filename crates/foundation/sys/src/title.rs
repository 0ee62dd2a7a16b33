//! What process lists show of a process that is a copy of this one: its command line (`/proc/PID/cmdline`).
//!
//! The kernel reads it where it put the arguments when the program began. That place is the process's own, so a forked
//! child can write another line there; a last byte that is no NUL tells the kernel that somebody did.

use std::ffi::CStr;
use std::fs;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::raw;

/// Where the arguments begin; 0 if nobody has looked.
static START: AtomicUsize = AtomicUsize::new(0);
/// How long they are.
static LENGTH: AtomicUsize = AtomicUsize::new(0);

/// Finds the command line, so that children can change theirs. Without it they keep this process's.
///
/// # Errors
/// `/proc/self/stat` cannot be read.
pub fn remember() -> io::Result<()> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    if let Some((start, end)) = arguments(&stat)
        && let Some(length) = end.checked_sub(start)
    {
        START.store(start, Ordering::Relaxed);
        LENGTH.store(length, Ordering::Relaxed);
    }
    Ok(())
}

/// `arg_start` and `arg_end` of proc_pid_stat(5), its fields 48 and 49. The name, field 2, may hold anything.
fn arguments(stat: &str) -> Option<(usize, usize)> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_ascii_whitespace().skip(45);
    let mut address = || fields.next()?.parse::<usize>().ok().filter(|at| *at != 0);
    Some((address()?, address()?))
}

/// Changes the command line to these words, as much of them as there is room for, and the name of the thread to `name`.
/// Between words stand blanks: of a line that was changed the kernel shows what comes before the first NUL.
pub(crate) fn replace<'a>(words: impl Iterator<Item = &'a CStr>, name: &CStr) {
    // Cosmetic: a kernel that refuses is left alone.
    let _ = raw::prctl(libc::PR_SET_NAME as u32, name.as_ptr() as u64);
    let (start, length) = (START.load(Ordering::Relaxed), LENGTH.load(Ordering::Relaxed));
    if start == 0 || length < 2 {
        return;
    }
    let bytes = words.flat_map(|word| word.to_bytes().iter().chain(b" "));
    let place = std::ptr::with_exposed_provenance_mut::<u8>(start);
    // SAFETY: the kernel says that these bytes hold the arguments; they are on the stack above `main`, mapped and writable
    // for as long as the process lives, and only code that looks at `argv` itself reads them: none does after `main` began,
    // and a forked child has one thread.
    unsafe {
        std::ptr::write_bytes(place, 0, length);
        let mut written = 0;
        for byte in bytes.take(length - 2) {
            place.add(written).write(*byte);
            written += 1;
        }
        // The blank behind the last word.
        if written > 0 {
            place.add(written - 1).write(0);
        }
        place.add(length - 1).write(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_are_found_behind_any_name() {
        let fields: Vec<String> = (4..=52).map(|field| (field * 100).to_string()).collect();
        let stat = format!("7 (a) R 1 (b)) S {}", fields.join(" "));
        assert_eq!(arguments(&stat), Some((4800, 4900)));
        assert_eq!(arguments("7 (a) S 1 2"), None);
    }

    #[test]
    fn this_process_has_a_command_line() {
        remember().unwrap();
        assert_ne!(START.load(Ordering::Relaxed), 0);
        assert!(LENGTH.load(Ordering::Relaxed) > 1);
    }
}
