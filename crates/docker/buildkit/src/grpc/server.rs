//! The server's end: a task for each call, dropped when its caller goes.

use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use tokio::task::JoinSet;

use super::stream::write;
use super::{
    Boxed, Code, Incoming, MAX_HEADERS, MAX_STREAMS, MEDIA_TYPE, SEND_BUFFER, Status, Stream, WINDOW, framed,
};

/// A call as a service sees it.
#[derive(Debug)]
pub struct Call {
    /// `/package.Service/Method`.
    pub path: String,
    /// Its metadata.
    pub metadata: HeaderMap,
    /// Its messages.
    pub incoming: Incoming,
}

/// Answers calls. A future that is dropped is a call that nobody waits for.
pub trait Service: Send + Sync + 'static {
    /// Answers one.
    fn answer<'a>(&'a self, call: Call, reply: &'a Reply) -> Boxed<'a, Result<(), Status>>;
}

/// Serves a connection until the client goes; calls under way are dropped then.
pub async fn serve(stream: Box<dyn Stream>, service: Arc<dyn Service>) {
    let mut builder = h2::server::Builder::new();
    builder
        .initial_window_size(WINDOW)
        .initial_connection_window_size(WINDOW)
        .max_header_list_size(MAX_HEADERS)
        .max_concurrent_streams(MAX_STREAMS)
        .max_send_buffer_size(SEND_BUFFER);
    let mut connection = match builder.handshake::<_, Bytes>(stream).await {
        Ok(connection) => connection,
        Err(cause) => return tracing::debug!(%cause, "no HTTP/2 came"),
    };
    let mut calls = JoinSet::new();
    loop {
        // `accept` keeps its state in the connection.
        tokio::select! {
            biased;
            Some(_) = calls.join_next() => {}
            accepted = connection.accept() => match accepted {
                Some(Ok((request, respond))) => {
                    calls.spawn(answer(request, respond, service.clone()));
                }
                Some(Err(cause)) => return tracing::debug!(%cause, "connection broke off"),
                None => return,
            },
        }
    }
}

async fn answer(request: Request<RecvStream>, respond: SendResponse<Bytes>, service: Arc<dyn Service>) {
    let (head, body) = request.into_parts();
    let call = Call {
        path: head.uri.path().to_owned(),
        metadata: head.headers,
        incoming: Incoming::requests(body),
    };
    let reply = Reply(Mutex::new(Answer::Silent(respond)));
    // Dropping the service's future is how a call is cancelled.
    let ended = tokio::select! {
        biased;
        ended = service.answer(call, &reply) => ended,
        () = poll_fn(|context| reply.poll_reset(context)) => return,
    };
    reply.end(&ended.err().unwrap_or(Status::new(Code::Ok, "")));
}

/// The way back to a caller.
#[derive(Debug)]
pub struct Reply(Mutex<Answer>);

#[derive(Debug)]
enum Answer {
    Silent(SendResponse<Bytes>),
    Speaking(SendStream<Bytes>),
}

impl Reply {
    /// Sends a message; waits while the caller does not read.
    ///
    /// # Errors
    /// The caller is gone, or the message is too large.
    pub async fn send(&self, message: &impl prost::Message) -> Result<(), Status> {
        let mut bytes = framed(message)?;
        self.speak()?;
        while !bytes.is_empty() {
            poll_fn(|context| self.poll_write(&mut bytes, context)).await?;
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Answer> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends the headers with one more, unless they are sent already.
    ///
    /// # Errors
    /// The caller is gone.
    pub fn begin(&self, name: HeaderName, value: HeaderValue) -> Result<(), Status> {
        self.speak_with(Some((name, value)))
    }

    /// Sends the headers, once.
    fn speak(&self) -> Result<(), Status> {
        self.speak_with(None)
    }

    fn speak_with(&self, more: Option<(HeaderName, HeaderValue)>) -> Result<(), Status> {
        let mut answer = self.lock();
        if let Answer::Silent(respond) = &mut *answer {
            let mut head = Response::new(());
            head.headers_mut().insert(CONTENT_TYPE, MEDIA_TYPE);
            head.headers_mut()
                .extend(more.map(|(name, value)| (Some(name), value)));
            let stream = respond
                .send_response(head, false)
                .map_err(|cause| Status::broken(&cause))?;
            *answer = Answer::Speaking(stream);
        }
        Ok(())
    }

    fn poll_write(&self, bytes: &mut Bytes, context: &mut Context<'_>) -> Poll<Result<(), Status>> {
        let mut answer = self.lock();
        let Answer::Speaking(stream) = &mut *answer else {
            return Poll::Ready(Err(Status::new(Code::Internal, "no headers were sent")));
        };
        stream.reserve_capacity(bytes.len());
        let room = match stream.capacity() {
            0 => ready!(stream.poll_capacity(context)),
            room => Some(Ok(room)),
        };
        Poll::Ready(write(stream, bytes, room))
    }

    /// Ready when the caller has ended the call, or the connection has.
    fn poll_reset(&self, context: &mut Context<'_>) -> Poll<()> {
        let reset: Poll<Result<Reason, h2::Error>> = match &mut *self.lock() {
            Answer::Silent(respond) => respond.poll_reset(context),
            Answer::Speaking(stream) => stream.poll_reset(context),
        };
        reset.map(drop)
    }

    /// Tells how the call ended. A caller who is gone needs no end.
    fn end(&self, status: &Status) {
        match &mut *self.lock() {
            Answer::Speaking(stream) => drop(stream.send_trailers(status.trailers())),
            Answer::Silent(respond) => {
                let mut head = Response::new(());
                *head.headers_mut() = status.trailers();
                head.headers_mut().insert(CONTENT_TYPE, MEDIA_TYPE);
                drop(respond.send_response(head, true));
            }
        }
    }
}
