//! The shop on the demo's node: built, applied, served, scaled, rolled over under load, healed.

use std::collections::HashSet;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::Value;
use sys::clock::boottime;

use super::example::{self, REPLICAS, SERVICES};
use super::node::Node;
use super::steps::expect;
use super::visitor::{self, Visits};
use super::{Options, detail, failed, milliseconds, say, timed};
use crate::client::block_on;
use crate::client::http::Target;
use crate::failure::Failure;

/// Who asks for the page while it is rolled over, and how often at least, all together.
const VISITORS: usize = 4;
const REQUESTS: usize = 2000;
/// How long it may take until an answer is as it should be.
const PATIENCE: Duration = Duration::from_secs(30);

/// Before anything is timed, since cargo may have to build the program.
pub(super) fn prepare(node: &Node, options: &Options) -> Result<(), Failure> {
    example::write(&node.shop(), &options.program.find()?)
}

pub(super) fn build(node: &Node, _: &Options) -> Result<(), Failure> {
    let (_, taken) = timed(|| SERVICES.iter().try_for_each(|service| image(node, service, 1)))?;
    let count = SERVICES.len();
    Ok(say(&format!(
        "the shop's {count} images, built in {}",
        milliseconds(taken)
    ))?)
}

pub(super) fn apply(node: &Node, _: &Options) -> Result<(), Failure> {
    let manifests = node.shop().join("kubernetes");
    let (port, taken) = timed(|| {
        node.gantry(&["apply", "--filename", &manifests.to_string_lossy()])?;
        node.until(&["job/seed"], |job| job["status"]["succeeded"] == 1)?;
        node.until(&["deployment/web"], |web| is_rolled_out(web, REPLICAS))?;
        node.until(&["deployment/order"], |order| is_rolled_out(order, 1))?;
        let port = port(node)?;
        say_so(|| visitor::page(port), "Mug with a crane 7.50 EUR")?;
        Ok(port)
    })?;
    Ok(say(&format!(
        "its manifests applied, the Job has filled the catalogue, the page is served on port {port}: after {}",
        milliseconds(taken)
    ))?)
}

pub(super) fn buy(node: &Node, _: &Options) -> Result<(), Failure> {
    let port = port(node)?;
    expect(&visitor::send(port, "/cart", "article=mug")?, " 303 ", "the cart")?;
    expect(&visitor::page(port)?, "<li>1 Mug with a crane", "the page")?;
    // Orders ask the cart and payments, the cart the catalogue.
    let order = || visitor::send(port, "/order", "");
    let (_, taken) = timed(|| say_so(order, "order 1, 7.50 EUR, is paid"))?;
    Ok(say(&format!(
        "a mug into the cart, and ordered: the services reach each other by name; the order took {}",
        milliseconds(taken)
    ))?)
}

pub(super) fn scale(node: &Node, _: &Options) -> Result<(), Failure> {
    let (_, up) = timed(|| web(node, 10, 1))?;
    let (_, down) = timed(|| web(node, REPLICAS, 1))?;
    let [up, down] = [up, down].map(milliseconds);
    Ok(say(&format!(
        "ten of the page in {up}, and {REPLICAS} again in {down}"
    ))?)
}

pub(super) fn roll_over(node: &Node, _: &Options) -> Result<(), Failure> {
    image(node, "web", 2)?;
    let port = port(node)?;
    let (taken, visits) = under_load(port, || web(node, REPLICAS, 2));
    let (_, taken) = taken?;
    if let Some(failure) = visits.failures.first() {
        let (count, asked) = (visits.failures.len(), visits.times.len());
        return Err(failed(format!(
            "{count} requests failed beside {asked} that did not: {failure}"
        )));
    }
    say_so(|| visitor::page(port), "web 2")?;
    say(&format!(
        "rolled over to another image in {} under {} requests, none of which failed",
        milliseconds(taken),
        visits.times.len()
    ))?;
    Ok(detail(&format!(
        "the program ends at once on SIGTERM; a request: median {}, slowest {}",
        milliseconds(visits.times[visits.times.len() / 2]),
        milliseconds(visits.times[visits.times.len() - 1])
    ))?)
}

pub(super) fn undo(node: &Node, _: &Options) -> Result<(), Failure> {
    let (_, taken) = timed(|| web(node, REPLICAS, 1))?;
    let port = port(node)?;
    say_so(|| visitor::page(port), "web 1")?;
    Ok(say(&format!("rolled back in {}", milliseconds(taken)))?)
}

