//! A process that has confined itself: this test binary started again.

use std::fs;
use std::net::UdpSocket;
use std::os::fd::AsFd;
use std::path::Path;
use std::process::{Command, Stdio};

use sys::confine::{Confinement, capability};

const ROOT: &str = "SYS_TEST_CONFINE_ROOT";

/// Not a test by itself: what the process started below does. Its exit status counts what it was
/// able to do and should not have been.
#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "the environment is how a test is told its part"
)]
fn the_confined_process() {
    let Some(root) = std::env::var_os(ROOT) else {
        return;
    };
    let root = fs::File::open(root).unwrap();
    let confinement = Confinement {
        root: root.as_fd(),
        capabilities: capability::CHOWN,
        memory: 1 << 30,
        descriptors: 64,
    };
    confinement.enter().unwrap();
    std::process::exit(misdeeds());
}

fn misdeeds() -> i32 {
    let owner = Some(rustix::fs::Uid::from_raw(7));
    let chowned = |flags| rustix::fs::chownat(rustix::fs::CWD, "/inside", owner, None, flags).is_ok();
    let allowed = fs::write("/inside", "").is_ok() && chowned(rustix::fs::AtFlags::empty());
    let denied = [
        Path::new("/etc/passwd").exists(),
        Path::new("/../../etc/passwd").exists(),
        UdpSocket::bind("127.0.0.1:0").is_ok(),
        rustix::process::chroot("/").is_ok(),
        rustix::mount::unmount("/", rustix::mount::UnmountFlags::DETACH).is_ok(),
        rustix::fs::mknodat(
            rustix::fs::CWD,
            "/device",
            rustix::fs::FileType::BlockDevice,
            rustix::fs::Mode::empty(),
            rustix::fs::makedev(8, 0),
        )
        .is_ok(),
        Command::new("/inside").status().is_ok(),
        std::thread::Builder::new().spawn(|| ()).is_ok(),
        rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::CONT).is_ok(),
    ];
    let done = denied.iter().filter(|done| **done).count();
    i32::try_from(done).unwrap() + if allowed { 0 } else { 100 }
}

#[test]
fn nothing_but_its_directory_is_left() {
    let directory = tempfile::tempdir().unwrap();
    let status = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "node::confine::the_confined_process",
            "--nocapture",
            "--test-threads=1",
        ])
        .env(ROOT, directory.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert_eq!(status.code(), Some(0));
    let owner = std::os::unix::fs::MetadataExt::uid(&fs::metadata(directory.path().join("inside")).unwrap());
    assert_eq!(owner, 7);
}
