//! Netlink sockets: requests that the kernel acknowledges one by one, dumps, transactions of
//! nf_tables, notifications. netlink(7)
//!
//! Messages come in complete (`nlmsghdr` and payload, four-byte aligned); this module numbers
//! them, asks for acknowledgements and reads the answers. What is in them is the caller's.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use rustix::io::Errno;
use rustix::net::netlink::{NETFILTER, SOCK_DIAG, SocketAddrNetlink};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};

/// Bytes of `struct nlmsghdr`.
pub const HEADER: usize = 16;

// linux/netlink.h; libc has these with types that are not the header's.
const ERROR: u16 = 2;
const DONE: u16 = 3;
const FLAG_ACK: u16 = 4;
const FLAG_DUMP: u16 = 0x300;
const FLAG_INTERRUPTED: u16 = 0x10;
const FLAG_ACK_TLVS: u16 = 0x200;
/// `NLMSGERR_ATTR_MSG`.
const ATTRIBUTE_TEXT: u16 = 1;
/// First message type that is not netlink's own.
const FIRST_TYPE: u16 = 16;

/// Most bytes of one datagram: the kernel builds dumps in pages of up to 32 KiB.
const DATAGRAM: usize = 64 * 1024;
/// Room for the answers to one transaction; an acknowledgement takes up to 1 KiB of it.
const RECEIVE_BUFFER: usize = 4 << 20;
/// Room for one transaction.
const SEND_BUFFER: usize = 16 << 20;
/// A table that changes under a dump makes it void; so often is it tried again.
const DUMP_ATTEMPTS: usize = 8;

/// Whom to talk to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// Links, addresses, routes (NETLINK_ROUTE).
    Route,
    /// nf_tables and connection tracking (NETLINK_NETFILTER).
    Netfilter,
    /// What sockets there are (NETLINK_SOCK_DIAG).
    Sockets,
}

/// Why the kernel refused a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Which message of those that were sent, from 0.
    pub message: usize,
    /// The error.
    pub errno: i32,
    /// What the kernel says about it (extended ack), if anything.
    pub text: Option<String>,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let error = io::Error::from_raw_os_error(self.errno);
        match &self.text {
            Some(text) => write!(f, "{error}: {text} (message {})", self.message),
            None => write!(f, "{error} (message {})", self.message),
        }
    }
}

impl std::error::Error for Refusal {}

impl From<Refusal> for io::Error {
    /// Keeps the kind of the error; [`refused`] finds the number again.
    fn from(refusal: Refusal) -> Self {
        Self::new(Self::from_raw_os_error(refusal.errno).kind(), refusal)
    }
}

/// The error number of a refused request, whether plain or with the kernel's words.
pub fn refused(error: &io::Error) -> Option<i32> {
    let refusal = error.get_ref().and_then(|inner| inner.downcast_ref::<Refusal>());
    refusal.map(|refusal| refusal.errno).or(error.raw_os_error())
}

/// A netlink socket of the namespace in which it was opened, wherever it is used.
#[derive(Debug)]
pub struct Netlink {
    socket: OwnedFd,
    sequence: u32,
}

impl Netlink {
    /// A socket in the calling thread's network namespace.
    pub fn open(family: Family) -> io::Result<Self> {
        Self::bind(family, 0)
    }

    /// A socket that also hears the multicast groups of the bit mask `groups`. It does not block
    /// when read by [`Self::notifications`].
    pub fn listen(family: Family, groups: u32) -> io::Result<Self> {
        Self::bind(family, groups)
    }

