//! `gantry ps`: the node's containers.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Args;
use serde::Deserialize;

use super::block_on;
use super::http::{Error, Target};
use super::socket::SocketOptions;
use super::table;
use crate::failure::{Failure, Outcome};

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Those too that do not run.
    #[arg(short, long)]
    all: bool,
    /// Print ids alone.
    #[arg(short, long)]
    quiet: bool,
    #[command(flatten)]
    socket: SocketOptions,
}

/// What is shown of a row of `GET /containers/json`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Container {
    id: String,
    names: Vec<String>,
    image: String,
    command: String,
    /// In seconds since 1970.
    created: u64,
    status: String,
    ports: Vec<Port>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Port {
    #[serde(rename = "IP")]
    ip: Option<String>,
    private_port: u16,
    public_port: Option<u16>,
    #[serde(rename = "Type")]
    protocol: String,
}

pub(crate) fn run(options: Options) -> Outcome {
    let daemon = options.socket.clone().daemon()?;
    let target = Target::new(&["containers", "json"]).with("all", if options.all { "1" } else { "0" });
    let listed = block_on(async { daemon.get(target).await.map_err(Failure::from) })?;
    let listed: Vec<Container> =
        serde_json::from_value(listed).map_err(|error| Error::Answer(error.to_string()))?;
    let mut out = io::stdout().lock();
    if options.quiet {
        for container in &listed {
            writeln!(out, "{}", short(&container.id))?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let now = sys::clock::realtime().as_secs();
    let head = [
        "CONTAINER ID",
        "IMAGE",
        "COMMAND",
        "CREATED",
        "STATUS",
        "PORTS",
        "NAMES",
    ]
    .map(ToOwned::to_owned);
    let rows: Vec<_> = std::iter::once(head)
        .chain(listed.iter().map(|container| container.row(now)))
        .collect();
    table::print(&mut out, &rows)?;
    Ok(ExitCode::SUCCESS)
}

fn short(id: &str) -> &str {
    id.get(..12).unwrap_or(id)
}

impl Container {
    fn row(&self, now: u64) -> [String; 7] {
        [
            short(&self.id).to_owned(),
            self.image.clone(),
            format!("\"{}\"", table::shortened(&self.command, 20)),
            table::ago(now.saturating_sub(self.created)),
            self.status.clone(),
            self.ports.iter().map(Port::text).collect::<Vec<_>>().join(", "),
            self.name(),
        ]
    }

    /// Its own: the others are links' (`/other/alias`).
    fn name(&self) -> String {
        let own = self.names.iter().map(|name| name.trim_start_matches('/'));
        own.filter(|name| !name.contains('/'))
            .collect::<Vec<_>>()
            .join(",")
    }
}

impl Port {
    fn text(&self) -> String {
        let inside = format!("{}/{}", self.private_port, self.protocol);
        match (&self.ip, self.public_port) {
            (Some(ip), Some(port)) if ip.contains(':') => format!("[{ip}]:{port}->{inside}"),
            (Some(ip), Some(port)) => format!("{ip}:{port}->{inside}"),
            (None, Some(port)) => format!("{port}->{inside}"),
            (_, None) => inside,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_row_is_what_the_docker_client_shows() {
        let container: Container = serde_json::from_value(json!({
            "Id": "0123456789abcdef", "Names": ["/web", "/other/alias"], "Image": "busybox",
            "Command": "sh -c 'while true; do :; done'", "Created": 100, "Status": "Up 2 minutes",
            "Ports": [
                {"IP": "0.0.0.0", "PrivatePort": 80, "PublicPort": 8080, "Type": "tcp"},
                {"IP": "::", "PrivatePort": 80, "PublicPort": 8080, "Type": "tcp"},
                {"PrivatePort": 53, "Type": "udp"},
            ],
        }))
        .unwrap();
        let row = [
            "0123456789ab",
            "busybox",
            "\"sh -c 'while true; …\"",
            "2 minutes ago",
            "Up 2 minutes",
            "0.0.0.0:8080->80/tcp, [::]:8080->80/tcp, 53/udp",
            "web",
        ];
        assert_eq!(container.row(220), row);
    }
}
