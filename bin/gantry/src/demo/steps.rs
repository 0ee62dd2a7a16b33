//! What the demo shows, a function for each check.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::Duration;

use hyper::Method;
use rustix::process::{Pid, Signal};
use serde_json::json;

use super::node::Node;
use super::{Options, detail, failed, milliseconds, say, shop, timed};
use crate::client::block_on;
use crate::client::http::{Daemon, Target};
use crate::failure::Failure;

/// One thing that is shown.
pub(super) type Step = fn(&Node, &Options) -> Result<(), Failure>;

/// In this order; each relies on the ones before.
pub(super) const STEPS: &[Step] = &[
    start,
    build,
    build_again,
    run_one,
    run_many,
    stay,
    exec,
    survive,
    shop::build,
    shop::apply,
    shop::buy,
    shop::scale,
    shop::roll_over,
    shop::undo,
    shop::restart,
    shop::replace,
];

const IMAGE: &str = "gantry-demo";
/// The container that runs on.
const RESIDENT: &str = "resident";
/// What it says, from a file of the image.
const LINE: &str = "hello from the image";
/// How long it may take to say so.
const PATIENCE: Duration = Duration::from_secs(10);

/// The program is this one: it is static, so the image needs nothing else. `logs --follow` makes it stay and
/// say something, for which ENV tells it where a log is.
const DOCKERFILE: &str = "\
FROM scratch
LABEL org.opencontainers.image.title=\"gantry demo\"
ENV GANTRY_DATA_DIR=/data
COPY gantry /gantry
COPY gantry.log /data/log/
ENTRYPOINT [\"/gantry\"]
CMD [\"--help\"]
";

fn start(node: &Node, _: &Options) -> Result<(), Failure> {
    let (_, taken) = timed(|| node.gantry(&["up", "--detach"]))?;
    say(&format!("a node of its own, up after {}", milliseconds(taken)))?;
    Ok(())
}

fn build(node: &Node, _: &Options) -> Result<(), Failure> {
    let context = node.context();
    fs::copy("/proc/self/exe", context.join("gantry"))?;
    fs::write(context.join("gantry.log"), format!("{LINE}\n"))?;
    fs::write(context.join("Dockerfile"), DOCKERFILE)?;
    let (output, taken) = timed(|| build_output(node))?;
    expect(&output, "Successfully tagged gantry-demo:latest", "the build")?;
    say(&format!(
        "an image FROM scratch, built in {}",
        milliseconds(taken)
    ))?;
    Ok(())
}

fn build_output(node: &Node) -> Result<String, Failure> {
    let context = node.context();
    node.gantry(&["build", "--tag", IMAGE, &context.to_string_lossy()])
}

fn build_again(node: &Node, _: &Options) -> Result<(), Failure> {
    let (output, taken) = timed(|| build_output(node))?;
    let steps = DOCKERFILE.lines().count() - 1;
    let cached = output.matches("Using cache").count();
    if cached != steps {
        return Err(failed(format!(
            "{cached} of {steps} steps came from the cache: {output}"
        )));
    }
    say(&format!(
        "built again, all {steps} steps from the cache, in {}",
        milliseconds(taken)
    ))?;
    Ok(())
}

fn run_one(node: &Node, _: &Options) -> Result<(), Failure> {
    let (output, taken) = timed(|| node.gantry(&["run", "--rm", IMAGE, "version"]))?;
    expect(
        &output,
        &format!("gantry {}\n", crate::version::VERSION),
        "the container",
    )?;
    if !node.gantry(&["ps", "--all", "--quiet"])?.is_empty() {
        return Err(failed("`run --rm` has left its container"));
    }
    say(&format!(
        "`run --rm` printed what it should and left nothing, in {}",
        milliseconds(taken)
    ))?;
    Ok(())
}

fn run_many(node: &Node, options: &Options) -> Result<(), Failure> {
    let mut times = Vec::new();
    for _ in 0..options.containers {
        let (code, taken) = timed(|| block_on(one_of_many(&node.api())))?;
        if code != 0 {
            return Err(failed(format!("a container ended with {code}")));
        }
        times.push(taken);
    }
    times.sort_unstable();
    say(&format!(
        "{} containers one after the other, each with a network of its own",
        times.len()
    ))?;
    let [fastest, median] = [0, times.len() / 2].map(|at| milliseconds(times[at]));
    detail(&format!(
        "create, start, wait, remove over the API: fastest {fastest}, median {median}"
    ))?;
    Ok(())
}

/// The exit code.
async fn one_of_many(api: &Daemon) -> Result<i64, Failure> {
    let create = Target::new(&["containers", "create"]);
    let body = json!({"Image": IMAGE, "Cmd": ["version"]});
    let created = api.post_json(create, &body).await?;
    let id = created["Id"].as_str().unwrap_or_default();
    api.post(Target::new(&["containers", id, "start"])).await?;
    let ended = api.post(Target::new(&["containers", id, "wait"])).await?;
    drop(
        api.stream(Method::DELETE, Target::new(&["containers", id]))
            .await?,
    );
    ended["StatusCode"]
        .as_i64()
        .ok_or_else(|| failed(format!("the answer to a wait is {ended}")))
}

fn stay(node: &Node, _: &Options) -> Result<(), Failure> {
    let id = node.gantry(&["run", "--detach", "--name", RESIDENT, IMAGE, "logs", "--follow"])?;
    let listed = node.gantry(&["ps", "--quiet"])?;
    if listed.trim().is_empty() || !id.starts_with(listed.trim()) {
        return Err(failed(format!("`ps` lists {listed:?} while {id:?} runs")));
    }
    expect(&first_line(node)?, LINE, "its log")?;
    say("a container that stays; `ps` lists it and `logs` shows what it says")?;
    Ok(())
}

fn first_line(node: &Node) -> Result<String, Failure> {
    let mut logs = node
        .command(&["logs", "--follow", RESIDENT])
        .stdout(Stdio::piped())
        .spawn()?;
    let mut line = String::new();
    let read = logs.stdout.take().map_or(Ok(0), |out| {
        if sys::poll::readable_within(&out, PATIENCE)? {
            BufReader::new(out).read_line(&mut line)
        } else {
            Ok(0)
        }
    });
    logs.kill()?;
    logs.wait()?;
    read?;
    Ok(line)
}

fn exec(node: &Node, _: &Options) -> Result<(), Failure> {
    let (output, taken) = timed(|| node.gantry(&["exec", RESIDENT, "/gantry", "version"]))?;
    expect(&output, crate::version::VERSION, "`exec`")?;
    say(&format!("`exec` in it, in {}", milliseconds(taken)))?;
    Ok(())
}

fn survive(node: &Node, _: &Options) -> Result<(), Failure> {
    let before = process(node)?;
    let daemon = daemon(node)?;
    let (_, taken) = timed(|| {
        rustix::process::kill_process(daemon, Signal::KILL)?;
        // Returns when the next one serves.
        node.gantry(&["up", "--detach"])
    })?;
    let after = process(node)?;
    if before != after || daemon == self::daemon(node)? {
        return Err(failed(format!(
            "the container's process was {before}, and is {after}"
        )));
    }
    let output = node.gantry(&["exec", RESIDENT, "/gantry", "version"])?;
    expect(&output, crate::version::VERSION, "`exec` after the kill")?;
    say(&format!(
        "kill -9 of the daemon: served again after {}, the container is the same process",
        milliseconds(taken)
    ))?;
    Ok(())
}

/// The process id of the container that stays.
fn process(node: &Node) -> Result<i64, Failure> {
    let api = node.api();
    let inspect = Target::new(&["containers", RESIDENT, "json"]);
    let inspected = block_on(async { Ok(api.get(inspect).await?) })?;
    let state = &inspected["State"];
    let pid = state["Pid"].as_i64().filter(|pid| *pid > 0);
    pid.ok_or_else(|| failed(format!("the container that should stay is {state}")))
}

fn daemon(node: &Node) -> Result<Pid, Failure> {
    let pid = fs::read_to_string(node.run_dir().join("gantry.pid"))?;
    let pid = pid.trim().parse().ok().and_then(Pid::from_raw);
    pid.ok_or_else(|| failed("gantry.pid holds no process id"))
}

pub(super) fn expect(output: &str, text: &str, of: &str) -> Result<(), Failure> {
    if output.contains(text) {
        return Ok(());
    }
    Err(failed(format!("{of} should say {text:?} and says {output:?}")))
}
