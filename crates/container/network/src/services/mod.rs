//! Services on the node: who stands behind an address and a port, or behind a port of the node.
//!
//! What a service is, others know: here there are frontends with backends. The table's program does
//! not depend on them ([`crate::table`]); a change is a difference of elements ([`program`]), one
//! transaction for a burst of any usual size. What the kernel remembers of conversations over UDP is
//! brought up to date afterwards ([`conversations`]): they never end by themselves. Services' names
//! are served at an address among theirs ([`names`]).

pub(crate) mod link;
mod names;
mod program;

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::Arc;
use std::time::Duration;

use crate::conversations;
use crate::networks::{Networks, State, lock};
use crate::open;
use crate::{Error, Protocol};

pub(crate) use names::{kept_names, stop_serving};
pub(crate) use program::Known;
use program::Step;

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
    /// Each new connection goes to one of these, by chance.
    pub backends: Arc<[SocketAddrV4]>,
    /// A client goes where it went before, unless so much time has passed since its last new
    /// connection. Seconds count; a day at most.
    pub affinity: Option<Duration>,
    /// Clients are given an address of this node: answers come from backends on other nodes.
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

/// A change of frontends. What is set replaces what was there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServiceChange {
    /// Frontends that are new or changed.
    pub set: Vec<(Frontend, Balanced)>,
    /// Frontends that are gone; one that is not known is no error.
    pub remove: Vec<Frontend>,
    /// These are all: every other frontend goes. The first change of a process is one of these.
    pub whole: bool,
}

impl Networks {
    /// Changes who stands behind what. The change is in force when this returns: connections that
    /// begin now go the new way, those that are going on go on, and UDP conversations with backends
    /// that have gone are looked at anew.
    ///
    /// The cluster's own name server is no frontend: what is said about its address is passed over.
    /// A change of more than some ten thousand elements is made in several transactions; each
    /// frontend is changed as a whole.
    ///
    /// # Errors
    /// [`Error::Unavailable`] on a node without a cluster; when the kernel refuses. What was not
    /// changed then is changed with the next call that says it again.
    pub fn services(&self, change: &ServiceChange) -> Result<(), Error> {
        let state = &*self.0;
        let dns = state.cluster()?.dns;
        // Changes happen in the order of the calls.
        let _claim = state.claim(CLAIM);
        let mut waiting = lock(&state.services).changes(change, dns);
        while !waiting.is_empty() {
            let step = lock(&state.services).plan(&mut waiting);
            carry_out(state, step)?;
        }
        let rest = lock(&state.services).forget_inherited().filter(|_| change.whole);
        rest.map_or(Ok(()), |rest| carry_out(state, rest))
    }

    /// How many connections to services a pod has to answer: TCP, begun and not yet closed by both
    /// sides.
    ///
    /// # Errors
    /// When the kernel cannot list connections.
    pub fn connections(&self, pod: Ipv4Addr) -> io::Result<usize> {
        self.0
            .table
            .with_socket(|netlink| conversations::count(netlink, pod))
    }
}

/// Makes the table again, with all that is known, if somebody has taken it away.
pub(crate) fn mend(state: &State) -> io::Result<()> {
    let _claim = state.claim(CLAIM);
    state
        .table
        .mend(|| (open::contents(state), lock(&state.services).all()))
}

/// No container and no pod has this name.
const CLAIM: &str = "services.";

fn carry_out(state: &State, step: Step) -> Result<(), Error> {
    let changed = state.table.balance(&step.change);
    changed.map_err(Error::kernel("cannot change the services of the nf_tables table"))?;
    let forgotten = state
        .table
        .with_socket(|netlink| conversations::forget(netlink, &step.forgotten));
    open::report("old conversations with a service over UDP may go on", forgotten);
    lock(&state.services).done(step);
    Ok(())
}
