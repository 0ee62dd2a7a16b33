//! Row 7: `gantry up` in an empty directory until the node is ready, DNS answers, and a Deployment serves by its Service's
//! address and by a port of the node.
//!
//! An empty directory has no image, so loading one belongs to the time: a client loads it with the Engine API once the
//! node is up. The stages are printed, so that both figures can be read.

use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use serde_json::Value;
use testkit::daemon::{Daemon, Kind};

use super::names;
use super::objects::{NAMESPACE, PORT, web, web_service};
use crate::Outcome;
use crate::docker::client::Client;
use crate::kube::client::{Connection, Protocol};
use crate::kube::{Node, enter, millis};

const ROUNDS: usize = 9;
/// What k3d 5.8.3 took in minikube's time-to-k8s benchmark of May 2025.
const PEER: Duration = Duration::from_millis(19_900);
/// Longer than this, and it will not come.
const LIMIT: Duration = Duration::from_secs(30);
/// Between two looks at what is not there yet.
const PAUSE: Duration = Duration::from_millis(1);

const STAGES: [&str; 5] = [
    "gantry up --detach, node Ready",
    "image loaded",
    "Deployment and Service written",
    "DNS answers with the Service's address",
    "served by ClusterIP and NodePort",
];

type Stages = [Duration; STAGES.len()];

pub(crate) fn run() -> Outcome {
    let image = testkit::image::busybox();
    let mut rounds = (0..ROUNDS)
        .map(|_| once(&image))
        .collect::<io::Result<Vec<(Stages, Duration)>>>()?;
    rounds.sort_by_key(|(stages, _)| *stages.last().unwrap_or(&Duration::ZERO));
    let (median, cpu) = &rounds[ROUNDS / 2];
    let mut before = Duration::ZERO;
    for (name, end) in STAGES.iter().zip(median) {
        println!(
            "{name:<40} {:>8.1} ms, ends at {:>8.1} ms",
            millis(*end - before),
            millis(*end)
        );
        before = *end;
    }
    let whole = |at: usize| millis(rounds[at].0[STAGES.len() - 1]);
    println!(
        "median of {ROUNDS}: {:.1} ms, {:.1} to {:.1} (must: at most 1000), processor time {:.0} ms; without loading the image \
         {:.1} ms; {:.0} × faster than k3d's published {:.1} s",
        whole(ROUNDS / 2),
        whole(0),
        whole(ROUNDS - 1),
        millis(*cpu),
        millis(median[4] - (median[1] - median[0])),
        PEER.as_secs_f64() / median[4].as_secs_f64(),
        PEER.as_secs_f64()
    );
    Ok(())
}

/// When each stage ended, and the processor time of all of it.
#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
fn once(image: &[u8]) -> io::Result<(Stages, Duration)> {
    let daemon = Daemon::prepare(Kind::Gantry);
    enter(&daemon)?;
    let begin = Instant::now();
    daemon.gantry_ok(&["up", "--detach"]);
    let up = begin.elapsed();
    Client::connect(&daemon.socket())?.load(image)?;
    let loaded = begin.elapsed();
    let node = Node::of(daemon)?;
    let (service, address) = node.runtime.block_on(write(&node))?;
    let written = begin.elapsed();
    let at = |port| SocketAddr::new(service.address, port);
    let named = || Ok(names::address(service.dns, "web.default.svc.cluster.local")? == v4(service.address));
    until(named)?;
    let answers = begin.elapsed();
    until(|| serves(at(PORT)))?;
    until(|| serves(SocketAddr::new(address, service.port)))?;
    let stages = [up, loaded, written, answers, begin.elapsed()];
    Ok((stages, Duration::from_nanos(node.daemon.cpu())))
}

/// Where the Service is.
struct Service {
    address: IpAddr,
    port: u16,
    dns: IpAddr,
}

/// Writes both objects, and says where the Service and the node are.
async fn write(node: &Node) -> io::Result<(Service, IpAddr)> {
    let mut connection = node.target.connect(Protocol::Http1).await?;
    let deployments = "/apis/apps/v1/namespaces/default/deployments";
    ask(node, &mut connection, "POST", deployments, web(1).to_string()).await?;
    let services = format!("{NAMESPACE}/services");
    let service = ask(
        node,
        &mut connection,
        "POST",
        &services,
        web_service().to_string(),
    )
    .await?;
    let nodes = ask(node, &mut connection, "GET", "/api/v1/nodes", String::new()).await?;
    let path = "/api/v1/namespaces/kube-system/services/kube-dns";
    let dns = ask(node, &mut connection, "GET", path, String::new()).await?;
    let status = &nodes["items"][0]["status"];
    let ready = status["conditions"].as_array().into_iter().flatten();
    if !ready
        .into_iter()
        .any(|each| each["type"] == "Ready" && each["status"] == "True")
    {
        return Err(io::Error::other("`up` has returned, and the node is not Ready"));
    }
    let port = service["spec"]["ports"][0]["nodePort"].as_u64().unwrap_or(0);
    let service = Service {
        address: ip(&service["spec"]["clusterIP"])?,
        port: u16::try_from(port).map_err(io::Error::other)?,
        dns: ip(&dns["spec"]["clusterIP"])?,
    };
    Ok((service, ip(&status["addresses"][0]["address"])?))
}

async fn ask(
    node: &Node,
    connection: &mut Connection,
    method: &str,
    path: &str,
    body: String,
) -> io::Result<Value> {
    connection.ask(node.target.request(method, path, body)).await
}

fn ip(value: &Value) -> io::Result<IpAddr> {
    let text = value.as_str().unwrap_or_default();
    text.parse()
        .map_err(|_| io::Error::other(format!("{value} is no address")))
}

const fn v4(address: IpAddr) -> Option<std::net::Ipv4Addr> {
    match address {
        IpAddr::V4(address) => Some(address),
        IpAddr::V6(_) => None,
    }
}

#[expect(clippy::disallowed_methods, reason = "a benchmark waits for what it measures")]
fn until(is_so: impl Fn() -> io::Result<bool>) -> io::Result<()> {
    let begin = Instant::now();
    while begin.elapsed() < LIMIT {
        if is_so()? {
            return Ok(());
        }
        std::thread::sleep(PAUSE);
    }
    Err(io::ErrorKind::TimedOut.into())
}

/// Whether the page comes.
fn serves(at: SocketAddr) -> io::Result<bool> {
    let Ok(mut stream) = TcpStream::connect_timeout(&at, Duration::from_millis(50)) else {
        return Ok(false);
    };
    stream.set_read_timeout(Some(LIMIT))?;
    write!(stream, "GET /passwd HTTP/1.0\r\nHost: web\r\n\r\n")?;
    let mut answer = Vec::new();
    let read = stream.read_to_end(&mut answer);
    Ok(read.is_ok() && answer.starts_with(b"HTTP/1.0 200") || answer.starts_with(b"HTTP/1.1 200"))
}
