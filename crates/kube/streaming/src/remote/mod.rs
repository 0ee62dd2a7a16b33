//! Exec and attach: a client's input, outputs, error and terminal size, over WebSocket channels or SPDY streams.
//!
//! Both protocols name the same five channels, so one conversation serves both: `ears` hears a client in its protocol,
//! `mouth` answers in it, and what happened in the end is said on the error channel, in the form of the protocol's
//! version (`status`).

mod ears;
mod mouth;
mod status;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc::{self, Sender};
use tokio::time::timeout;

use crate::websocket::Coding;
use crate::wire::{QUEUE, send};
use crate::{ContainerRef, Io, Node, Session, Stream, StreamFault};
use ears::{Ears, Heard};
use mouth::{Mouth, Say};
use status::Verdict;

/// The channels, by the numbers that they have in a WebSocket (KEP-4006).
mod channel {
    pub(super) const STDIN: u8 = 0;
    pub(super) const STDOUT: u8 = 1;
    pub(super) const STDERR: u8 = 2;
    pub(super) const ERROR: u8 = 3;
    pub(super) const RESIZE: u8 = 4;
}

/// How long a client may take to open its streams (upstream's `DefaultStreamCreationTimeout`).
const OPENING: Duration = Duration::from_secs(30);

/// What a client may have to itself before it hears anything ([`settling`]).
const SETTLING: Duration = Duration::from_millis(100);

/// How long a client is left to itself after its program has started. Kubernetes' own library before 1.33 reads its
/// WebSocket while it still makes its streams, which nobody else sees, and discards what comes for one that it has not
/// made. It speaks version 5 and nothing older; of those who do, kubectl alone says how old it is.
pub fn settling(spoken: Spoken, user_agent: &str) -> Duration {
    let minor = user_agent
        .strip_prefix("kubectl/v1.")
        .and_then(|rest| rest.split(|end: char| !end.is_ascii_digit()).next())
        .and_then(|minor| minor.parse::<u32>().ok());
    match spoken {
        Spoken::WebSocket(Version::V5, _) if minor.is_none_or(|minor| minor < 33) => SETTLING,
        _ => Duration::ZERO,
    }
}

/// Versions of the remote command protocol, oldest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// `channel.k8s.io`, or none named.
    V1,
    /// Knows when its streams are done.
    V2,
    /// Knows of terminal sizes.
    V3,
    /// Ends with a Status.
    V4,
    /// A client can end its input (WebSocket alone).
    V5,
}

/// How a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spoken {
    /// Channels in a WebSocket.
    WebSocket(Version, Coding),
    /// Streams of SPDY/3.1.
    Spdy(Version),
}

impl Spoken {
    /// The version.
    pub const fn version(self) -> Version {
        match self {
            Self::WebSocket(version, _) | Self::Spdy(version) => version,
        }
    }
}

/// What is spoken over a WebSocket, by its subprotocol (RFC 6455 §1.9).
pub const WEBSOCKET: [(&str, Version, Coding); 8] = [
    ("", Version::V1, Coding::Binary),
    ("v5.channel.k8s.io", Version::V5, Coding::Binary),
    ("v4.channel.k8s.io", Version::V4, Coding::Binary),
    ("v3.channel.k8s.io", Version::V3, Coding::Binary),
    ("v2.channel.k8s.io", Version::V2, Coding::Binary),
    ("channel.k8s.io", Version::V1, Coding::Binary),
    ("v4.base64.channel.k8s.io", Version::V4, Coding::Base64),
    ("base64.channel.k8s.io", Version::V1, Coding::Base64),
];

/// What is spoken over SPDY, by its `X-Stream-Protocol-Version`.
pub const SPDY: [(&str, Version); 4] = [
    ("v4.channel.k8s.io", Version::V4),
    ("v3.channel.k8s.io", Version::V3),
    ("v2.channel.k8s.io", Version::V2),
    ("channel.k8s.io", Version::V1),
];

/// What a client wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// To run a command.
    Exec(Vec<String>),
    /// To be connected with the container's own program.
    Attach,
}

/// What one connection is for.
pub struct Remote {
    /// Whose containers.
    pub node: Arc<dyn Node>,
    /// Which container.
    pub of: ContainerRef,
    /// What for.
    pub wanted: Wanted,
    /// With what.
    pub io: Io,
    /// How long the client hears nothing ([`settling`]).
    pub settling: Duration,
}

impl Remote {
    /// Serves a client on a connection that is its own, to the end. The program starts once the client has all its
    /// streams. When the client leaves, the session is dropped.
    pub async fn serve(self, connection: impl AsyncRead + AsyncWrite + Unpin + Send, spoken: Spoken) {
        let (reading, writing) = tokio::io::split(connection);
        let (tell, commands) = mpsc::channel(QUEUE);
        let mut ears = Ears::new(reading, spoken, self.io, tell.clone());
        let speaking = send(writing, Mouth::new(spoken), commands);
        let mut speaking = std::pin::pin!(speaking);
        {
            let talking = std::pin::pin!(self.talk(spoken, &mut ears, &tell));
            tokio::select! {
                biased;
                // Only a client who is gone ends the speaking before the talking.
                _ = speaking.as_mut() => return,
                whole = talking => if !whole { return },
            }
        }
        let inbound = ears.into_inbound();
        drop(tell);
        if speaking.await.is_ok() {
            inbound.linger().await;
        }
    }

