//! `AF_UNIX` sockets of type `SOCK_SEQPACKET`: whole messages in order, descriptors beside them,
//! and a peer whose credentials the kernel vouches for. unix(7)

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{CWD, Mode};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketAddrUnix, SocketFlags, SocketType, sockopt,
};

/// Most descriptors that one packet carries. The kernel's own limit is 253 (SCM_MAX_FD).
pub const MAX_DESCRIPTORS: usize = 128;

const CONTROL: usize = rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS));

/// What arrived in one packet.
#[derive(Debug)]
pub struct Packet {
    /// Bytes written to the caller's buffer. Zero means that the peer has closed the connection.
    pub length: usize,
    /// Descriptors that came along, all close-on-exec.
    pub descriptors: Vec<OwnedFd>,
}

/// Who is at the other end, as of `connect` or `socketpair` (SO_PEERCRED).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Process id in the reader's PID namespace, 0 if it has none there.
    pub pid: i32,
    /// Effective user id.
    pub uid: u32,
    /// Effective group id.
    pub gid: u32,
}

/// One end of a connection.
#[derive(Debug)]
pub struct SeqPacket(OwnedFd);

impl SeqPacket {
    /// Two connected ends, both blocking and close-on-exec.
    pub fn pair() -> io::Result<(Self, Self)> {
        let flags = SocketFlags::CLOEXEC;
        let (a, b) = rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
        Ok((Self(a), Self(b)))
    }

    /// Connects to the listener at `path`; the connection blocks.
    pub fn connect(path: &Path) -> io::Result<Self> {
        let socket = open(SocketFlags::CLOEXEC)?;
        rustix::net::connect(&socket, &SocketAddrUnix::new(path)?)?;
        Ok(Self(socket))
    }

    /// Whether calls return [`io::ErrorKind::WouldBlock`] instead of waiting.
    pub fn set_nonblocking(&self, on: bool) -> io::Result<()> {
        Ok(rustix::io::ioctl_fionbio(&self.0, on)?)
    }

    /// Ends the connection in both directions: both ends read as closed.
    pub fn shut_down(&self) -> io::Result<()> {
        Ok(rustix::net::shutdown(&self.0, rustix::net::Shutdown::Both)?)
    }

    /// The peer's credentials.
    pub fn peer(&self) -> io::Result<Peer> {
        let peer = sockopt::socket_peercred(&self.0)?;
        Ok(Peer {
            pid: peer.pid.as_raw_nonzero().get(),
            uid: peer.uid.as_raw(),
            gid: peer.gid.as_raw(),
        })
    }

    /// Sends one packet. A peer that has gone is [`io::ErrorKind::BrokenPipe`], never a signal.
    pub fn send(&self, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
        let mut space = [MaybeUninit::uninit(); CONTROL];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !descriptors.is_empty() && !control.push(SendAncillaryMessage::ScmRights(descriptors)) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let iov = [IoSlice::new(bytes)];
        retry(|| rustix::net::sendmsg(&self.0, &iov, &mut control, SendFlags::NOSIGNAL))?;
        Ok(())
    }

    /// Receives one packet into `buffer`. A packet that does not fit, in bytes or in
    /// [`MAX_DESCRIPTORS`], is consumed and answered with [`io::ErrorKind::InvalidData`].
    pub fn receive(&self, buffer: &mut [u8]) -> io::Result<Packet> {
        let mut space = [MaybeUninit::uninit(); CONTROL];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let got = retry(|| {
            let mut iov = [IoSliceMut::new(buffer)];
            rustix::net::recvmsg(&self.0, &mut iov, &mut control, RecvFlags::CMSG_CLOEXEC)
        })?;
        let descriptors = rights(&mut control);
        if got.flags.intersects(ReturnFlags::TRUNC | ReturnFlags::CTRUNC) {
            return Err(io::ErrorKind::InvalidData.into());
        }
        Ok(Packet {
            length: got.bytes,
            descriptors,
        })
    }
}

impl AsFd for SeqPacket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl From<OwnedFd> for SeqPacket {
    /// The descriptor must be a connected `SOCK_SEQPACKET` socket; otherwise calls answer errors.
    fn from(socket: OwnedFd) -> Self {
        Self(socket)
    }
}

