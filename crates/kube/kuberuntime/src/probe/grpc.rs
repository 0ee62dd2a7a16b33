//! `grpc.health.v1.Health/Check`: one message each way over HTTP/2. The texts are upstream's (`pkg/probe/grpc`).

use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use http::header::{CONTENT_TYPE, HeaderValue, TE, USER_AGENT};
use http::{HeaderMap, Request};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use kubelet::traits::Outcome;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::resolve;

/// The bytes before each message: whether it is compressed, and its length.
const PREFIX: usize = 5;
/// Bytes of an answer that are read; it is a number.
const MAX_ANSWER: usize = 1 << 10;
/// The field of the answer that is its status, as a varint.
const STATUS: u8 = 1 << 3;
/// `ServingStatus` by number.
const STATUSES: [&str; 4] = ["UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"];
const SERVING: usize = 1;

/// Codes of calls that fail, by number.
const CODES: [&str; 17] = [
    "OK",
    "Canceled",
    "Unknown",
    "InvalidArgument",
    "DeadlineExceeded",
    "NotFound",
    "AlreadyExists",
    "PermissionDenied",
    "ResourceExhausted",
    "FailedPrecondition",
    "Aborted",
    "OutOfRange",
    "Unimplemented",
    "Internal",
    "Unavailable",
    "DataLoss",
    "Unauthenticated",
];
const UNKNOWN: usize = 2;
const UNIMPLEMENTED: usize = 12;
const UNAVAILABLE: usize = 14;

/// Asks whether a service is well; an empty name asks for the whole server.
pub(super) async fn probe(host: &str, port: u16, service: &str, limit: Duration) -> Outcome {
    let seconds = limit.as_secs();
    let stream = timeout(limit, connect(host, port)).await;
    let Ok(Ok(stream)) = stream else {
        return Outcome::Failure(format!(
            "timeout: failed to connect service \"{host}:{port}\" within {seconds}s: context deadline exceeded"
        ));
    };
    match timeout(limit, check(stream, host, port, service)).await {
        Ok(Ok(SERVING)) => Outcome::Success,
        Ok(Ok(status)) => {
            let status = STATUSES.get(status).copied().unwrap_or("UNKNOWN");
            Outcome::Failure(format!("service unhealthy (responded with {status:?})"))
        }
        Ok(Err(fault)) => Outcome::Failure(fault.text()),
        Err(_) => Outcome::Failure(format!("timeout: health rpc did not complete within {seconds}s")),
    }
}

/// How a call failed.
struct Fault {
    code: usize,
    message: String,
}

impl Fault {
    fn unavailable(why: &hyper::Error) -> Self {
        Self {
            code: UNAVAILABLE,
            message: format!("connection error: desc = \"{why}\""),
        }
    }

    /// What the server's trailers say, if they say that the call failed.
    fn of(headers: &HeaderMap) -> Option<Self> {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let code = text("grpc-status")?.parse().unwrap_or(UNKNOWN);
        let message = percent_encoding::percent_decode_str(text("grpc-message").unwrap_or_default());
        (code != 0).then(|| Self {
            code,
            message: message.decode_utf8_lossy().into_owned(),
        })
    }

    fn text(&self) -> String {
        let (message, code) = (&self.message, CODES.get(self.code).copied().unwrap_or("Unknown"));
        if self.code == UNIMPLEMENTED {
            return format!(
                "error: this server does not implement the grpc health protocol (grpc.health.v1.Health): {message}"
            );
        }
        format!("error: health rpc probe failed: rpc error: code = {code} desc = {message}")
    }
}

async fn connect(host: &str, port: u16) -> Result<TcpStream, String> {
    let to = resolve(host, port).await?;
    TcpStream::connect(to).await.map_err(|error| error.to_string())
}

/// The status that a server gives a service, by its number.
async fn check(stream: TcpStream, host: &str, port: u16, service: &str) -> Result<usize, Fault> {
    let shook = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await;
    let (mut sender, connection) = shook.map_err(|error| Fault::unavailable(&error))?;
    // It ends with its last sender.
    tokio::spawn(connection);
    let answered = sender.send_request(request(host, port, service)?).await;
    let response = answered.map_err(|error| Fault::unavailable(&error))?;
    if let Some(fault) = Fault::of(response.headers()) {
        return Err(fault);
    }
    if response.status() != http::StatusCode::OK {
        let (code, status) = (UNAVAILABLE, response.status());
        let message = format!("unexpected HTTP status code received from server: {status}");
        return Err(Fault { code, message });
    }
    Ok(status(&read(response.into_body()).await?))
}

