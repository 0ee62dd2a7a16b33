//! What lies ready for pods: namespaces with a link whose other end is routed.

use std::io;

use super::{INTERFACE, PODS};
use crate::links;
use crate::networks::State;
use crate::pool::{Kind, Port};
use crate::upkeep::Job;

/// Namespaces of pods that are alike.
pub(super) fn kind(state: &State, sysctls: Vec<(String, String)>) -> Kind {
    let port = Port {
        network: PODS.to_owned(),
        master: None,
        mtu: state.registry().pods.mtu,
        interface: INTERFACE.to_owned(),
        ipv6: false,
    };
    Kind {
        port: Some(port),
        sysctls,
    }
}

/// Begins to fill the shelf.
pub(crate) fn fill_shelf(state: &State) {
    if let Some(cluster) = state.config.cluster.as_ref().filter(|cluster| cluster.ready > 0) {
        let kind = kind(state, Vec::new());
        state.namespaces.set_large(&kind, cluster.ready);
        state.upkeep.later(Job::Refill(kind));
    }
}

/// Sets up the host's end of a link, in the host's namespace: answers to clients at 127.0.0.1 come
/// in here with a loopback destination (the table keeps all others out), and a pod, which may make packets
/// of its own, sends none in the name of another: they count where their route leads.
pub(crate) fn settle(link: &str) -> io::Result<()> {
    links::set_sysctl(&format!("net/ipv4/conf/{link}/route_localnet"), "1")?;
    links::set_sysctl(&format!("net/ipv4/conf/{link}/rp_filter"), "1")
}

/// What a packet may have on the link that leads out: pods send no longer ones.
pub(super) fn uplink() -> io::Result<Option<u32>> {
    let mut host = links::open()?;
    let Some(out) = links::default_link(&mut host)? else {
        return Ok(None);
    };
    let links = links::list(&mut host)?;
    Ok(links.iter().find(|link| link.index == out).map(|link| link.mtu))
}
