//! Whose a TCP connection of this machine is. sock_diag(7)

use std::io;
use std::net::{IpAddr, SocketAddr};

use crate::netlink::{Family, Netlink};

// linux/sock_diag.h, linux/inet_diag.h, net/tcp_states.h.
const BY_FAMILY: u16 = 20;
const NO_COOKIE: u32 = u32::MAX;
const ESTABLISHED: u8 = 1;
// linux/socket.h, linux/in.h, as one byte each.
const INET: u8 = 2;
const INET6: u8 = 10;
const TCP: u8 = 6;
/// Bytes of a header with `struct inet_diag_req_v2`, and of `struct inet_diag_msg`.
const MESSAGE: u32 = 16 + 56;
const ANSWER: usize = 72;
/// Where the latter says the state, the owner and the inode.
const STATE: usize = 1;
const OWNER: usize = 64;
const INODE: usize = 68;

/// The user who made the socket with the address `ours`, connected to `theirs`, in the calling thread's network namespace;
/// none if there is no such socket, or none that anybody still holds open.
///
/// # Errors
/// The kernel's.
pub fn owner(ours: SocketAddr, theirs: SocketAddr) -> io::Result<Option<u32>> {
    let mut netlink = Netlink::open(Family::Sockets)?;
    match netlink.get(&mut request(ours, theirs)) {
        Ok((BY_FAMILY, answer)) => Ok(judge(&answer)),
        Ok(_) => Ok(None),
        Err(error) if crate::netlink::refused(&error) == Some(libc::ENOENT) => Ok(None),
        Err(error) => Err(error),
    }
}

/// One whole `nlmsghdr` with an `inet_diag_req_v2`.
fn request(ours: SocketAddr, theirs: SocketAddr) -> Vec<u8> {
    const FLAG_REQUEST: u16 = 1;
    let (from, to) = (ours.ip().to_canonical(), theirs.ip().to_canonical());
    let family = if from.is_ipv4() { INET } else { INET6 };
    let mut message = Vec::with_capacity(128);
    message.extend_from_slice(&MESSAGE.to_ne_bytes());
    message.extend_from_slice(&BY_FAMILY.to_ne_bytes());
    message.extend_from_slice(&FLAG_REQUEST.to_ne_bytes());
    message.extend_from_slice(&[0; 8]);
    message.extend_from_slice(&[family, TCP, 0, 0]);
    message.extend_from_slice(&u32::MAX.to_ne_bytes());
    message.extend_from_slice(&ours.port().to_be_bytes());
    message.extend_from_slice(&theirs.port().to_be_bytes());
    message.extend_from_slice(&bytes(from));
    message.extend_from_slice(&bytes(to));
    message.extend_from_slice(&interface(ours).to_ne_bytes());
    message.extend_from_slice(&NO_COOKIE.to_ne_bytes());
    message.extend_from_slice(&NO_COOKIE.to_ne_bytes());
    message
}

fn bytes(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(address) => {
            let mut all = [0; 16];
            all[..4].copy_from_slice(&address.octets());
            all
        }
        IpAddr::V6(address) => address.octets(),
    }
}

/// The link that a link-local address belongs to.
fn interface(address: SocketAddr) -> u32 {
    match address {
        SocketAddr::V4(_) => 0,
        SocketAddr::V6(address) => address.scope_id(),
    }
}

/// A socket that was closed lives on until its last bytes are acknowledged, and the kernel then calls it root's. So only
/// one counts that is connected and that somebody has open (it has an inode).
fn judge(answer: &[u8]) -> Option<u32> {
    let number = |at: usize| Some(u32::from_ne_bytes(answer.get(at..at + 4)?.try_into().ok()?));
    let open = answer.len() >= ANSWER && answer[STATE] == ESTABLISHED && number(INODE)? != 0;
    open.then(|| number(OWNER))?
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::{Shutdown, TcpListener, TcpStream};

    fn pair(address: &str) -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind(address).unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (client, listener.accept().unwrap().0)
    }

    /// Who the server says that the client is.
    fn asked(server: &TcpStream) -> Option<u32> {
        owner(server.peer_addr().unwrap(), server.local_addr().unwrap()).unwrap()
    }

    #[test]
    fn a_connection_belongs_to_who_made_it() {
        let me = rustix::process::geteuid().as_raw();
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let (client, server) = pair(address);
            assert_eq!(asked(&server), Some(me), "{address}");
            drop(client);
        }
        // An IPv4 client of a socket for both.
        let listener = TcpListener::bind("[::]:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let _client = TcpStream::connect(("127.0.0.1", port)).unwrap();
        assert_eq!(asked(&listener.accept().unwrap().0), Some(me));
    }

    #[test]
    fn a_connection_that_was_closed_is_nobodys() {
        let (mut client, mut server) = pair("127.0.0.1:0");
        // Unread bytes on its way keep the closed socket there.
        client.write_all(b"left").unwrap();
        let (from, to) = (server.peer_addr().unwrap(), server.local_addr().unwrap());
        drop(client);
        server.read_exact(&mut [0; 4]).unwrap();
        assert_eq!(server.read(&mut [0]).unwrap(), 0);
        assert_eq!(owner(from, to).unwrap(), None);
        drop(server);
        assert_eq!(owner(from, to).unwrap(), None);
    }

    #[test]
    fn one_that_has_said_its_last_word_is_nobodys() {
        let (client, server) = pair("127.0.0.1:0");
        client.shutdown(Shutdown::Write).unwrap();
        assert_eq!(asked(&server), None);
    }

    #[test]
    fn what_is_cut_short_is_nobodys() {
        assert_eq!(judge(&[]), None);
        assert_eq!(judge(&[1; ANSWER - 1]), None);
        assert_eq!(judge(&[1; ANSWER]), Some(0x0101_0101));
    }
}
