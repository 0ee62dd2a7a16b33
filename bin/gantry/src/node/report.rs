//! How a node is, as text and as JSON. `up` and `status` print the same.

use std::io::{self, Write};

use cluster::control::{State, Status};
use serde_json::{Value, json};

use super::Format;

/// Prints it on standard output.
pub(super) fn print(status: &Status, format: Format) -> io::Result<()> {
    say(|out| match format {
        Format::Json => writeln!(out, "{}", json(status)),
        Format::Text => text(status, out),
    })
}

/// Says something at once. What it is about is so whether anybody reads of it or not: a reader who has gone is no failure.
fn say(words: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let mut text = Vec::new();
    words(&mut text)?;
    match io::stdout().write_all(&text) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        said => said,
    }
}

fn json(status: &Status) -> Value {
    json!({
        "state": status.state,
        "name": status.name,
        "version": status.version,
        "pid": status.pid,
        "supervisor_pid": status.supervisor_pid,
        "ready_ms": status.ready_ms,
        "stages": status.stages,
        "docker_host": status.docker_host,
        "api_server": status.api_server,
        "kubeconfig": status.kubeconfig,
        "data_dir": status.data_dir,
        "run_dir": status.run_dir,
        "warnings": status.warnings,
    })
}

fn text(status: &Status, out: &mut dyn Write) -> io::Result<()> {
    let state = match (status.state, status.ready_ms) {
        (State::Ready, Some(ms)) => format!("ready after {ms:.1} ms"),
        (State::Ready, None) => "ready".to_owned(),
        (State::Starting, _) => "starting".to_owned(),
        (State::Stopping, _) => "stopping".to_owned(),
    };
    writeln!(out, "{} {} is {state}", status.name, status.version)?;
    for stage in &status.stages {
        writeln!(out, "  {:<16}{:>9.2} ms", stage.name, stage.ms)?;
    }
    let supervisor = status
        .supervisor_pid
        .map_or_else(|| "none".to_owned(), |pid| pid.to_string());
    writeln!(
        out,
        "processes         daemon {}, supervisor {supervisor}",
        status.pid
    )?;
    writeln!(out, "docker socket     {}", status.docker_host)?;
    if let Some(server) = &status.api_server {
        writeln!(out, "kubernetes api    {server}")?;
    }
    writeln!(out, "kubeconfig        {}", status.kubeconfig.display())?;
    for warning in &status.warnings {
        writeln!(out, "warning           {warning}")?;
    }
    Ok(())
}

/// What a person types after `up`.
pub(super) fn next(status: &Status) -> io::Result<()> {
    say(|out| {
        writeln!(out, "type next         export DOCKER_HOST={}", status.docker_host)?;
        let kubeconfig = status.kubeconfig.display();
        writeln!(out, "                  export KUBECONFIG={kubeconfig}")?;
        writeln!(out, "                  docker info; kubectl get all")
    })
}
