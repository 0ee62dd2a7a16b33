//! Requests to containers. The rules and texts are upstream's (`pkg/probe/http`), and so Go's.
//!
//! 200 to 399 is well. A redirect is followed as long as it stays with the same host; one to another host is not, and
//! counts as well with a warning. Certificates are not judged.

use std::time::Duration;

use bytes::Bytes;
use http::header::LOCATION;
use http::{HeaderValue, Request, Response};
use http_body_util::{BodyExt, Full};
use https::{CallError, Caller, ServerTrust, Target};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use kubelet::pod::Scheme;
use kubelet::traits::Outcome;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::asked::Asked;
use super::{dial_failure, reason, resolve};

/// Bytes of an answer that are read.
const MAX_BODY: usize = 10 << 10;
/// Redirects that are followed (Go's number).
const MAX_REDIRECTS: usize = 10;
const PROBE: &str = "kube-probe/1.36";
const HOOK: &str = "kube-lifecycle/1.36";

/// An answer.
struct Answer {
    status: u16,
    body: String,
}

pub(super) async fn probe(asked: Asked, limit: Duration) -> Outcome {
    match within(asked, PROBE, limit).await {
        Err(failure) => Outcome::Failure(failure),
        Ok(Answer { status: 200..300, .. }) => Outcome::Success,
        Ok(Answer {
            status: 300..400,
            body,
        }) => Outcome::Warning(format!("Probe terminated redirects, Response body: {body}")),
        Ok(Answer { status, .. }) => Outcome::Failure(format!("HTTP probe failed with statuscode: {status}")),
    }
}

/// A hook is told; what is answered does not count, as with upstream.
pub(super) async fn hook(asked: Asked, limit: Duration) -> Result<(), String> {
    within(asked, HOOK, limit).await.map(drop)
}

async fn within(asked: Asked, agent: &'static str, limit: Duration) -> Result<Answer, String> {
    let late = failure(
        &asked,
        "context deadline exceeded (Client.Timeout exceeded while awaiting headers)",
    );
    timeout(limit, follow(asked, agent)).await.unwrap_or(Err(late))
}

fn failure(asked: &Asked, why: &str) -> String {
    format!("Get {:?}: {why}", asked.url())
}

async fn follow(mut asked: Asked, agent: &'static str) -> Result<Answer, String> {
    for _ in 0..=MAX_REDIRECTS {
        let response = send(&asked, agent).await.map_err(|why| failure(&asked, &why))?;
        let status = response.status().as_u16();
        let leads = matches!(status, 301 | 302 | 303 | 307 | 308);
        let location = response.headers().get(LOCATION).map(HeaderValue::to_str);
        let next = match location {
            Some(Ok(location)) if leads => asked.redirected(location),
            Some(_) => None,
            None if leads => {
                return Err(failure(
                    &asked,
                    &format!("{status} response missing Location header"),
                ));
            }
            None => None,
        };
        match next {
            Some(next) => asked = next,
            None => {
                return Ok(Answer {
                    status,
                    body: text(response.into_body()).await,
                });
            }
        }
    }
    Err(failure(
        &asked,
        &format!("stopped after {MAX_REDIRECTS} redirects"),
    ))
}

/// The beginning of a body.
async fn text(mut body: Incoming) -> String {
    let mut kept = Vec::new();
    while kept.len() < MAX_BODY {
        match body.frame().await {
            Some(Ok(frame)) => {
                let data = frame.into_data().unwrap_or_default();
                kept.extend_from_slice(&data[..data.len().min(MAX_BODY - kept.len())]);
            }
            _ => break,
        }
    }
    String::from_utf8_lossy(&kept).into_owned()
}

async fn send(asked: &Asked, agent: &'static str) -> Result<Response<Incoming>, String> {
    let request = asked.request(agent)?;
    match asked.scheme {
        Scheme::Http => send_plain(asked, request).await,
        Scheme::Https => send_secured(asked, request).await,
    }
}

