//! Connections that are kept while nobody needs them: HTTP/1.1, by where they lead.
//!
//! Nothing is sent twice: only a request of which the kept connection has taken nothing goes out again on a new one.

use std::collections::HashMap;
use std::future::Future;
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Buf;
use http::{Request, Response, StatusCode};
use http_body::Body;
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

/// Connections to one server that are kept while nobody needs them.
const IDLE: usize = 16;

/// Servers to which connections are kept; with more, all are given up.
const SERVERS: usize = 256;

/// Kept connections, by where they lead; requests have bodies `B`.
pub struct Pool<K, B>(Mutex<HashMap<K, Vec<SendRequest<B>>>>);

impl<K, B> Default for Pool<K, B> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

/// A connection that speaks HTTP/1.1.
pub struct Connection<B>(SendRequest<B>);

impl<K: Hash + Eq + Clone, B: Body + 'static> Pool<K, B> {
    /// Sends a request on a kept connection to `key`, or on the one that `connect` makes. The answer's body comes as it
    /// is read. There is no deadline: that is the caller's, who drops the future.
    ///
    /// # Errors
    /// Those of `connect`; and that the connection ended, or the server does not keep to HTTP.
    pub async fn send<E, F>(
        &self,
        key: &K,
        mut request: Request<B>,
        connect: impl FnOnce() -> F,
    ) -> Result<Response<Incoming>, E>
    where
        E: From<hyper::Error>,
        F: Future<Output = Result<Connection<B>, E>>,
    {
        if let Some(mut connection) = self.take(key) {
            match connection.try_send_request(request).await {
                Ok(response) => {
                    self.keep(key, connection, &response);
                    return Ok(response);
                }
                Err(mut failed) => match failed.take_message() {
                    Some(unsent) => request = unsent,
                    None => return Err(failed.into_error().into()),
                },
            }
        }
        let Connection(mut connection) = connect().await?;
        let response = connection.send_request(request).await?;
        self.keep(key, connection, &response);
        Ok(response)
    }

    /// Keeps a connection that has not been used yet.
    pub fn put(&self, key: &K, connection: Connection<B>) {
        self.add(key, connection.0);
    }

    fn kept(&self) -> MutexGuard<'_, HashMap<K, Vec<SendRequest<B>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection on which nothing is under way.
    fn take(&self, key: &K) -> Option<SendRequest<B>> {
        let mut kept = self.kept();
        let idle = kept.get_mut(key)?;
        idle.retain(|connection| !connection.is_closed());
        let at = idle.iter().position(SendRequest::is_ready)?;
        Some(idle.swap_remove(at))
    }

    /// It is ready again once the answer that is under way has been read; one that now speaks something else never is.
    fn keep(&self, key: &K, connection: SendRequest<B>, answer: &Response<Incoming>) {
        if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
            self.add(key, connection);
        }
    }

    fn add(&self, key: &K, connection: SendRequest<B>) {
        let mut kept = self.kept();
        if kept.len() >= SERVERS && !kept.contains_key(key) {
            kept.clear();
        }
        let idle = kept.entry(key.clone()).or_default();
        if idle.len() < IDLE {
            idle.push(connection);
        }
    }
}

impl<B> Connection<B>
where
    B: Body + Send + 'static,
    B::Data: Buf + Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    /// Speaks HTTP on a stream. What it is upgraded to is whoever's who gets the answer.
    ///
    /// # Errors
    /// None that a peer could cause: nothing has been sent yet.
    pub async fn begin(
        stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    ) -> Result<Self, hyper::Error> {
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(async move {
            if let Err(error) = connection.with_upgrades().await {
                tracing::debug!(%error, "connection ended");
            }
        });
        Ok(Self(sender))
    }
}