    fn bind(family: Family, groups: u32) -> io::Result<Self> {
        let protocol = match family {
            Family::Route => None,
            Family::Netfilter => Some(NETFILTER),
            Family::Sockets => Some(SOCK_DIAG),
        };
        let flags = SocketFlags::CLOEXEC;
        let socket = rustix::net::socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, protocol)?;
        for option in [
            libc::NETLINK_EXT_ACK,
            libc::NETLINK_CAP_ACK,
            libc::NETLINK_GET_STRICT_CHK,
        ] {
            enable(socket.as_fd(), option)?;
        }
        if family == Family::Netfilter {
            // Only privileged sockets may; an unprivileged one could change nothing anyway.
            let _ = rustix::net::sockopt::set_socket_recv_buffer_size_force(&socket, RECEIVE_BUFFER);
            let _ = rustix::net::sockopt::set_socket_send_buffer_size_force(&socket, SEND_BUFFER);
        }
        rustix::net::bind(&socket, &SocketAddrNetlink::new(0, groups))?;
        Ok(Self { socket, sequence: 0 })
    }

    /// Sends messages in one call and returns when the kernel has acknowledged each of them.
    /// Messages are independent of each other: one after a refused one is carried out all the
    /// same. The first refusal is the error.
    pub fn request(&mut self, messages: &mut [u8]) -> io::Result<()> {
        let (first, count) = self.number(messages, |_| FLAG_ACK)?;
        self.send(messages)?;
        self.acknowledged(first, count)
    }

    /// Sends a transaction of nf_tables, whose first and last message are the batch's begin and
    /// end: all of it is done, or none.
    pub fn transaction(&mut self, messages: &mut [u8]) -> io::Result<()> {
        let (first, count) =
            self.number(messages, |kind| if kind < FIRST_TYPE + 2 { 0 } else { FLAG_ACK })?;
        self.send(messages)?;
        self.committed(first, count)
    }

    /// Sends one request for a dump and hands `each` every answer: its type and its payload.
    pub fn dump(&mut self, message: &mut [u8], mut each: impl FnMut(u16, &[u8])) -> io::Result<()> {
        for _ in 0..DUMP_ATTEMPTS {
            let mut found = Vec::new();
            let (sequence, _) = self.number(message, |_| FLAG_DUMP)?;
            self.send(message)?;
            if self.collect(sequence, &mut found)? {
                found.iter().for_each(|(kind, payload)| each(*kind, payload));
                return Ok(());
            }
        }
        Err(io::ErrorKind::Interrupted.into())
    }

    /// Sends one request that has one answer, and returns its type and payload.
    pub fn get(&mut self, message: &mut [u8]) -> io::Result<(u16, Vec<u8>)> {
        let (sequence, _) = self.number(message, |_| 0)?;
        self.send(message)?;
        let mut buffer = vec![0; DATAGRAM];
        loop {
            let length = self.receive(&mut buffer, RecvFlags::empty())?;
            for message in Messages::new(&buffer[..length]).filter(|message| message.sequence == sequence) {
                match message.outcome(sequence) {
                    Some(Err(refusal)) => return Err(refusal.into()),
                    Some(Ok(())) => {}
                    None => return Ok((message.kind, message.payload.to_vec())),
                }
            }
        }
    }

    /// Reads what has come in for the groups, without waiting: each message's type and payload.
    /// [`io::ErrorKind::WouldBlock`] when there is nothing; ENOBUFS when some were lost.
    pub fn notifications(&mut self, mut each: impl FnMut(u16, &[u8])) -> io::Result<()> {
        let mut buffer = vec![0; DATAGRAM];
        let length = self.receive(&mut buffer, RecvFlags::DONTWAIT)?;
        Messages::new(&buffer[..length]).for_each(|message| each(message.kind, message.payload));
        Ok(())
    }

    fn number(&mut self, messages: &mut [u8], flags: impl Fn(u16) -> u16) -> io::Result<(u32, usize)> {
        let first = self.sequence.wrapping_add(1);
        let (mut at, mut count) = (0, 0);
        while at < messages.len() {
            let length = header(&messages[at..]).ok_or(io::ErrorKind::InvalidInput)?.length;
            self.sequence = self.sequence.wrapping_add(1);
            let kind = read_u16(messages, at + 4);
            let all = read_u16(messages, at + 6) | flags(kind);
            messages[at + 6..at + 8].copy_from_slice(&all.to_ne_bytes());
            messages[at + 8..at + 12].copy_from_slice(&self.sequence.to_ne_bytes());
            at += align(length);
            count += 1;
        }
        Ok((first, count))
    }

    fn send(&self, messages: &[u8]) -> io::Result<()> {
        let sent =
            rustix::io::retry_on_intr(|| rustix::net::send(&self.socket, messages, SendFlags::empty()))?;
        if sent == messages.len() {
            Ok(())
        } else {
            Err(io::ErrorKind::WriteZero.into())
        }
    }

    fn receive(&self, buffer: &mut [u8], flags: RecvFlags) -> io::Result<usize> {
        let receive = || rustix::net::recv(&self.socket, &mut *buffer, flags | RecvFlags::TRUNC);
        let mut receive = receive;
        let (_, length) = rustix::io::retry_on_intr(&mut receive)?;
        if length > buffer.len() {
            Err(io::ErrorKind::InvalidData.into())
        } else {
            Ok(length)
        }
    }

    fn acknowledged(&self, first: u32, count: usize) -> io::Result<()> {
        let mut buffer = vec![0; 4096];
        let (mut missing, mut refusal) = (count, None);
        while missing > 0 {
            let length = self.receive(&mut buffer, RecvFlags::empty())?;
            for outcome in outcomes(&buffer[..length], first, count) {
                missing -= 1;
                refusal = refusal.or(outcome.err());
            }
        }
        refusal.map_or(Ok(()), |refusal| Err(refusal.into()))
    }

    /// The kernel handles a transaction within `sendmsg`: its answers are there, and a refused one
    /// answers for the refused messages only.
    fn committed(&self, first: u32, count: usize) -> io::Result<()> {
        let mut buffer = vec![0; 4096];
        loop {
            match self.receive(&mut buffer, RecvFlags::DONTWAIT) {
                Ok(length) => outcomes(&buffer[..length], first, count)
                    .try_for_each(|outcome| outcome)
                    .inspect_err(|_| self.drain())?,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }

    fn drain(&self) {
        let mut buffer = vec![0; 4096];
        while self.receive(&mut buffer, RecvFlags::DONTWAIT).is_ok() {}
    }

    /// True when the dump is whole.
    fn collect(&self, sequence: u32, found: &mut Vec<(u16, Vec<u8>)>) -> io::Result<bool> {
        let mut buffer = vec![0; DATAGRAM];
        let mut whole = true;
        loop {
            let length = self.receive(&mut buffer, RecvFlags::empty())?;
            for message in Messages::new(&buffer[..length]).filter(|message| message.sequence == sequence) {
                whole &= message.flags & FLAG_INTERRUPTED == 0;
                match message.outcome(sequence) {
                    Some(outcome) => return outcome.map(|()| whole).map_err(Into::into),
                    None if message.kind == DONE => return message.ended().map(|()| whole),
                    None => found.push((message.kind, message.payload.to_vec())),
                }
            }
        }
    }
}

impl AsFd for Netlink {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl AsRawFd for Netlink {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

fn enable(socket: BorrowedFd<'_>, option: libc::c_int) -> io::Result<()> {
    let on: libc::c_int = 1;
    let size = libc::socklen_t::try_from(size_of_val(&on)).unwrap_or(0);
    // SAFETY: `on` is readable for `size` bytes throughout the call.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_NETLINK,
            option,
            (&raw const on).cast(),
            size,
        )
    };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

const fn align(length: usize) -> usize {
    length.next_multiple_of(4)
}

fn read_u16(bytes: &[u8], at: usize) -> u16 {
    let mut value = [0; 2];
    value.copy_from_slice(&bytes[at..at + 2]);
    u16::from_ne_bytes(value)
}

fn read_u32(bytes: &[u8], at: usize) -> u32 {
    let mut value = [0; 4];
    value.copy_from_slice(&bytes[at..at + 4]);
    u32::from_ne_bytes(value)
}

struct Header {
    length: usize,
}

/// The header of a message that is there as a whole.
fn header(bytes: &[u8]) -> Option<Header> {
    (bytes.len() >= HEADER).then_some(())?;
    let length = read_u32(bytes, 0) as usize;
    (HEADER..=bytes.len())
        .contains(&length)
        .then_some(Header { length })
}

struct Message<'a> {
    kind: u16,
    flags: u16,
    sequence: u32,
    payload: &'a [u8],
}

impl Message<'_> {
    /// What an NLMSG_ERROR message says; `None` for any other.
    fn outcome(&self, first: u32) -> Option<Result<(), Refusal>> {
        (self.kind == ERROR && self.payload.len() >= 4 + HEADER).then_some(())?;
        let errno = read_u32(self.payload, 0).cast_signed().wrapping_neg();
        if errno == 0 {
            return Some(Ok(()));
        }
        Some(Err(Refusal {
            message: self.sequence.wrapping_sub(first) as usize,
            errno,
            text: self.text(),
        }))
    }

    fn text(&self) -> Option<String> {
        (self.flags & FLAG_ACK_TLVS != 0).then_some(())?;
        let mut rest = &self.payload[4 + HEADER..];
        while rest.len() >= 4 {
            let (length, kind) = (usize::from(read_u16(rest, 0)), read_u16(rest, 2));
            let value = rest.get(4..length)?;
            if kind == ATTRIBUTE_TEXT {
                return Some(String::from_utf8_lossy(value.strip_suffix(&[0]).unwrap_or(value)).into_owned());
            }
            rest = rest.get(align(length)..).unwrap_or_default();
        }
        None
    }

    /// NLMSG_DONE carries the error that ended a dump early.
    fn ended(&self) -> io::Result<()> {
        match self.payload.len() {
            0..4 => Ok(()),
            _ => match read_u32(self.payload, 0).cast_signed() {
                0.. => Ok(()),
                errno => Err(Errno::from_raw_os_error(-errno).into()),
            },
        }
    }
}

