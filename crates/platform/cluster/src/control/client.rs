//! The blocking side: one connection, one request.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use super::{MAX_LINE, Reply, Request};

/// An answer, line by line.
#[derive(Debug)]
pub struct Conversation(BufReader<UnixStream>);

/// Connects and asks.
///
/// # Errors
/// `NotFound` and `ConnectionRefused` where no daemon listens.
pub fn ask(socket: &Path, request: &Request) -> io::Result<Conversation> {
    let mut stream = UnixStream::connect(socket)?;
    let mut line = serde_json::to_vec(request)?;
    line.push(b'\n');
    stream.write_all(&line)?;
    Ok(Conversation(BufReader::new(stream)))
}

impl Conversation {
    /// The next reply.
    ///
    /// # Errors
    /// `TimedOut` if it does not come within `limit`, `UnexpectedEof` if the daemon has ended,
    /// `InvalidData` for what is no reply.
    pub fn next(&mut self, limit: Duration) -> io::Result<Reply> {
        // Zero would mean to wait for ever.
        let limit = limit.max(Duration::from_millis(1));
        self.0.get_ref().set_read_timeout(Some(limit))?;
        let mut line = String::new();
        let read = self.0.by_ref().take(MAX_LINE as u64).read_line(&mut line);
        match read {
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(_) => {
                serde_json::from_str(&line).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(io::ErrorKind::TimedOut.into()),
            // A daemon that was killed before it had read the request.
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {
                Err(io::ErrorKind::UnexpectedEof.into())
            }
            Err(error) => Err(error),
        }
    }
}