    /// Whether everything has been said; else the client has left.
    async fn talk<R: AsyncRead + Unpin + Send>(
        self,
        spoken: Spoken,
        ears: &mut Ears<R>,
        tell: &Sender<Say>,
    ) -> bool {
        if timeout(OPENING, ears.open()).await != Ok(true) {
            return false;
        }
        let (started, ()) = tokio::join!(self.start(), tokio::time::sleep(self.settling));
        // The client hears that it is connected.
        if matches!(spoken, Spoken::WebSocket(..)) {
            let ready = Say::Bytes(self.first_written(), Bytes::new());
            if tell.send(ready).await.is_err() {
                return false;
            }
        }
        let ended = match started {
            Ok(session) => match converse(ears, tell, session, self.io).await {
                Some(ended) => ended,
                None => return false,
            },
            Err(fault) => Err(fault),
        };
        let said = Verdict::of(&self.wanted, &self.of, ended).write(spoken.version());
        if let Some(said) = said
            && tell.send(Say::Bytes(channel::ERROR, said)).await.is_err()
        {
            return false;
        }
        tell.send(Say::Farewell).await.is_ok()
    }

    /// The lowest channel that the server writes.
    const fn first_written(&self) -> u8 {
        match self.io {
            Io { stdout: true, .. } => channel::STDOUT,
            Io { stderr: true, .. } => channel::STDERR,
            _ => channel::ERROR,
        }
    }

    async fn start(&self) -> Result<Session, StreamFault> {
        match &self.wanted {
            Wanted::Exec(command) => self.node.exec(self.of.clone(), command.clone(), self.io).await,
            Wanted::Attach => self.node.attach(self.of.clone(), self.io).await,
        }
    }
}

/// How the program ended; none if the client left.
async fn converse<R: AsyncRead + Unpin + Send>(
    ears: &mut Ears<R>,
    tell: &Sender<Say>,
    session: Session,
    io: Io,
) -> Option<Result<i32, StreamFault>> {
    let Session {
        input,
        mut output,
        resize,
        ended,
    } = session;
    let speaking = async {
        while let Some((stream, bytes)) = output.recv().await {
            let (wanted, channel) = match stream {
                Stream::Stdout => (io.stdout, channel::STDOUT),
                Stream::Stderr => (io.stderr, channel::STDERR),
            };
            if wanted && !bytes.is_empty() {
                tell.send(Say::Bytes(channel, bytes)).await.ok()?;
            }
        }
        Some(ended.await)
    };
    tokio::select! {
        biased;
        ended = speaking => ended,
        // Returns when the client has left; what it is in the middle of is given up with everything else.
        () = listen(ears, input, resize) => None,
    }
}

/// Hands on what the client says, until it leaves.
async fn listen<R: AsyncRead + Unpin + Send>(
    ears: &mut Ears<R>,
    mut input: Option<Sender<Bytes>>,
    resize: Sender<(u16, u16)>,
) {
    let mut sizes = Sizes::default();
    while let Some(heard) = ears.next().await {
        match heard {
            Heard::Bytes(channel::STDIN, bytes) => {
                // A program that has closed its input does not keep the client from hearing its output.
                if let Some(open) = &input
                    && open.send(bytes).await.is_err()
                {
                    input = None;
                }
            }
            Heard::Ended(channel::STDIN) => input = None,
            Heard::Bytes(channel::RESIZE, bytes) => {
                // Without a terminal nobody waits for sizes.
                if let Some(size) = sizes.take(&bytes)
                    && !resize.is_closed()
                    && resize.send(size).await.is_err()
                {
                    sizes = Sizes::default();
                }
            }
            Heard::Bytes(..) | Heard::Ended(_) => {}
        }
    }
}

/// Terminal sizes as they come: JSON documents one after the other, cut anywhere.
#[derive(Debug, Default)]
struct Sizes(Vec<u8>);

/// The most bytes of a size that is not whole.
const MAX_SIZE: usize = 1024;

impl Sizes {
    /// The last size that `bytes` complete. What is no size ends the reading of sizes, as upstream's decoder does.
    fn take(&mut self, bytes: &[u8]) -> Option<(u16, u16)> {
        if self.0.len() + bytes.len() > MAX_SIZE {
            self.0.clear();
            return None;
        }
        self.0.extend_from_slice(bytes);
        let mut documents = serde_json::Deserializer::from_slice(&self.0).into_iter::<serde_json::Value>();
        let mut last = None;
        while let Some(Ok(document)) = documents.next() {
            let of = |name: &str| {
                let number = document[name].as_u64().unwrap_or(0);
                u16::try_from(number).ok()
            };
            last = of("Width").zip(of("Height")).or(last);
        }
        let read = documents.byte_offset();
        self.0.drain(..read);
        last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_however_they_are_cut() {
        let mut sizes = Sizes::default();
        assert_eq!(sizes.take(br#"{"Width":80,"Hei"#), None);
        assert_eq!(sizes.take(br#"ght":24}"#), Some((80, 24)));
        assert_eq!(
            sizes.take(b"{\"Width\":1,\"Height\":2}\n{\"Width\":3,\"Height\":4}"),
            Some((3, 4))
        );
        assert_eq!(sizes.take(&[b' '; MAX_SIZE + 1]), None);
        assert_eq!(sizes.take(br#"{"Width":99999,"Height":2}"#), None);
        assert_eq!(sizes.take(br#"{"Width":5,"Height":6}"#), Some((5, 6)));
    }
}
