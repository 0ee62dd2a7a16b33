//! TCP ports that the daemon serves; whoever holds one already is named.

use std::fs;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;

use crate::directory::Held;
use crate::listen::Error;

/// Listens at `address`.
///
/// # Errors
/// [`Error::Held`] names the process that listens there now, if this one may see it.
pub(crate) fn bind(address: SocketAddr) -> Result<TcpListener, Error> {
    TcpListener::bind(address).map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => Error::Held(Held {
            what: format!("port {} of {}", address.port(), address.ip()),
            pid: holder(address.port()),
        }),
        _ => Error::Io(address.to_string(), error),
    })
}

/// The process that listens on a port of this network namespace.
fn holder(port: u16) -> Option<u32> {
    let listens = |table: &&str| listening(&fs::read_to_string(table).ok()?, port);
    let socket = ["/proc/net/tcp", "/proc/net/tcp6"].iter().find_map(listens)?;
    let link = format!("socket:[{socket}]");
    let processes = fs::read_dir("/proc").ok()?.flatten();
    processes
        .filter_map(|process| process.file_name().to_str()?.parse().ok())
        .find(|pid| has(&format!("/proc/{pid}/fd"), &link))
}

/// The inode of the socket that listens on `port`, in a table of proc(5) `/proc/net/tcp`.
fn listening(table: &str, port: u16) -> Option<String> {
    const LISTEN: &str = "0A";
    table.lines().skip(1).find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (_, local) = fields.get(1)?.rsplit_once(':')?;
        let found = u16::from_str_radix(local, 16) == Ok(port) && fields.get(3) == Some(&LISTEN);
        found.then(|| fields.get(9).map(|inode| (*inode).to_owned()))?
    })
}

fn has(descriptors: &str, link: &str) -> bool {
    let Ok(entries) = fs::read_dir(descriptors) else {
        return false;
    };
    entries
        .flatten()
        .any(|entry| fs::read_link(entry.path()).is_ok_and(|target| target == Path::new(link)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_held_port_names_its_holder() {
        let first = bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = first.local_addr().unwrap();
        let Err(Error::Held(held)) = bind(address) else {
            panic!("bound twice")
        };
        assert_eq!(held.pid, Some(std::process::id()));
        assert_eq!(held.what, format!("port {} of 127.0.0.1", address.port()));
    }
}
