//! The proxy's map in the network's words: neither room knows the other.

use std::net::{IpAddr, SocketAddr, SocketAddrV4};

use driver::env::Doing;
use network::{Networks, ServiceChange};
use proxy::{Balanced, Change, Frontend, Unanswered};
use tokio::task::spawn_blocking;

/// The kernel of this node.
pub(crate) struct Kernel(Networks, Api);

/// Where the API is: under an address by which other nodes may know it, it need not listen.
#[derive(Clone, Copy)]
pub(crate) struct Api {
    /// The address in the endpoints of the service `kubernetes`.
    pub(crate) advertised: IpAddr,
    /// Where it listens.
    pub(crate) served: SocketAddr,
}

impl Api {
    /// A backend that is this API at the advertised address is led to where it listens: to
    /// 127.0.0.1, usually, so that pods reach it and the world does not.
    fn place(&self, backend: SocketAddrV4) -> SocketAddrV4 {
        match self.served {
            SocketAddr::V4(served)
                if !served.ip().is_unspecified()
                    && *backend.ip() == self.advertised
                    && backend.port() == served.port() =>
            {
                served
            }
            _ => backend,
        }
    }
}

impl Kernel {
    pub(crate) const fn new(networks: Networks, api: Api) -> Self {
        Self(networks, api)
    }
}

impl proxy::Datapath for Kernel {
    fn change(&self, change: Change) -> Doing<Result<(), String>> {
        let networks = self.0.clone();
        let change = translated(change, &self.1);
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

fn translated(change: Change, api: &Api) -> ServiceChange {
    let Change { set, remove, whole } = change;
    let set = set
        .into_iter()
        .map(|(at, who)| (frontend(at), balanced(&who, api)))
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

fn balanced(who: &Balanced, api: &Api) -> network::Balanced {
    network::Balanced {
        backends: who.backends.iter().map(|backend| api.place(*backend)).collect(),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_api_is_where_it_listens() {
        let at = |text: &str| text.parse::<SocketAddrV4>().unwrap();
        let api = |served: &str| Api {
            advertised: [192, 0, 2, 1].into(),
            served: at(served).into(),
        };
        for (served, backend, expected) in [
            ("127.0.0.1:6443", "192.0.2.1:6443", "127.0.0.1:6443"),
            ("127.0.0.1:6443", "192.0.2.1:80", "192.0.2.1:80"),
            ("127.0.0.1:6443", "10.42.0.5:6443", "10.42.0.5:6443"),
            ("0.0.0.0:6443", "192.0.2.1:6443", "192.0.2.1:6443"),
        ] {
            assert_eq!(api(served).place(at(backend)), at(expected), "{served} {backend}");
        }
    }
}