impl From<SeqPacket> for OwnedFd {
    fn from(socket: SeqPacket) -> Self {
        socket.0
    }
}

/// A listening socket in the file system; it never blocks.
#[derive(Debug)]
pub struct SeqPacketListener(OwnedFd);

impl SeqPacketListener {
    /// Listens at `path` with the permission bits `mode`. A socket file that is there already is
    /// replaced: whoever may write the directory owns the name.
    pub fn bind(path: &Path, mode: u32) -> io::Result<Self> {
        match rustix::fs::unlinkat(CWD, path, rustix::fs::AtFlags::empty()) {
            Ok(()) | Err(rustix::io::Errno::NOENT) => {}
            Err(error) => return Err(error.into()),
        }
        let socket = open(SocketFlags::CLOEXEC | SocketFlags::NONBLOCK)?;
        rustix::net::bind(&socket, &SocketAddrUnix::new(path)?)?;
        // Nobody can connect before listen(), so the mode is in force from the first moment.
        rustix::fs::chmodat(CWD, path, Mode::from_raw_mode(mode), rustix::fs::AtFlags::empty())?;
        rustix::net::listen(&socket, 16)?;
        Ok(Self(socket))
    }

    /// The next connection, non-blocking; [`io::ErrorKind::WouldBlock`] if nobody waits.
    pub fn accept(&self) -> io::Result<SeqPacket> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        Ok(SeqPacket(retry(|| rustix::net::accept_with(&self.0, flags))?))
    }
}

impl AsFd for SeqPacketListener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl From<OwnedFd> for SeqPacketListener {
    /// The descriptor must be a listening socket; otherwise calls answer errors.
    fn from(socket: OwnedFd) -> Self {
        Self(socket)
    }
}

fn open(flags: SocketFlags) -> io::Result<OwnedFd> {
    Ok(rustix::net::socket_with(
        AddressFamily::UNIX,
        SocketType::SEQPACKET,
        flags,
        None,
    )?)
}

fn retry<T>(call: impl FnMut() -> rustix::io::Result<T>) -> rustix::io::Result<T> {
    rustix::io::retry_on_intr(call)
}

fn rights(control: &mut RecvAncillaryBuffer<'_>) -> Vec<OwnedFd> {
    let mut descriptors = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = message {
            descriptors.extend(rights);
        }
    }
    descriptors
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_keep_their_borders_and_carry_descriptors() {
        let (a, b) = SeqPacket::pair().unwrap();
        a.send(b"first", &[a.as_fd(), b.as_fd()]).unwrap();
        a.send(b"second", &[]).unwrap();
        let mut buffer = [0; 16];
        let packet = b.receive(&mut buffer).unwrap();
        assert_eq!(
            (&buffer[..packet.length], packet.descriptors.len()),
            (&b"first"[..], 2)
        );
        assert_eq!(b.receive(&mut buffer).unwrap().length, 6);
    }

    #[test]
    fn a_packet_larger_than_the_buffer_is_refused_and_consumed() {
        let (a, b) = SeqPacket::pair().unwrap();
        a.send(b"too long", &[]).unwrap();
        a.send(b"ok", &[]).unwrap();
        let mut buffer = [0; 4];
        assert_eq!(
            b.receive(&mut buffer).unwrap_err().kind(),
            io::ErrorKind::InvalidData
        );
        assert_eq!(b.receive(&mut buffer).unwrap().length, 2);
    }

    #[test]
    fn a_closed_peer_reads_as_zero_and_writes_as_broken_pipe() {
        let (a, b) = SeqPacket::pair().unwrap();
        drop(a);
        assert_eq!(b.receive(&mut [0; 4]).unwrap().length, 0);
        assert_eq!(b.send(b"x", &[]).unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }

    #[test]
    fn the_kernel_names_the_peer() {
        let directory = std::env::temp_dir().join(format!("gantry-socket-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let path = directory.join("control");
        let listener = SeqPacketListener::bind(&path, 0o600).unwrap();
        assert_eq!(listener.accept().unwrap_err().kind(), io::ErrorKind::WouldBlock);
        let client = SeqPacket::connect(&path).unwrap();
        let server = listener.accept().unwrap();
        assert_eq!(server.peer().unwrap().pid.unsigned_abs(), std::process::id());
        drop(client);
        std::fs::remove_dir_all(directory).unwrap();
    }
}
