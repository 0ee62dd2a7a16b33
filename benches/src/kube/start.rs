//! Row 6: `gantry up` in an empty directory until the cluster is one: every named check, an authenticated write, a
//! refused request, and the `kubernetes` Service.

use std::io;
use std::time::{Duration, Instant};

use testkit::daemon::{Daemon, Kind};
use tokio::runtime::Builder;

use super::client::{Protocol, Target};
use super::objects::config_map;
use super::{PEER, enter, millis};
use crate::Outcome;

const ROUNDS: usize = 9;

struct Start {
    up: Duration,
    whole: Duration,
    cpu: Duration,
}

pub(crate) fn run() -> Outcome {
    let mut starts = (0..ROUNDS).map(|_| once()).collect::<io::Result<Vec<Start>>>()?;
    starts.sort_by_key(|start| start.whole);
    let median = &starts[starts.len() / 2];
    for start in [&starts[0], median, &starts[starts.len() - 1]] {
        println!(
            "up {:>7.1} ms, everything {:>7.1} ms, processor time {:>7.1} ms",
            millis(start.up),
            millis(start.whole),
            millis(start.cpu)
        );
    }
    println!(
        "median of {ROUNDS}: {:.1} ms (must: at most 250), {:.0} × faster than the recorded control plane's {:.1} s",
        millis(median.whole),
        PEER.ready.as_secs_f64() / median.whole.as_secs_f64(),
        PEER.ready.as_secs_f64()
    );
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
fn once() -> io::Result<Start> {
    let daemon = Daemon::prepare(Kind::Gantry);
    enter(&daemon)?;
    let begin = Instant::now();
    daemon.gantry_ok(&["up", "--detach"]);
    let up = begin.elapsed();
    let kubeconfig = daemon.directory.join("data/kubeconfig");
    let (admin, nobody) = (Target::of(&kubeconfig, true)?, Target::of(&kubeconfig, false)?);
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(check(&admin, &nobody))?;
    Ok(Start {
        up,
        whole: begin.elapsed(),
        cpu: Duration::from_nanos(daemon.cpu()),
    })
}

/// What a cluster that is ready answers, at once.
async fn check(admin: &Target, nobody: &Target) -> io::Result<()> {
    let maps = "/api/v1/namespaces/default/configmaps";
    let expected = [
        (nobody, "GET", "/readyz?verbose", Vec::new(), 200),
        (admin, "POST", maps, config_map("first"), 201),
        (nobody, "POST", maps, config_map("second"), 403),
        (
            admin,
            "GET",
            "/api/v1/namespaces/default/services/kubernetes",
            Vec::new(),
            200,
        ),
    ];
    for (target, method, path, body, code) in expected {
        let mut connection = target.connect(Protocol::Http1).await?;
        let (status, _) = connection.call(target.request(method, path, body)).await?;
        if status != code {
            return Err(io::Error::other(format!("{method} {path}: {status}, not {code}")));
        }
    }
    Ok(())
}
