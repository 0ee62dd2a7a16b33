//! Whether a connection is accepted.

use std::net::SocketAddr;
use std::time::Duration;

use kubelet::traits::Outcome;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{dial_failure, resolve};

pub(super) async fn probe(host: &str, port: u16, limit: Duration) -> Outcome {
    match timeout(limit, connect(host, port)).await {
        Ok(connected) => connected.map_or_else(Outcome::Failure, |_connected| Outcome::Success),
        Err(_) => Outcome::Failure(late(host, port)),
    }
}

async fn connect(host: &str, port: u16) -> Result<TcpStream, String> {
    let to = resolve(host, port).await?;
    TcpStream::connect(to)
        .await
        .map_err(|error| dial_failure(to, &error))
}

/// In Go's words; a name is looked up most of the time.
fn late(host: &str, port: u16) -> String {
    match host.parse() {
        Ok(ip) => format!("dial tcp {}: i/o timeout", SocketAddr::new(ip, port)),
        Err(_) => format!("dial tcp: lookup {host}: i/o timeout"),
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

    #[test]
    fn who_is_late_is_told_as_go_tells_it() {
        assert_eq!(late("::1", 80), "dial tcp [::1]:80: i/o timeout");
        assert_eq!(late("web", 80), "dial tcp: lookup web: i/o timeout");
    }

    #[tokio::test]
    async fn a_name_that_is_none_is_a_failure() {
        let failed = probe("nowhere.invalid", 80, SECOND).await;
        let text = "dial tcp: lookup nowhere.invalid: no such host".to_owned();
        assert_eq!(failed, Outcome::Failure(text));
    }
}
