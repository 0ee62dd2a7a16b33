//! The floor: what the kernel must do, whoever asks. Every other figure can be read as a multiple.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::process::Command;

use sys::launch::{self, Launch};
use sys::pidfd::{self, Pid};
use sys::program::{Builder, Op, Program};

use crate::Outcome;
use crate::subject::{Subject, measure, print};

/// pid, network, ipc, uts, mount and cgroup namespaces.
const SIX_NAMESPACES: u32 = 0x2000_0000 | 0x4000_0000 | 0x0800_0000 | 0x0400_0000 | 0x0002_0000 | 0x0200_0000;

pub(crate) fn run() -> Outcome {
    let probe = testkit::probe();
    let program = exec_true()?;
    let file = tempfile::tempfile()?;
    file.write_all_at(&[0; 1 << 16], 0)?;
    file.sync_all()?;
    let measured = measure(vec![
        Subject::new("fork, exec, wait", || {
            Command::new(&probe).arg("true").status().map(drop)
        }),
        Subject::new("clone3, exec, wait", || spawn(&program, 0)),
        Subject::new("the same, six new namespaces", || spawn(&program, SIX_NAMESPACES)),
        Subject::new("fdatasync of 4 KB, preallocated", || sync(&file)),
    ])?;
    print(&measured, "fork");
    Ok(())
}

/// An init program that only becomes the probe.
pub(crate) fn exec_true() -> Result<Program, Box<dyn std::error::Error>> {
    let probe = testkit::probe();
    let mut builder = Builder::new(0);
    let (name, search) = (
        builder.text(probe.as_os_str().as_encoded_bytes()),
        builder.text(""),
    );
    builder.push(Op::Lookup { name, search });
    let arguments = builder.texts(["probe", "true"]);
    let environment = builder.texts::<&str>([]);
    builder.push(Op::Exec {
        arguments,
        environment,
    });
    Ok(builder.finish()?)
}

/// One process in these namespaces, from clone to end.
pub(crate) fn spawn(program: &Program, namespaces: u32) -> io::Result<()> {
    let launched = launch::launch(&Launch {
        program,
        slots: &[],
        namespaces,
        inherit: 3,
        cgroup: None,
    })?;
    while !matches!(launch::next(&launched.channel)?, launch::Event::Started) {}
    let pid = Pid::from_raw(launched.pid).ok_or(io::ErrorKind::InvalidData)?;
    sys::poll::readable(&launched.pidfd)?;
    let ended = pidfd::reap(&launched.pidfd)?;
    ended
        .map(drop)
        .ok_or_else(|| io::Error::other(format!("process {pid:?} has not ended")))
}

fn sync(file: &File) -> io::Result<()> {
    file.write_all_at(&[1; 4096], 4096)?;
    file.sync_data()
}
