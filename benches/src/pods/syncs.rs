//! How often processes ask the kernel to write through to the disk: counted by the kernel's own trace points, which cost
//! those processes nothing that can be seen.

use std::fs;
use std::io;
use std::path::PathBuf;

const TRACING: &str = "/sys/kernel/tracing/instances";

/// Every system call that waits for a disk.
const CALLS: [&str; 5] = ["fsync", "fdatasync", "sync_file_range", "syncfs", "sync"];

/// A trace buffer of its own, from its making until it is dropped.
pub(super) struct Syncs(PathBuf);

impl Syncs {
    /// Begins to count, for these processes and whatever they start.
    ///
    /// # Errors
    /// The kernel has no such trace points (`CONFIG_FTRACE_SYSCALLS`), or tracefs is not mounted (`mount -t tracefs nodev
    /// /sys/kernel/tracing`).
    pub(super) fn of(pids: &[u32]) -> io::Result<Self> {
        let buffer = PathBuf::from(format!("{TRACING}/gantry-bench-{}", std::process::id()));
        fs::create_dir(&buffer)?;
        let syncs = Self(buffer);
        fs::write(syncs.0.join("options/event-fork"), "1")?;
        let threads = pids.iter().map(|pid| threads(*pid));
        let threads: Vec<String> = threads.collect::<io::Result<Vec<_>>>()?.concat();
        fs::write(syncs.0.join("set_event_pid"), threads.join(" "))?;
        for call in CALLS {
            fs::write(
                syncs.0.join(format!("events/syscalls/sys_enter_{call}/enable")),
                "1",
            )?;
        }
        Ok(syncs)
    }

    /// How many there were: `THREAD-1234 [001] ..... 12.345: sys_fdatasync(fd: 7)` for each.
    pub(super) fn count(&self) -> io::Result<usize> {
        let trace = fs::read_to_string(self.0.join("trace"))?;
        let lines = trace.lines().filter(|line| !line.starts_with('#'));
        Ok(lines.filter(|line| line.contains(": sys_")).count())
    }
}

impl Drop for Syncs {
    fn drop(&mut self) {
        // The events of an instance go with it.
        let _gone = fs::remove_dir(&self.0);
    }
}

/// The threads of a process.
fn threads(pid: u32) -> io::Result<Vec<String>> {
    let names = fs::read_dir(format!("/proc/{pid}/task"))?
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
    names.collect()
}
