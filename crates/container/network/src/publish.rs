//! Publishing ports: choosing them, binding them, handing the sockets on.

use std::net::IpAddr;
use std::os::fd::{AsFd, OwnedFd};

use crate::attach::ports_key;
use crate::conversations::{self, Forgotten};
use crate::networks::{State, lock};
use crate::ports::{self, ANY4, Published};
use crate::proxy::Proxy;
use crate::row::SandboxRow;
use crate::sandboxes::Open;
use crate::{Error, PortBinding, Protocol};
use rustix::io::Errno;

/// Sockets that are held under one name; the supervisor takes 128 at once.
const PART: usize = 100;
/// How many ports of a range are tried when others have bound them.
const ATTEMPTS: usize = 256;

/// A port with the socket that holds it, if its protocol has one.
pub(crate) type Bound = (Published, Option<OwnedFd>);

/// Binds all ports, or none. A container without a way out publishes nothing, as upstream has it.
pub(crate) fn bind(state: &State, row: &SandboxRow, bindings: &[PortBinding]) -> Result<Vec<Bound>, Error> {
    let Some(gateway) = row.gateway().filter(|joined| !joined.internal) else {
        return Ok(Vec::new());
    };
    let network = gateway.endpoint.network_id.as_str();
    let default = state
        .registry()
        .nets
        .get(network)
        .and_then(|net| net.options.publish_on)
        .unwrap_or(state.config.publish_on);
    let mut bound: Vec<Bound> = Vec::with_capacity(bindings.len());
    for binding in bindings {
        match bind_one(state, row, binding, default) {
            Ok(one) => bound.push(one),
            Err(text) => {
                let mut registry = state.registry();
                bound
                    .iter()
                    .for_each(|(published, _)| registry.ports.release(published));
                return Err(Error::Exhausted(format!(
                    "driver failed programming external connectivity on endpoint {} ({}): {text}",
                    row.name, gateway.endpoint.endpoint_id
                )));
            }
        }
    }
    Ok(bound)
}

fn bind_one(
    state: &State,
    row: &SandboxRow,
    binding: &PortBinding,
    default: IpAddr,
) -> Result<Bound, String> {
    let host = binding.host_ip.unwrap_or(default);
    let dual = binding.host_ip.is_none() && host == ANY4 && state.ipv6;
    let range = binding.host_port.unwrap_or(state.ephemeral);
    let mut last = String::new();
    let candidates = state.registry().ports.candidates(binding.protocol, range);
    let candidates: Vec<u16> = if binding.host_port.is_some() {
        (range.0..=range.1).collect()
    } else {
        candidates.collect()
    };
    let mut attempts = 0;
    for port in candidates {
        let published = Published {
            protocol: binding.protocol,
            container_port: binding.container_port,
            host,
            dual,
            port,
        };
        let places: Vec<_> = published.places().iter().map(|place| place.ip).collect();
        if let Err(place) = state.registry().ports.take(binding.protocol, port, &places) {
            last = format!("Bind for {place}:{port} failed: port is already allocated");
            continue;
        }
        match ports::bind(&published) {
            Ok(socket) => {
                if binding.host_port.is_none() {
                    state.registry().ports.chosen(binding.protocol, port);
                }
                return Ok((published, socket));
            }
            Err(error) => {
                state.registry().ports.release(&published);
                last = refused(row, &published, error);
                attempts += 1;
            }
        }
        if attempts == ATTEMPTS {
            break;
        }
    }
    Err(last)
}

/// Upstream's words for a port that somebody else has.
fn refused(row: &SandboxRow, published: &Published, error: Errno) -> String {
    let to = row
        .target()
        .map_or_else(|| "?".to_owned(), |target| target.to_string());
    let host = match published.host {
        IpAddr::V4(host) => host.to_string(),
        IpAddr::V6(host) => format!("[{host}]"),
    };
    let why = match error {
        Errno::ADDRINUSE => "address already in use".to_owned(),
        Errno::ADDRNOTAVAIL => "cannot assign requested address".to_owned(),
        other => std::io::Error::from(other).to_string(),
    };
    let Published {
        port,
        container_port,
        protocol,
        ..
    } = published;
    format!("failed to bind host port for {host}:{port}:{to}:{container_port}/{protocol}: {why}")
}

