//! The client's end: calls to whoever is on the other side of a stream.

use bytes::Bytes;
use h2::client::SendRequest;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue, TE, USER_AGENT};
use http::{Method, Request};

use super::{Boxed, Code, Incoming, MAX_HEADERS, MEDIA_TYPE, SEND_BUFFER, Sender, Status, Stream, WINDOW};

/// Calls go through this; clones share the connection.
#[derive(Clone, Debug)]
pub struct Channel(SendRequest<Bytes>);

/// Speaks HTTP/2 on a stream. The future drives the connection and ends with it.
///
/// # Errors
/// The stream broke off.
pub async fn connect(stream: Box<dyn Stream>) -> Result<(Channel, Boxed<'static, ()>), Status> {
    let mut builder = h2::client::Builder::new();
    builder
        .initial_window_size(WINDOW)
        .initial_connection_window_size(WINDOW)
        .max_header_list_size(MAX_HEADERS)
        .max_send_buffer_size(SEND_BUFFER)
        .enable_push(false);
    let (channel, connection) = builder
        .handshake::<_, Bytes>(stream)
        .await
        .map_err(|cause| Status::broken(&cause))?;
    let driven = Box::pin(async move {
        if let Err(cause) = connection.await {
            tracing::debug!(%cause, "session broke off");
        }
    });
    Ok((Channel(channel), driven))
}

impl Channel {
    /// Begins a call.
    ///
    /// # Errors
    /// The connection is gone, or metadata cannot be a header.
    pub async fn open(&self, path: &str, metadata: &[(&str, &str)]) -> Result<(Sender, Incoming), Status> {
        let request = request(path, metadata)?;
        let mut ready = self
            .0
            .clone()
            .ready()
            .await
            .map_err(|cause| Status::broken(&cause))?;
        let (response, stream) = ready
            .send_request(request, false)
            .map_err(|cause| Status::broken(&cause))?;
        Ok((Sender(stream), Incoming::answers(response)))
    }

    /// A call with one message each way.
    ///
    /// # Errors
    /// The peer's status, or a broken connection.
    pub async fn unary<A: prost::Message + Default>(
        &self,
        path: &str,
        question: &impl prost::Message,
    ) -> Result<A, Status> {
        let (mut sender, mut incoming) = self.open(path, &[]).await?;
        if let Err(broken) = sender.send(question).await {
            return Err(incoming.fate(broken).await);
        }
        sender.close();
        let answer = incoming.single().await?;
        // The status comes behind the message.
        match incoming.message::<()>().await? {
            None => Ok(answer),
            Some(()) => Err(Status::new(Code::Internal, "a second message came")),
        }
    }
}

fn request(path: &str, metadata: &[(&str, &str)]) -> Result<Request<()>, Status> {
    let bad =
        |cause: &dyn std::fmt::Display| Status::invalid(format!("metadata that no header can hold: {cause}"));
    let mut request = Request::builder()
        .method(Method::POST)
        .uri(format!("http://localhost{path}"))
        .body(())
        .map_err(|cause| bad(&cause))?;
    let headers = request.headers_mut();
    headers.insert(CONTENT_TYPE, MEDIA_TYPE);
    headers.insert(TE, HeaderValue::from_static("trailers"));
    headers.insert(USER_AGENT, HeaderValue::from_static("gantry"));
    for (name, value) in metadata {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|cause| bad(&cause))?;
        headers.append(name, HeaderValue::from_str(value).map_err(|cause| bad(&cause))?);
    }
    Ok(request)
}
