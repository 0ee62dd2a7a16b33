//! Messages on an HTTP/2 stream, one direction each.

use std::future::poll_fn;

use bytes::{Buf as _, Bytes, BytesMut};
use h2::client::ResponseFuture;
use h2::{RecvStream, SendStream};

use super::bound::{self, Reserved};
use super::{Code, MAX_MESSAGE, Status, framed};

/// Messages that come.
#[derive(Debug)]
pub struct Incoming {
    source: Source,
    buffer: BytesMut,
    /// Room for the message that comes, if it is a large one.
    reserved: Option<Reserved>,
}

#[derive(Debug)]
enum Source {
    /// A client's requests.
    Requests(RecvStream),
    /// A server that has not answered yet.
    Waiting(ResponseFuture),
    /// A server's answers; trailers say how it ended.
    Answers(RecvStream),
    /// Nothing more.
    Ended,
}

impl Incoming {
    pub(super) fn requests(stream: RecvStream) -> Self {
        Self::of(Source::Requests(stream))
    }

    pub(super) fn answers(response: ResponseFuture) -> Self {
        Self::of(Source::Waiting(response))
    }

    fn of(source: Source) -> Self {
        Self {
            source,
            buffer: BytesMut::new(),
            reserved: None,
        }
    }

    /// The next message; `None` at the end. Not to be dropped while it waits for a first answer.
    ///
    /// # Errors
    /// The peer's status, a broken connection, or what is no message.
    pub async fn message<M: prost::Message + Default>(&mut self) -> Result<Option<M>, Status> {
        let Some(frame) = self.frame().await? else {
            return Ok(None);
        };
        bound::check(&frame)?;
        let decoded = M::decode(frame).map_err(|cause| Status::invalid(format!("no message: {cause}")))?;
        self.reserved = None;
        Ok(Some(decoded))
    }

    /// The only message of a call with one.
    ///
    /// # Errors
    /// As [`Self::message`], and where there is none.
    pub async fn single<M: prost::Message + Default>(&mut self) -> Result<M, Status> {
        self.message()
            .await?
            .ok_or_else(|| Status::new(Code::Internal, "the message is missing"))
    }

    /// Why nothing could be sent: a peer may end a call before it has read everything, and says how; otherwise the
    /// connection is broken.
    pub async fn fate(&mut self, broken: Status) -> Status {
        // What is our own fault the peer knows nothing of.
        if !matches!(broken.code, Code::Cancelled | Code::Unavailable) {
            return broken;
        }
        loop {
            match self.frame().await {
                Ok(Some(_)) => self.reserved = None,
                Ok(None) => return broken,
                Err(told) if matches!(told.code, Code::Cancelled | Code::Unavailable) => return broken,
                Err(told) => return told,
            }
        }
    }

    async fn frame(&mut self) -> Result<Option<Bytes>, Status> {
        loop {
            if let Some(frame) = cut(&mut self.buffer)? {
                return Ok(Some(frame));
            }
            if self.reserved.is_none()
                && let Some(length) = announced(&self.buffer)
            {
                self.reserved = bound::reserve(length)?;
            }
            if !self.more().await? {
                return match self.buffer.is_empty() {
                    true => Ok(None),
                    false => Err(Status::new(Code::DataLoss, "a message is cut off")),
                };
            }
        }
    }

