//! `gantry env`: what a shell evaluates to reach the node.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Args;

use super::settings::NodePlace;
use crate::failure::Outcome;

#[derive(Debug, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    node: NodePlace,
}

pub(crate) fn run(options: Options) -> Outcome {
    let config = options.node.resolve()?;
    let host = format!("unix://{}", config.docker_socket.display());
    let kubeconfig = config.paths().kubeconfig();
    let mut out = io::stdout().lock();
    writeln!(out, "export DOCKER_HOST={}", quoted(&host))?;
    writeln!(out, "export KUBECONFIG={}", quoted(&kubeconfig.to_string_lossy()))?;
    Ok(ExitCode::SUCCESS)
}

/// As a POSIX shell reads it back; left alone where nothing in it is special.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/:._-".contains(c);
    if text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn a_shell_reads_back_what_was_meant() {
        assert_eq!(
            quoted("unix:///run/gantry/docker.sock"),
            "unix:///run/gantry/docker.sock"
        );
        assert_eq!(quoted("unix:///a b's"), r"'unix:///a b'\''s'");
    }
}