async fn send_plain(asked: &Asked, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, String> {
    let to = resolve(&asked.host, asked.port).await?;
    let stream = TcpStream::connect(to)
        .await
        .map_err(|error| dial_failure(to, &error))?;
    let shook = http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = shook.map_err(|error| broken(&error))?;
    // It ends with the body, or when the probe is dropped.
    tokio::spawn(connection);
    sender.send_request(request).await.map_err(|error| broken(&error))
}

async fn send_secured(asked: &Asked, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, String> {
    let to = resolve(&asked.host, asked.port).await?;
    let target = Target {
        host: (asked.host.clone(), asked.port),
        address: Some(to),
        server_name: asked
            .host
            .trim_start_matches('[')
            .trim_end_matches(']')
            .to_owned(),
        trust: ServerTrust::Anyone,
        identity: None,
    };
    // One for each probe, so that no connection is kept.
    let caller = Caller::new(Bytes::new(), Vec::new());
    caller.send(&target, request).await.map_err(|error| match error {
        CallError::Connect { why, .. } => dial_failure(to, &why),
        CallError::Http(error) => broken(&error),
        other => other.to_string(),
    })
}

/// What went wrong on a connection, as Go says it.
fn broken(error: &hyper::Error) -> String {
    use std::error::Error;
    if error.is_incomplete_message() || error.is_closed() {
        return "EOF".to_owned();
    }
    if error.is_parse() {
        return "net/http: HTTP/1.x transport connection broken: malformed HTTP response".to_owned();
    }
    match error.source().and_then(|source| source.downcast_ref()) {
        Some(error) => format!("read: {}", reason(error)),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kubelet::pod::HttpHeader;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    const SECOND: Duration = Duration::from_secs(1);

    fn asked(port: u16, path: &str) -> Asked {
        Asked {
            scheme: Scheme::Http,
            host: "127.0.0.1".into(),
            port,
            path: path.into(),
            headers: Vec::new(),
        }
    }

    /// A server that gives each connection the next of these answers, and the requests that it got.
    async fn server(answers: Vec<String>) -> (u16, tokio::task::JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let serving = tokio::spawn(async move {
            let mut requests = Vec::new();
            for answer in answers {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") {
                    request.push(stream.read_u8().await.unwrap());
                }
                requests.push(String::from_utf8(request).unwrap());
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
            requests
        });
        (port, serving)
    }

    fn answer(status: u16, more: &str, body: &str) -> String {
        format!(
            "HTTP/1.1 {status} X\r\n{more}content-length: {}\r\n\r\n{body}",
            body.len()
        )
    }

    async fn outcome(answers: &[String]) -> Outcome {
        let (port, serving) = server(answers.to_vec()).await;
        let outcome = probe(asked(port, "/x"), SECOND).await;
        serving.abort();
        outcome
    }

    #[tokio::test]
    async fn statuses_decide() {
        assert_eq!(outcome(&[answer(204, "", "")]).await, Outcome::Success);
        let failed = Outcome::Failure("HTTP probe failed with statuscode: 503".into());
        assert_eq!(outcome(&[answer(503, "", "why")]).await, failed);
        let warned = Outcome::Warning("Probe terminated redirects, Response body: there".into());
        assert_eq!(
            outcome(&[answer(304, "", "")]).await,
            Outcome::Warning("Probe terminated redirects, Response body: ".into())
        );
        let elsewhere = answer(302, "location: http://other.example/\r\n", "there");
        assert_eq!(outcome(&[elsewhere]).await, warned);
    }

    #[tokio::test]
    async fn redirects_are_followed_on_the_same_host() {
        let (port, serving) = server(vec![
            answer(301, "location: /y?z=1#here\r\n", ""),
            answer(307, "location: w\r\n", ""),
            answer(200, "", ""),
        ])
        .await;
        assert_eq!(probe(asked(port, "/a/x"), SECOND).await, Outcome::Success);
        let lines: Vec<String> = serving
            .await
            .unwrap()
            .iter()
            .map(|r| r.lines().next().unwrap().to_owned())
            .collect();
        assert_eq!(
            lines,
            ["GET /a/x HTTP/1.1", "GET /y?z=1 HTTP/1.1", "GET /w HTTP/1.1"]
        );
        let lost = outcome(&[answer(302, "", "")]).await;
        assert!(
            matches!(&lost, Outcome::Failure(text) if text.ends_with("/x\": 302 response missing Location header")),
            "{lost:?}"
        );
    }

    #[tokio::test]
    async fn failures_are_told_as_go_tells_them() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let late = probe(asked(port, "/x y"), Duration::from_millis(50)).await;
        let url = format!("http://127.0.0.1:{port}/x%20y");
        assert_eq!(
            late,
            Outcome::Failure(format!(
                "Get {url:?}: context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
            ))
        );
        drop(listener);
        let refused = probe(asked(port, "/"), SECOND).await;
        let text = format!(
            "Get \"http://127.0.0.1:{port}/\": dial tcp 127.0.0.1:{port}: connect: connection refused"
        );
        assert_eq!(refused, Outcome::Failure(text));
        let ended = outcome(&[String::new()]).await;
        assert!(
            matches!(&ended, Outcome::Failure(text) if text.ends_with("/x\": EOF")),
            "{ended:?}"
        );
        let torn = outcome(&["nonsense\r\n\r\n".into()]).await;
        assert!(
            matches!(&torn, Outcome::Failure(text) if text.ends_with("malformed HTTP response")),
            "{torn:?}"
        );
    }

    #[tokio::test]
    async fn headers_are_the_user_s_then_the_usual() {
        let headers = |pairs: &[(&str, &str)]| {
            let header = |(name, value): &(&str, &str)| HttpHeader {
                name: (*name).into(),
                value: (*value).into(),
            };
            pairs.iter().map(header).collect::<Vec<_>>()
        };
        let (port, serving) = server(vec![answer(200, "", ""); 2]).await;
        let plain = asked(port, "/");
        let own = Asked {
            headers: headers(&[
                ("Host", "web.example"),
                ("Accept", ""),
                ("User-Agent", "me"),
                ("X-A", "1"),
            ]),
            ..plain.clone()
        };
        probe(plain, SECOND).await;
        probe(own, SECOND).await;
        let requests = serving.await.unwrap();
        let has = |at: usize, line: &str| requests[at].to_lowercase().contains(&format!("\r\n{line}\r\n"));
        assert!(
            has(0, "user-agent: kube-probe/1.36") && has(0, "accept: */*") && has(0, "connection: close"),
            "{requests:?}"
        );
        assert!(
            has(1, "host: web.example") && has(1, "user-agent: me") && has(1, "x-a: 1"),
            "{requests:?}"
        );
        assert!(!requests[1].to_lowercase().contains("accept:"), "{requests:?}");
    }

    #[tokio::test]
    async fn a_hook_s_answer_does_not_count() {
        let (port, serving) = server(vec![answer(500, "", "")]).await;
        assert_eq!(hook(asked(port, "/"), SECOND).await, Ok(()));
        assert!(
            serving.await.unwrap()[0]
                .to_lowercase()
                .contains("user-agent: kube-lifecycle/1.36")
        );
    }
}