fn request(host: &str, port: u16, service: &str) -> Result<Request<Full<Bytes>>, Fault> {
    let request = Request::post(format!("http://{host}:{port}/grpc.health.v1.Health/Check"))
        .header(CONTENT_TYPE, HeaderValue::from_static("application/grpc"))
        .header(TE, HeaderValue::from_static("trailers"))
        .header(USER_AGENT, HeaderValue::from_static("kube-probe/1.36"))
        .body(Full::new(asking(service)));
    request.map_err(|error| Fault {
        code: UNKNOWN,
        message: error.to_string(),
    })
}

/// `HealthCheckRequest`: field 1 is the service's name. The API bounds it.
fn asking(service: &str) -> Bytes {
    let mut message = BytesMut::new();
    if !service.is_empty() {
        message.put_u8((1 << 3) | 2);
        put_varint(&mut message, service.len());
        message.put_slice(service.as_bytes());
    }
    let mut framed = BytesMut::new();
    framed.put_u8(0);
    framed.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
    framed.put_slice(&message);
    framed.freeze()
}

fn put_varint(out: &mut BytesMut, mut value: usize) {
    while value >= 0x80 {
        out.put_u8(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    out.put_u8(value.to_le_bytes()[0]);
}

/// The answer's first message, unless the trailers say that the call failed.
async fn read(mut body: Incoming) -> Result<Vec<u8>, Fault> {
    let mut answer = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Fault::unavailable(&error))?;
        match frame.into_data() {
            Ok(data) => answer.extend_from_slice(&data[..data.len().min(MAX_ANSWER - answer.len())]),
            Err(frame) => {
                if let Some(fault) = frame.trailers_ref().and_then(Fault::of) {
                    return Err(fault);
                }
            }
        }
    }
    Ok(answer)
}

/// `HealthCheckResponse`: field 1 is its status; one that is not there is the first.
fn status(answer: &[u8]) -> usize {
    match answer.get(PREFIX..) {
        Some([STATUS, status, ..]) => usize::from(*status),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Response;
    use http_body_util::StreamBody;
    use hyper::body::Frame;
    use hyper::service::service_fn;
    use tokio::net::TcpListener;

    const SECOND: Duration = Duration::from_secs(1);

    /// A server that answers one call with this status, or fails it with this code.
    async fn server(answer: Result<u8, &'static str>) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let serve = service_fn(move |request: Request<Incoming>| async move {
                assert_eq!(request.uri().path(), "/grpc.health.v1.Health/Check");
                let asked = request.into_body().collect().await.unwrap().to_bytes();
                assert_eq!(&asked[..], b"\0\0\0\0\x05\x0a\x03web");
                let mut trailers = HeaderMap::new();
                trailers.insert(
                    "grpc-status",
                    HeaderValue::from_static(answer.err().unwrap_or("0")),
                );
                trailers.insert("grpc-message", HeaderValue::from_static("no%20such"));
                let message = answer.map_or_else(|_| vec![], |status| vec![0, 0, 0, 0, 2, STATUS, status]);
                let frames = [
                    Ok::<_, hyper::Error>(Frame::data(Bytes::from(message))),
                    Ok(Frame::trailers(trailers)),
                ];
                Ok::<_, hyper::Error>(Response::new(StreamBody::new(futures_util::stream::iter(frames))))
            });
            let serving = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            drop(serving.serve_connection(TokioIo::new(stream), serve).await);
        });
        port
    }

    #[tokio::test]
    async fn servers_are_well_or_not() {
        let failure = |text: &str| Outcome::Failure(text.to_owned());
        let cases = [
            (Ok(1), Outcome::Success),
            (
                Ok(2),
                failure("service unhealthy (responded with \"NOT_SERVING\")"),
            ),
            (
                Err("5"),
                failure("error: health rpc probe failed: rpc error: code = NotFound desc = no such"),
            ),
            (
                Err("12"),
                failure(
                    "error: this server does not implement the grpc health protocol (grpc.health.v1.Health): no such",
                ),
            ),
        ];
        for (answer, expected) in cases {
            let port = server(answer).await;
            assert_eq!(
                probe("127.0.0.1", port, "web", SECOND).await,
                expected,
                "{answer:?}"
            );
        }
    }

    #[tokio::test]
    async fn nobody_is_there() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let text = format!(
            "timeout: failed to connect service \"127.0.0.1:{port}\" within 1s: context deadline exceeded"
        );
        assert_eq!(probe("127.0.0.1", port, "", SECOND).await, Outcome::Failure(text));
    }
}
