//! A registry at the other end of a connection.

use std::convert::Infallible;
use std::net::SocketAddr;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::Request;
use http_body::Frame;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::{Ask, Got, Registry};

/// The body of a request.
pub(crate) fn body(ask: &Ask) -> BoxBody<Bytes, Infallible> {
    if !ask.streamed {
        return Full::new(ask.body.clone()).boxed();
    }
    let pieces: Vec<Bytes> = ask.body.chunks(997).map(Bytes::copy_from_slice).collect();
    let frames = pieces.into_iter().map(|piece| Ok(Frame::data(piece)));
    BoxBody::new(StreamBody::new(futures_util::stream::iter(frames)))
}

pub(crate) fn request(ask: &Ask) -> Request<BoxBody<Bytes, Infallible>> {
    let mut request = Request::builder().method(ask.method).uri(&ask.path);
    if !ask.headers.iter().any(|(name, _)| *name == "host") {
        request = request.header("host", "localhost:5000");
    }
    for (name, value) in &ask.headers {
        request = request.header(*name, value);
    }
    request.body(body(ask)).unwrap()
}

/// One that is spoken to over plain HTTP/1.1, each time on a connection of its own.
pub(crate) struct Remote {
    pub(crate) address: SocketAddr,
    pub(crate) ours: bool,
    /// Sent with each request.
    pub(crate) credentials: Option<String>,
}

impl Registry for Remote {
    fn send(&self, mut ask: Ask) -> BoxFuture<'_, Got> {
        if let Some(credentials) = &self.credentials {
            ask = ask.header("authorization", credentials);
        }
        Box::pin(async move {
            let stream = TcpStream::connect(self.address).await.unwrap();
            let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
                .await
                .unwrap();
            let connection = tokio::spawn(connection);
            let response = sender.send_request(request(&ask)).await.unwrap();
            let (head, body) = response.into_parts();
            // docker-registry promises the length of the blob where it answers that there is no such part of it.
            let body = match body.collect().await {
                Ok(body) => body.to_bytes(),
                Err(error) if self.ours => panic!("{ask:?}: {error}"),
                Err(_) => Bytes::new(),
            };
            drop(sender);
            let _ = connection.await;
            Got {
                status: head.status,
                headers: head.headers,
                body,
            }
        })
    }

    fn is_ours(&self) -> bool {
        self.ours
    }
}