pub(super) fn restart(node: &Node, _: &Options) -> Result<(), Failure> {
    let pods = pods(node)?;
    let pod = pods.first().ok_or_else(|| failed("the page has no pod"))?;
    let container = pod["status"]["containerStatuses"][0]["containerID"].as_str();
    let id = container.and_then(|id| id.rsplit('/').next()).unwrap_or_default();
    let (_, taken) = timed(|| {
        let kill = Target::new(&["containers", id, "kill"]);
        block_on(async { Ok(node.api().post(kill).await?) })?;
        node.until(&[&format!("pod/{}", name(pod))], |pod| {
            pod["status"]["containerStatuses"][0]["restartCount"] == 1 && is_ready(pod)
        })
    })?;
    Ok(say(&format!(
        "a pod's container killed through docker's API: started again and ready after {}",
        milliseconds(taken)
    ))?)
}

pub(super) fn replace(node: &Node, _: &Options) -> Result<(), Failure> {
    let pods = pods(node)?;
    let known: HashSet<String> = pods.iter().map(name).collect();
    let one = pods.first().map(name).unwrap_or_default();
    let (_, taken) = timed(|| {
        node.gantry(&["delete", "pod", &one])?;
        let new = |pod: &Value| !known.contains(&name(pod)) && is_ready(pod);
        node.until(&["pods", "--selector", "app=web"], new)
    })?;
    Ok(say(&format!(
        "a pod deleted: another is ready after {}",
        milliseconds(taken)
    ))?)
}

fn image(node: &Node, service: &str, version: u32) -> Result<(), Failure> {
    let directory = node.shop();
    let (tag, argument) = (format!("shop/{service}:{version}"), format!("VERSION={version}"));
    let dockerfile = directory.join(service).join("Dockerfile");
    let [dockerfile, directory] = [dockerfile, directory].map(|path| path.to_string_lossy().into_owned());
    let what = [
        "build",
        "--tag",
        &tag,
        "--build-arg",
        &argument,
        "--file",
        &dockerfile,
        &directory,
    ];
    node.gantry(&what).map(drop)
}

/// Makes the page so, and returns when it is.
fn web(node: &Node, replicas: u64, version: u32) -> Result<(), Failure> {
    let manifest = node.shop().join("web.yaml");
    std::fs::write(&manifest, example::web(replicas, version))?;
    node.gantry(&["apply", "--filename", &manifest.to_string_lossy()])?;
    node.until(&["deployment/web"], |web| is_rolled_out(web, replicas))
        .map(drop)
}

/// How long `work` took, and how visitors fared meanwhile.
fn under_load<T>(
    port: u16,
    work: impl FnOnce() -> Result<T, Failure>,
) -> (Result<(T, Duration), Failure>, Visits) {
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let visit = || visitor::visit(port, REQUESTS.div_ceil(VISITORS), &done);
        let visitors: Vec<_> = (0..VISITORS).map(|_| scope.spawn(visit)).collect();
        let worked = timed(work);
        done.store(true, Ordering::Relaxed);
        let visits = visitors.into_iter().filter_map(|visitor| visitor.join().ok());
        (worked, together(visits))
    })
}

/// With the fastest request first.
fn together(visits: impl Iterator<Item = Visits>) -> Visits {
    let mut all = Visits::default();
    for each in visits {
        all.times.extend(each.times);
        all.failures.extend(each.failures);
    }
    all.times.sort_unstable();
    all
}

/// Asks until the answer has `text`: a Service follows its pods some milliseconds later.
fn say_so(ask: impl Fn() -> io::Result<String>, text: &str) -> Result<(), Failure> {
    let late = boottime() + PATIENCE;
    loop {
        match ask() {
            Ok(answer) if answer.contains(text) => return Ok(()),
            _ if boottime() < late => thread::yield_now(),
            Ok(answer) => {
                return Err(failed(format!(
                    "the answer should say {text:?} and is {answer:?}"
                )));
            }
            Err(error) => return Err(error.into()),
        }
    }
}

fn port(node: &Node) -> Result<u16, Failure> {
    let service = node.object(&["service/web"])?;
    let port = service["spec"]["ports"][0]["nodePort"].as_u64();
    port.and_then(|port| u16::try_from(port).ok())
        .ok_or_else(|| failed(format!("the page's Service has no port: {service}")))
}

/// The page's, without those that end.
fn pods(node: &Node) -> Result<Vec<Value>, Failure> {
    let list = node.object(&["pods", "--selector", "app=web"])?;
    let items = list["items"].as_array().into_iter().flatten();
    Ok(items
        .filter(|pod| pod["metadata"]["deletionTimestamp"].is_null())
        .cloned()
        .collect())
}

fn name(object: &Value) -> String {
    object["metadata"]["name"].as_str().unwrap_or_default().to_owned()
}

fn is_ready(pod: &Value) -> bool {
    let mut conditions = pod["status"]["conditions"].as_array().into_iter().flatten();
    conditions.any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
}

/// Whether all of a Deployment is of its newest revision and serves.
fn is_rolled_out(deployment: &Value, replicas: u64) -> bool {
    let status = &deployment["status"];
    let counts = ["replicas", "updatedReplicas", "availableReplicas"];
    status["observedGeneration"] == deployment["metadata"]["generation"]
        && counts.iter().all(|count| status[count] == replicas)
}
