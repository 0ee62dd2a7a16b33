//! A process's streams on a connection that has left HTTP.
//!
//! Output goes out as it comes, in frames unless there is a terminal; what the client sends is the
//! process's input. The client's half close ends the input and nothing else. A client that is gone
//! altogether, or typed its detach keys, ends the attachment; the process goes on. Where the output
//! ends the client closes first.

use std::fs::File;
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::AsFd;
use std::time::Duration;

use bytes::Bytes;
use engine::{Attached, Input, Stream};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};

use super::detach::{DetachKeys, Filtered};
use super::frame::{Channel, Framing};
use crate::server::reply::{Boxed, Hijack, Reply};

/// How much input is read at once, in bytes.
const INPUT: usize = 16 << 10;
/// How often a client that closed its sending half is looked after: nothing tells of a reader that
/// has gone but an attempt to write to it.
const LOOK: Duration = Duration::from_secs(5);
/// How long a client may take to close after it was told everything.
const LINGER: Duration = Duration::from_secs(5);

/// Why an attachment ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// The process's output did.
    Output,
    /// The client has gone.
    Client,
    /// The client typed its detach keys.
    Detached,
}

/// The head of an answer after which the connection is not HTTP any more.
pub(crate) fn head(upgrade: bool, multiplexed_type: bool) -> Bytes {
    let media_type = if upgrade && multiplexed_type {
        "application/vnd.docker.multiplexed-stream"
    } else {
        "application/vnd.docker.raw-stream"
    };
    if upgrade {
        format!("HTTP/1.1 101 UPGRADED\r\nContent-Type: {media_type}\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n").into()
    } else {
        format!("HTTP/1.1 200 OK\r\nContent-Type: {media_type}\r\n\r\n").into()
    }
}

/// Writes the head so that the peer's read of it ends where it ends.
///
/// Clients read the head through a buffer and what follows past it (docker-py does): output that
/// is there when they read the head would be lost to them. A read of a stream socket does not go on
/// behind a message that brings a descriptor, so the head brings one; the kernel closes it, since no
/// client makes room for it.
async fn write_head(stream: &UnixStream, head: &[u8]) -> io::Result<()> {
    let boundary = File::open("/dev/null")?;
    let descriptors = [boundary.as_fd()];
    let send = || {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut message = SendAncillaryBuffer::new(&mut space);
        message.push(SendAncillaryMessage::ScmRights(&descriptors));
        let sent = sendmsg(stream, &[IoSlice::new(head)], &mut message, SendFlags::NOSIGNAL)?;
        Ok(sent)
    };
    let sent = stream.async_io(Interest::WRITABLE, send).await?;
    // A head is far smaller than an empty socket buffer.
    if sent == head.len() {
        Ok(())
    } else {
        Err(io::ErrorKind::WriteZero.into())
    }
}

