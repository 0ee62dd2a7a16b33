//! `HOME`: what runc gives a program whose configuration does not say, from the container's own
//! `/etc/passwd`.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags};

use crate::spec::Process;

/// A user database is small; one that is not is foreign input and read no further.
const LARGEST_PASSWD: u64 = 1 << 20;

/// Adds `HOME` to a process that has none; `root` is the container's root as this process sees it.
pub(super) fn set(process: &mut Process, root: &Path) {
    if !process.env.iter().any(|entry| entry.starts_with("HOME=")) {
        let passwd = read(root).unwrap_or_default();
        process
            .env
            .push(format!("HOME={}", directory(&passwd, process.user.uid)));
    }
}

/// The file as the container sees it: a link in it cannot lead to the host's.
fn read(root: &Path) -> std::io::Result<String> {
    let root = rustix::fs::openat(CWD, root, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    // A FIFO of that name must not make us wait.
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let file = File::from(rustix::fs::openat2(
        root,
        "etc/passwd",
        flags,
        Mode::empty(),
        resolve,
    )?);
    let mut text = String::new();
    file.take(LARGEST_PASSWD).read_to_string(&mut text)?;
    Ok(text)
}

/// The home of `uid` (passwd(5)); `/` where there is none.
fn directory(passwd: &str, uid: u32) -> &str {
    let uid = uid.to_string();
    let fields = passwd.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let home = fields
        .filter(|fields| fields.get(2) == Some(&uid.as_str()))
        .find_map(|fields| fields.get(5).copied());
    home.filter(|home| !home.is_empty()).unwrap_or("/")
}

#[cfg(test)]
mod tests {
    use super::directory;

    #[test]
    fn the_home_is_that_of_the_user_id() {
        let passwd =
            "root:x:0:0:root:/root:/bin/sh\nbroken\nweb:x:33:33::/var/www:/bin/false\nnone:x:7:7:::\n";
        assert_eq!(directory(passwd, 0), "/root");
        assert_eq!(directory(passwd, 33), "/var/www");
        assert_eq!(
            (directory(passwd, 7), directory(passwd, 1000), directory("", 0)),
            ("/", "/", "/")
        );
    }
}
