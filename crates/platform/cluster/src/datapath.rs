//! The proxy's map in the network's words: neither room knows the other.

use std::net::IpAddr;

use driver::env::Doing;
use network::{Networks, ServiceChange};
use proxy::{Balanced, Change, Frontend, Unanswered};
use tokio::task::spawn_blocking;

/// The kernel of this node.
pub(crate) struct Kernel(Networks);

impl Kernel {
    pub(crate) const fn new(networks: Networks) -> Self {
        Self(networks)
    }
}

impl proxy::Datapath for Kernel {
    fn change(&self, change: Change) -> Doing<Result<(), String>> {
        let networks = self.0.clone();
        let change = translated(change);
        Box::pin(async move {
            let done = spawn_blocking(move || networks.services(&change)).await;
            let done = done.map_err(|error| error.to_string())?;
            done.map_err(|error| error.to_string())
        })
    }

    fn connections(&self, pod: IpAddr) -> Doing<usize> {
        let networks = self.0.clone();
        Box::pin(async move {
            let IpAddr::V4(address) = pod else { return 0 };
            let counted = spawn_blocking(move || networks.connections(address)).await;
            // Where they cannot be counted nobody waits for them.
            counted.map_or(0, |counted| counted.unwrap_or(0))
        })
    }
}

fn translated(change: Change) -> ServiceChange {
    let Change { set, remove, whole } = change;
    let set = set
        .into_iter()
        .map(|(at, who)| (frontend(at), balanced(who)))
        .collect();
    let remove = remove.into_iter().map(frontend).collect();
    ServiceChange { set, remove, whole }
}

fn frontend(at: Frontend) -> network::Frontend {
    match at {
        Frontend::Address { ip, protocol, port } => {
            let protocol = transport(protocol);
            network::Frontend::Address { ip, protocol, port }
        }
        Frontend::NodePort { protocol, port } => {
            let protocol = transport(protocol);
            network::Frontend::NodePort { protocol, port }
        }
    }
}

fn balanced(who: Balanced) -> network::Balanced {
    network::Balanced {
        backends: who.backends,
        affinity: who.affinity,
        elsewhere: who.elsewhere,
        none: match who.none {
            Unanswered::Reject => network::Unanswered::Reject,
            Unanswered::Drop => network::Unanswered::Drop,
        },
    }
}

const fn transport(protocol: views::Protocol) -> network::Protocol {
    match protocol {
        views::Protocol::Tcp => network::Protocol::Tcp,
        views::Protocol::Udp => network::Protocol::Udp,
        views::Protocol::Sctp => network::Protocol::Sctp,
    }
}