struct Messages<'a>(&'a [u8]);

impl<'a> Messages<'a> {
    const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }
}

impl<'a> Iterator for Messages<'a> {
    type Item = Message<'a>;

    fn next(&mut self) -> Option<Message<'a>> {
        let bytes = self.0;
        let length = header(bytes)?.length;
        self.0 = bytes.get(align(length)..).unwrap_or_default();
        Some(Message {
            kind: read_u16(bytes, 4),
            flags: read_u16(bytes, 6),
            sequence: read_u32(bytes, 8),
            payload: &bytes[HEADER..length],
        })
    }
}

/// The outcomes of the `count` messages from sequence number `first` on; what is left over from an
/// earlier request is not among them.
fn outcomes(bytes: &[u8], first: u32, count: usize) -> impl Iterator<Item = Result<(), Refusal>> {
    Messages::new(bytes)
        .filter(move |message| (message.sequence.wrapping_sub(first) as usize) < count)
        .filter_map(move |message| message.outcome(first))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u16, flags: u16, payload: &[u8]) -> Vec<u8> {
        let mut bytes = u32::try_from(HEADER + payload.len())
            .unwrap()
            .to_ne_bytes()
            .to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(flags.to_ne_bytes());
        bytes.extend([0; 8]);
        bytes.extend(payload);
        bytes.resize(align(bytes.len()), 0);
        bytes
    }

    /// RTM_GETLINK of all links: an `ifinfomsg` of zeros.
    fn get_links() -> Vec<u8> {
        message(libc::RTM_GETLINK, 1, &[0; 16])
    }

    #[test]
    fn a_dump_lists_the_loopback_link() {
        let mut netlink = Netlink::open(Family::Route).unwrap();
        let mut loopbacks = 0;
        netlink
            .dump(&mut get_links(), |kind, payload| {
                assert_eq!(kind, libc::RTM_NEWLINK);
                loopbacks += usize::from(payload.windows(3).any(|bytes| bytes == b"lo\0"));
            })
            .unwrap();
        assert!(loopbacks > 0);
    }

    #[test]
    fn a_refusal_says_which_message_and_why() {
        let mut netlink = Netlink::open(Family::Route).unwrap();
        // RTM_GETLINK of a link that is not there, after one that is: the index is in bytes 4..8.
        let of = |index: i32| {
            let mut payload = [0; 16];
            payload[4..8].copy_from_slice(&index.to_ne_bytes());
            message(libc::RTM_GETLINK, 1, &payload)
        };
        let error = netlink.get(&mut of(i32::MAX)).unwrap_err();
        assert_eq!(refused(&error), Some(libc::ENODEV));
        assert_eq!(netlink.get(&mut of(1)).unwrap().0, libc::RTM_NEWLINK);
    }

    #[test]
    fn what_is_no_message_is_not_sent() {
        let mut netlink = Netlink::open(Family::Route).unwrap();
        for bad in [
            &mut [0_u8; 8][..],
            &mut [0_u8; 16][..],
            &mut message(16, 0, &[])[..15],
        ] {
            assert_eq!(
                netlink.request(bad).unwrap_err().kind(),
                io::ErrorKind::InvalidInput
            );
        }
    }
}
