//! Probes and hooks: a command in a container, a request, a connection.
//!
//! Connections start in the node's network, as upstream's kubelet's do: a pod need not listen on its loopback. Each probe
//! is a connection of its own; nothing is kept.

mod asked;
mod exec;
mod grpc;
mod http;
mod tcp;

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use kubelet::traits::{Ask, HookTarget, Outcome, ProbeTarget};

use crate::Pods;

impl Pods {
    /// Asks once. Whatever is asked, there is an answer when the time is over.
    pub(crate) async fn ask(&self, target: ProbeTarget, timeout: Duration) -> Outcome {
        match target.ask {
            Ask::Exec(command) => exec::probe(&self.0.engine, &target.id, command, timeout).await,
            Ask::Tcp { host, port } => tcp::probe(&host, port, timeout).await,
            Ask::Grpc { host, port, service } => grpc::probe(&host, port, &service, timeout).await,
            Ask::Http {
                scheme,
                host,
                port,
                path,
                headers,
            } => {
                let request = asked::Asked {
                    scheme,
                    host,
                    port,
                    path,
                    headers,
                };
                http::probe(request, timeout).await
            }
        }
    }

    /// Runs a hook; the error is the sentence for people.
    pub(crate) async fn run_hook(&self, target: HookTarget, limit: Duration) -> Result<(), String> {
        let whose = self.whose(&target.id);
        match target.ask {
            Ask::Exec(command) => {
                let shown = command.join(" ");
                let run = exec::hook(&self.0.engine, &target.id, command, limit).await;
                run.map_err(|(error, output)| {
                    let failed = format!("Exec lifecycle hook ([{shown}]) for {whose} failed");
                    format!("{failed} - error: {error}, message: {output:?}")
                })
            }
            Ask::Http {
                scheme,
                host,
                port,
                path,
                headers,
            } => {
                let shown = path.clone();
                let request = asked::Asked {
                    scheme,
                    host,
                    port,
                    path,
                    headers,
                };
                let failed = |error: String| {
                    let failed = format!("HTTP lifecycle hook ({shown}) for {whose} failed");
                    format!("{failed} - error: {error}, message: \"\"")
                };
                http::hook(request, limit).await.map_err(failed)
            }
            Ask::Tcp { .. } | Ask::Grpc { .. } => Err("it is no lifecycle hook".to_owned()),
        }
    }

    /// `Container "web" in Pod "shop_prod(u-1)"`
    fn whose(&self, id: &str) -> String {
        let row = self.0.engine.find(id).ok();
        let told = row.and_then(|row| crate::container::names::Told::by(&row));
        told.map_or_else(
            || format!("Container {id:?}"),
            |told| format!("Container {:?} in Pod {:?}", told.name, told.pod_described()),
        )
    }
}

/// Where a host is; a name is looked up as the node does.
async fn resolve(host: &str, port: u16) -> Result<SocketAddr, String> {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    if let Ok(address) = bare.parse() {
        return Ok(SocketAddr::new(address, port));
    }
    let found = tokio::net::lookup_host((bare, port)).await;
    let first = found.ok().and_then(|mut found| found.next());
    first.ok_or_else(|| format!("dial tcp: lookup {bare}: no such host"))
}

/// Why there is no connection, as Go says it.
fn dial_failure(to: SocketAddr, error: &io::Error) -> String {
    format!("dial tcp {to}: connect: {}", reason(error))
}

/// What the kernel said, as Go words it.
pub(crate) fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_worded_as_go_words_them() {
        let to = SocketAddr::from(([10, 42, 0, 5], 80));
        let refused = io::Error::from_raw_os_error(111);
        assert_eq!(
            dial_failure(to, &refused),
            "dial tcp 10.42.0.5:80: connect: connection refused"
        );
        let unreachable = io::Error::from_raw_os_error(113);
        assert_eq!(
            dial_failure(to, &unreachable),
            "dial tcp 10.42.0.5:80: connect: no route to host"
        );
    }
}
