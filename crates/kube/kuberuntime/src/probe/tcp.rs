//! Whether a connection is accepted.

use std::time::Duration;

use kubelet::traits::Outcome;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{dial_failure, resolve};

pub(super) async fn probe(host: &str, port: u16, limit: Duration) -> Outcome {
    let to = match resolve(host, port).await {
        Ok(to) => to,
        Err(failure) => return Outcome::Failure(failure),
    };
    match timeout(limit, TcpStream::connect(to)).await {
        Ok(Ok(_connected)) => Outcome::Success,
        Ok(Err(error)) => Outcome::Failure(dial_failure(to, &error)),
        Err(_) => Outcome::Failure(format!("dial tcp {to}: i/o timeout")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test]
    async fn a_listener_is_there_or_not() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        assert_eq!(probe("127.0.0.1", port, SECOND).await, Outcome::Success);
        assert_eq!(probe("localhost", port, SECOND).await, Outcome::Success);
        drop(listener);
        let refused = format!("dial tcp 127.0.0.1:{port}: connect: connection refused");
        assert_eq!(probe("127.0.0.1", port, SECOND).await, Outcome::Failure(refused));
    }

    #[tokio::test]
    async fn a_name_that_is_none_is_a_failure() {
        let failed = probe("nowhere.invalid", 80, SECOND).await;
        let text = "dial tcp: lookup nowhere.invalid: no such host".to_owned();
        assert_eq!(failed, Outcome::Failure(text));
    }
}
