//! Unix sockets that the daemon serves: a stale file is replaced, a living server is not.

use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use crate::directory::Held;

/// Why a socket cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Somebody answers there already.
    #[error(transparent)]
    Held(#[from] Held),
    /// The socket cannot be made.
    #[error("cannot listen on {0}")]
    Io(String, #[source] io::Error),
}

/// Listens at `path`. The socket gets its name only when it listens and has its mode, so whoever sees the
/// name can connect, and nobody connects who may not.
///
/// # Errors
/// [`Error::Held`] names the process that serves the socket now.
pub(crate) fn bind(path: &Path, mode: u32, group: Option<u32>) -> Result<UnixListener, Error> {
    if let Ok(stream) = UnixStream::connect(path) {
        return Err(Error::Held(Held {
            what: path.display().to_string(),
            pid: peer(&stream),
        }));
    }
    make(path, mode, group).map_err(|error| Error::Io(path.display().to_string(), error))
}

fn make(path: &Path, mode: u32, group: Option<u32>) -> io::Result<UnixListener> {
    let nameless = path.with_extension("new");
    match fs::remove_file(&nameless) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(&nameless)?;
    if group.is_some() {
        chown(&nameless, None, group)?;
    }
    fs::set_permissions(&nameless, fs::Permissions::from_mode(mode))?;
    fs::rename(&nameless, path)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// The process at the other end. A listener's is the one that bound it.
fn peer(stream: &UnixStream) -> Option<u32> {
    let credentials = rustix::net::sockopt::socket_peercred(stream).ok()?;
    u32::try_from(credentials.pid.as_raw_nonzero().get()).ok()
}

/// The number of a group of this host, if there is one of that name.
pub(crate) fn group(name: &str) -> Option<u32> {
    let groups = fs::read_to_string("/etc/group").ok()?;
    groups.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next() == Some(name)).then(|| fields.nth(1)?.parse().ok())?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_served_socket_is_held_and_a_stale_one_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.sock");
        let first = bind(&path, 0o600, None).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let Err(Error::Held(held)) = bind(&path, 0o600, None) else {
            panic!("bound twice")
        };
        assert_eq!(held.pid, Some(std::process::id()));
        drop(first);
        bind(&path, 0o600, None).unwrap();
        assert_eq!(
            fs::read_dir(dir.path()).unwrap().count(),
            1,
            "no name is left over"
        );
    }
}