    /// Takes more bytes in; `false` at the end.
    async fn more(&mut self) -> Result<bool, Status> {
        if let Source::Waiting(response) = &mut self.source {
            let response = response.await.map_err(|cause| Status::broken(&cause))?;
            let (head, body) = response.into_parts();
            self.source = Source::Answers(body);
            if let Some(status) = Status::told(&head.headers).filter(|status| status.code != Code::Ok) {
                return Err(status);
            }
            if head.status != http::StatusCode::OK {
                let sentence = format!("the peer answered with HTTP status {}", head.status);
                return Err(Status::new(Code::Unavailable, sentence));
            }
        }
        let (stream, answers) = match &mut self.source {
            Source::Requests(stream) => (stream, false),
            Source::Answers(stream) => (stream, true),
            Source::Waiting(_) | Source::Ended => return Ok(false),
        };
        match poll_fn(|context| stream.poll_data(context)).await {
            Some(Ok(bytes)) => {
                // The window of a stream that has just ended needs nothing back.
                let _ = stream.flow_control().release_capacity(bytes.len());
                self.buffer.extend_from_slice(&bytes);
                Ok(true)
            }
            Some(Err(cause)) => Err(Status::broken(&cause)),
            None if answers => {
                let trailers = poll_fn(|context| stream.poll_trailers(context)).await;
                self.source = Source::Ended;
                let trailers = trailers.map_err(|cause| Status::broken(&cause))?;
                match trailers.as_ref().and_then(Status::told) {
                    Some(status) if status.code != Code::Ok => Err(status),
                    _ => Ok(false),
                }
            }
            None => Ok(false),
        }
    }
}

/// The length of the message that begins here, as far as that has come.
fn announced(buffer: &BytesMut) -> Option<usize> {
    let (&[_, a, b, c, d], _) = buffer.split_first_chunk()?;
    usize::try_from(u32::from_be_bytes([a, b, c, d])).ok()
}

/// Cuts a whole message off the front.
fn cut(buffer: &mut BytesMut) -> Result<Option<Bytes>, Status> {
    let Some((&[compressed, a, b, c, d], _)) = buffer.split_first_chunk() else {
        return Ok(None);
    };
    if compressed != 0 {
        return Err(Status::unimplemented("compressed messages are not understood"));
    }
    let length = usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap_or(usize::MAX);
    if length > MAX_MESSAGE {
        let sentence = format!("a message of {length} bytes is larger than {MAX_MESSAGE}");
        return Err(Status::new(Code::ResourceExhausted, sentence));
    }
    if buffer.len() < length + 5 {
        return Ok(None);
    }
    buffer.advance(5);
    Ok(Some(buffer.split_to(length).freeze()))
}

/// Messages of a client that go.
#[derive(Debug)]
pub struct Sender(pub(super) SendStream<Bytes>);

impl Sender {
    /// Sends a message; waits while the peer does not read.
    ///
    /// # Errors
    /// A broken connection, or a message that is too large.
    pub async fn send(&mut self, message: &impl prost::Message) -> Result<(), Status> {
        let mut bytes = framed(message)?;
        while !bytes.is_empty() {
            let stream = &mut self.0;
            stream.reserve_capacity(bytes.len());
            let room = match stream.capacity() {
                0 => poll_fn(|context| stream.poll_capacity(context)).await,
                room => Some(Ok(room)),
            };
            write(stream, &mut bytes, room)?;
        }
        Ok(())
    }

    /// Says that nothing more comes.
    pub fn close(&mut self) {
        // A stream that the peer has ended needs no end of ours.
        let _ = self.0.send_data(Bytes::new(), true);
    }
}

/// Writes as much as there is room for.
pub(super) fn write(
    stream: &mut SendStream<Bytes>,
    bytes: &mut Bytes,
    room: Option<Result<usize, h2::Error>>,
) -> Result<(), Status> {
    let room = room
        .ok_or_else(|| Status::new(Code::Cancelled, "the peer ended the call"))?
        .map_err(|cause| Status::broken(&cause))?;
    if room == 0 {
        return Ok(());
    }
    let piece = bytes.split_to(room.min(bytes.len()));
    stream
        .send_data(piece, false)
        .map_err(|cause| Status::broken(&cause))
}

/// For the fuzz target and the property test: bytes of a peer, cut into messages.
#[cfg(test)]
pub(super) fn cut_all(bytes: &[u8]) -> (Vec<Bytes>, Option<Status>) {
    let mut buffer = BytesMut::from(bytes);
    let mut messages = Vec::new();
    loop {
        match cut(&mut buffer) {
            Ok(Some(message)) => messages.push(message),
            Ok(None) => return (messages, None),
            Err(status) => return (messages, Some(status)),
        }
    }
}
