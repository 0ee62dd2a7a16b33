//! The map of a node, and what changes it.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::Arc;
use std::time::Duration;

use views::Protocol;

/// Where clients knock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Frontend {
    /// An address and a port of it: cluster IPs, external IPs, addresses of load balancers.
    Address {
        /// The address.
        ip: Ipv4Addr,
        /// The protocol.
        protocol: Protocol,
        /// The port.
        port: u16,
    },
    /// A port of every address of the node, 127.0.0.1 too.
    NodePort {
        /// The protocol.
        protocol: Protocol,
        /// The port.
        port: u16,
    },
}

/// Who answers a frontend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Balanced {
    /// Each new connection goes to one of these, by chance. In order, each once.
    pub backends: Arc<[SocketAddrV4]>,
    /// A client goes where it went before, unless so much time has passed since its last new connection.
    pub affinity: Option<Duration>,
    /// Some backend is not on this node, so that its answers find back only to an address of this node.
    pub elsewhere: bool,
    /// What clients hear while there is no backend.
    pub none: Unanswered,
}

/// What becomes of a connection that nobody answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unanswered {
    /// Refused at once: there is no backend.
    #[default]
    Reject,
    /// Left in silence: there is one, on a node that this client should have asked.
    Drop,
}

/// All frontends.
pub type Map = BTreeMap<Frontend, Balanced>;

/// A change of frontends. What is set replaces what was there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// Frontends that are new or changed.
    pub set: Vec<(Frontend, Balanced)>,
    /// Frontends that are gone.
    pub remove: Vec<Frontend>,
    /// These are all: every other frontend goes. The first change of a process is one of these.
    pub whole: bool,
}

impl Change {
    /// Whether nothing would change.
    pub fn is_empty(&self) -> bool {
        self.set.is_empty() && self.remove.is_empty() && !self.whole
    }
}

/// What makes one map the other.
pub fn diff(old: &Map, new: &Map) -> Change {
    let changed = new
        .iter()
        .filter(|(frontend, balanced)| old.get(frontend) != Some(balanced));
    let gone = old.keys().filter(|frontend| !new.contains_key(frontend));
    Change {
        set: changed
            .map(|(frontend, balanced)| (*frontend, balanced.clone()))
            .collect(),
        remove: gone.copied().collect(),
        whole: false,
    }
}