/// Takes the connection over for `run`, which gets the halves of the stream and the bytes that came
/// early. The head is written first.
pub(crate) fn take_over<F>(head: Bytes, run: impl FnOnce(Client) -> F + Send + 'static) -> Reply
where
    F: Future<Output = ()> + Send + 'static,
{
    Reply::Hijack(Hijack {
        run: Box::new(move |stream: UnixStream, early: Bytes| -> Boxed<()> {
            Box::pin(async move {
                if write_head(&stream, &head).await.is_ok() {
                    let (reader, writer) = stream.into_split();
                    run(Client {
                        reader,
                        writer,
                        early,
                    })
                    .await;
                }
            })
        }),
    })
}

/// A client on a naked stream.
pub(crate) struct Client {
    reader: OwnedReadHalf,
    writer: OwnedWriteHalf,
    early: Bytes,
}

impl Client {
    /// Writes all the output there is; for what the door itself has to say.
    pub(crate) async fn say(mut self, framing: Framing, channel: Channel, text: String) {
        let said = self.writer.write_all(&framing.wrap(channel, text.into())).await;
        // A client that has gone needs no message.
        if said.is_ok() {
            part(self.writer, take_input(self.reader, self.early, None, None)).await;
        }
    }

    /// Joins the client to a process until one of them ends it.
    ///
    /// The framing is what the client asked for, which for an exec need not be what the process has: a
    /// terminal's output goes into frames when the start did not ask for a terminal, and standard error
    /// has no place in a raw stream.
    pub(crate) async fn join(self, attached: Attached, framing: Framing, keys: DetachKeys) -> Ended {
        let Self {
            reader,
            writer,
            early,
        } = self;
        let Attached {
            tty,
            mut output,
            input,
            ..
        } = attached;
        let mut writer = writer;
        let input = take_input(reader, early, input, tty.then_some(keys));
        tokio::pin!(input);
        let mut half_closed = false;
        loop {
            // `recv` is cancel-safe, `input` is polled on where it was, and a look has no state.
            tokio::select! {
                biased;
                piece = output.recv() => match piece {
                    None => break,
                    Some((Stream::Stderr, _)) if framing == Framing::Raw => {}
                    Some((stream, bytes)) => {
                        if writer.write_all(&framing.wrap(stream.into(), bytes)).await.is_err() {
                            return Ended::Client;
                        }
                    }
                },
                ended = &mut input, if !half_closed => match ended {
                    InputEnded::HalfClosed => half_closed = true,
                    InputEnded::Detached => return Ended::Detached,
                    InputEnded::Broken => return Ended::Client,
                },
                () = tokio::time::sleep(LOOK), if half_closed => {
                    if is_gone(&writer).await {
                        return Ended::Client;
                    }
                }
            }
        }
        if !half_closed {
            part(writer, input).await;
        }
        Ended::Output
    }
}

/// Ends the output and lets the client go first; upstream never closes the other half itself.
///
/// A socket that is closed on both sides is hung up (POLLHUP) whatever is in it yet. Clients on libuv
/// (docker-modem) take a hang-up and a read that did not fill their buffer for the end, and the read of
/// the head is such a one: the output behind it would be lost to them.
async fn part(mut writer: OwnedWriteHalf, client: impl Future<Output = InputEnded>) {
    if writer.shutdown().await.is_ok() {
        // One that does not close is left.
        let _ = tokio::time::timeout(LINGER, client).await;
    }
}

async fn is_gone(writer: &OwnedWriteHalf) -> bool {
    writer
        .ready(Interest::WRITABLE)
        .await
        .is_ok_and(|ready| ready.is_write_closed())
}

enum InputEnded {
    HalfClosed,
    Detached,
    Broken,
}

/// Passes on what the client sends. Input nobody takes is read and dropped, so that the client's
/// close is seen.
async fn take_input(
    mut reader: OwnedReadHalf,
    early: Bytes,
    mut input: Option<Input>,
    mut keys: Option<DetachKeys>,
) -> InputEnded {
    let mut piece = early;
    let mut buffer = vec![0; INPUT];
    loop {
        if !piece.is_empty() {
            let (bytes, detached) = filter(keys.as_mut(), &piece);
            pass(&mut input, bytes).await;
            if detached {
                // The process keeps its input: nobody closed it.
                if let Some(input) = input {
                    input.detach();
                }
                return InputEnded::Detached;
            }
        }
        piece = match reader.read(&mut buffer).await {
            Ok(0) => break,
            Ok(length) => Bytes::copy_from_slice(&buffer[..length]),
            Err(_) => return InputEnded::Broken,
        };
    }
    pass(
        &mut input,
        keys.map(|keys| Bytes::copy_from_slice(keys.rest()))
            .unwrap_or_default(),
    )
    .await;
    if let Some(input) = input {
        input.close();
    }
    InputEnded::HalfClosed
}

fn filter(keys: Option<&mut DetachKeys>, piece: &Bytes) -> (Bytes, bool) {
    match keys.map(|keys| keys.filter(piece)) {
        None => (piece.clone(), false),
        Some(Filtered::Pass(bytes)) => (bytes.into(), false),
        Some(Filtered::Detach(bytes)) => (bytes.into(), true),
    }
}

/// A process that closed its input loses what comes later, as with a pipe nobody reads.
async fn pass(input: &mut Option<Input>, bytes: Bytes) {
    if let Some(open) = input
        && !bytes.is_empty()
        && open.write(bytes).await.is_err()
    {
        *input = None;
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use rustix::event::{PollFd, PollFlags, Timespec};

    use super::*;

    #[tokio::test]
    async fn a_read_of_the_head_ends_where_the_head_ends() {
        let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let mut ours = UnixStream::from_std(ours).unwrap();
        write_head(&ours, b"head").await.unwrap();
        ours.write_all(b"output").await.unwrap();
        drop(ours);
        let (mut theirs, mut buffer) = (theirs, [0; 64]);
        assert_eq!(theirs.read(&mut buffer).unwrap(), 4);
        let mut rest = String::new();
        theirs.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "output");
    }

    fn hung_up_on(stream: &UnixStream) -> bool {
        let mut polled = [PollFd::new(stream, PollFlags::IN)];
        rustix::event::poll(&mut polled, Some(&Timespec::default())).unwrap();
        polled[0].revents().contains(PollFlags::HUP)
    }

    /// What a client gets of a process that wrote `out` and, without a terminal, `err`.
    async fn joined(tty: bool, framing: Framing) -> Vec<u8> {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let (reader, writer) = ours.into_split();
        let early = Bytes::new();
        let client = Client {
            reader,
            writer,
            early,
        };
        let (pieces, output) = tokio::sync::mpsc::channel(2);
        let stderr = if tty { Stream::Stdout } else { Stream::Stderr };
        for (stream, text) in [(Stream::Stdout, "out"), (stderr, "err")] {
            pieces.send((stream, text.into())).await.unwrap();
        }
        drop(pieces);
        let attached = Attached {
            tty,
            output,
            input: None,
        };
        let keys = DetachKeys::parse("").unwrap();
        let reading = async {
            let mut got = Vec::new();
            theirs.read_to_end(&mut got).await.unwrap();
            assert!(!hung_up_on(&theirs));
            drop(theirs);
            got
        };
        let (ended, got) = tokio::join!(client.join(attached, framing, keys), reading);
        assert_eq!(ended, Ended::Output);
        got
    }

    #[tokio::test]
    async fn output_is_framed_as_the_client_asked() {
        let frames = |second: u8| {
            let second: &[u8] = &[second, 0, 0, 0, 0, 0, 0, 3];
            [&[1, 0, 0, 0, 0, 0, 0, 3], &b"out"[..], second, b"err"].concat()
        };
        assert_eq!(joined(false, Framing::Multiplexed).await, frames(2));
        assert_eq!(joined(true, Framing::Multiplexed).await, frames(1));
        assert_eq!(joined(true, Framing::Raw).await, b"outerr");
        assert_eq!(joined(false, Framing::Raw).await, b"out");
    }
}
