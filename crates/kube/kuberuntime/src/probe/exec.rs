//! Commands in containers.

use std::time::Duration;

use engine::{Engine, ExecSpec, ExecSync, Stream};
use kubelet::traits::Outcome;

/// Bytes of output that are kept of a probe, and of a hook.
const KEEP: usize = 10 << 10;

async fn run(
    engine: &Engine,
    id: &str,
    command: Vec<String>,
    limit: Duration,
) -> Result<ExecSync, engine::Error> {
    let spec = ExecSpec {
        args: command,
        stdout: true,
        stderr: true,
        ..ExecSpec::default()
    };
    engine.exec_sync(id, spec, limit, KEEP).await
}

/// Its output, then its errors, as upstream's kubelet shows them.
fn shown(done: &ExecSync) -> String {
    let bytes = [done.of(Stream::Stdout), done.of(Stream::Stderr)].concat();
    String::from_utf8_lossy(&bytes).into_owned()
}

pub(super) async fn probe(engine: &Engine, id: &str, command: Vec<String>, limit: Duration) -> Outcome {
    let words = command.join(" ");
    match run(engine, id, command, limit).await {
        Ok(done) if done.code == Some(0) => Outcome::Success,
        Ok(done) if done.code.is_some() => Outcome::Failure(shown(&done)),
        Ok(_) => Outcome::Failure(timed_out(&words, limit)),
        Err(error) => Outcome::Errored(format!("failed to exec in container: {error}")),
    }
}

/// The error and the output of a hook that failed.
pub(super) async fn hook(
    engine: &Engine,
    id: &str,
    command: Vec<String>,
    limit: Duration,
) -> Result<(), (String, String)> {
    let words = command.join(" ");
    match run(engine, id, command, limit).await {
        Ok(ExecSync { code: Some(0), .. }) => Ok(()),
        Ok(done) => {
            let error = done.code.map_or_else(
                || timed_out(&words, limit),
                |code| {
                    let errors = done.of(Stream::Stderr);
                    format!(
                        "command '{words}' exited with {code}: {}",
                        String::from_utf8_lossy(&errors)
                    )
                },
            );
            Err((error, shown(&done)))
        }
        Err(error) => Err((error.to_string(), String::new())),
    }
}

fn timed_out(words: &str, limit: Duration) -> String {
    format!("command {words:?} timed out after {}s", limit.as_secs_f64())
}