/// Serves ports that the table redirects by now.
pub(crate) fn serve(state: &State, row: &SandboxRow, open: &Open, bound: Vec<Bound>) -> Result<(), Error> {
    if bound.is_empty() {
        return Ok(());
    }
    forget(state, &row.published);
    let proxy = hold(state, row, bound)?;
    *lock(&open.proxy) = Some(proxy);
    Ok(())
}

/// Gives the sockets to the supervisor, and starts the proxy on them.
pub(crate) fn hold(state: &State, row: &SandboxRow, bound: Vec<Bound>) -> Result<Proxy, Error> {
    let failed = "cannot keep the sockets of published ports";
    let sockets: Vec<_> = bound
        .into_iter()
        .filter_map(|(published, socket)| Some((published, socket?)))
        .collect();
    for (part, chunk) in sockets.chunks(PART).enumerate() {
        let borrowed: Vec<_> = chunk.iter().map(|(_, socket)| socket.as_fd()).collect();
        state
            .holder
            .hold(&ports_key(&row.container, part), &borrowed)
            .map_err(Error::kernel(failed))?;
    }
    Proxy::start(sockets, row.target(), &state.runtime).map_err(Error::kernel(failed))
}

/// The sockets that an earlier process has left with the supervisor; bound anew where it has none.
pub(crate) fn retrieve(state: &State, row: &SandboxRow) -> Vec<Bound> {
    let mut held = Vec::new();
    for part in 0..row.published.len().div_ceil(PART) {
        held.extend(
            state
                .holder
                .retrieve(&ports_key(&row.container, part))
                .unwrap_or_default(),
        );
    }
    let with_socket = row
        .published
        .iter()
        .filter(|published| published.protocol != Protocol::Sctp)
        .count();
    if held.len() >= with_socket {
        let mut held = held.into_iter();
        let kept = |published: &Published| {
            (
                *published,
                (published.protocol != Protocol::Sctp || held.len() > with_socket)
                    .then(|| held.next())
                    .flatten(),
            )
        };
        return row.published.iter().map(kept).collect();
    }
    drop(held);
    let again = |published: &Published| {
        let socket = ports::bind(published);
        let socket = socket.inspect_err(
            |error| tracing::warn!(%error, port = published.port, "a published port is not held"),
        );
        (*published, socket.ok().flatten())
    };
    row.published.iter().map(again).collect()
}

/// Takes the sockets back from the supervisor.
pub(crate) fn release(state: &State, row: &SandboxRow) {
    let parts = row.published.len().div_ceil(PART);
    let keys = (0..parts).map(|part| ports_key(&row.container, part));
    let names = row.named().then(|| crate::attach::dns_key(&row.container));
    for key in keys.chain(names) {
        if let Err(error) = state.holder.release(&key) {
            tracing::warn!(%error, key, "a socket stays with the supervisor");
        }
    }
}

/// Forgets UDP conversations with these ports: they would go on as they began, past a port that
/// was published since, or towards a container that has gone.
pub(crate) fn forget(state: &State, published: &[Published]) {
    let list: Vec<_> = published
        .iter()
        .filter(|published| published.protocol == Protocol::Udp)
        .map(|published| Forgotten::with(published.port))
        .collect();
    if list.is_empty() {
        return;
    }
    let forgotten = state
        .table
        .with_socket(|netlink| conversations::forget(netlink, &list));
    if let Err(error) = forgotten {
        tracing::debug!(%error, "old conversations with a UDP port may go on");
    }
}
