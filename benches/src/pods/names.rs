//! One question to a name server (RFC 1035): an A record, by UDP.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

/// How long an answer may take before the question counts as unanswered.
const PATIENCE: Duration = Duration::from_millis(100);

/// The first address of a name, if the server answers and there is one.
pub(super) fn address(server: IpAddr, name: &str) -> io::Result<Option<Ipv4Addr>> {
    let socket = UdpSocket::bind("0.0.0.0:0")?;
    socket.set_read_timeout(Some(PATIENCE))?;
    let question = question(name);
    let mut answer = [0; 512];
    let asked = socket
        .connect(SocketAddr::new(server, 53))
        .and_then(|()| socket.send(&question))
        .and_then(|_| socket.recv(&mut answer));
    // Before it listens there is nobody: the kernel says so, or nobody does.
    Ok(asked
        .ok()
        .and_then(|length| read(&answer[..length], question.len())))
}

/// A recursive question of class IN.
fn question(name: &str) -> Vec<u8> {
    let mut message = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.') {
        message.push(u8::try_from(label.len()).unwrap_or(0));
        message.extend(label.as_bytes());
    }
    message.extend([0, 0, 1, 0, 1]);
    message
}

/// The first record behind the question: a compressed name, then type, class, time to live, length, four bytes.
fn read(answer: &[u8], question: usize) -> Option<Ipv4Addr> {
    let (code, records) = (answer.get(3)? & 15, answer.get(7)?);
    let record = answer.get(question..question + 16)?;
    let bytes: [u8; 4] = record[12..].try_into().ok()?;
    (code == 0 && *records > 0 && record[2..4] == [0, 1]).then(|| Ipv4Addr::from(bytes))
}
