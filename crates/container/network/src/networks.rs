//! The node's networks: the one handle that the rest of Gantry holds.

use std::io;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use driver::{Clock, Rng};
use store::Store;
use tokio::runtime::Handle;

use crate::{
    Attach, Endpoint, EndpointInfo, EndpointSpec, Error, Holder, LinkCounters, Network, NetworkSpec, Sandbox,
};

/// How a node's networks are set up.
#[derive(Clone, Debug)]
pub struct Config {
    /// `--name`: every link, table and namespace file is named for it.
    pub instance: String,
    /// RUN: namespace files lie in `netns` below it.
    pub run_dir: PathBuf,
    /// Where subnets of networks without a configured one are taken from, in this order.
    pub pools: Vec<Pool>,
    /// The address that ports are published on unless the user names one; unspecified for all.
    pub publish_on: IpAddr,
    /// How many namespaces are kept ready for the network `bridge`; 0 keeps none.
    pub ready: usize,
    /// The host's `resolv.conf`.
    pub resolv_conf: PathBuf,
}

/// A range that subnets are taken from (dockerd's `default-address-pools`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pool {
    /// CIDR of the whole range.
    pub base: String,
    /// Length of the prefix of each subnet.
    pub size: u8,
}

/// The networks of a node. A cheap handle: clones share everything.
///
/// Calls block (on netlink, for tens of microseconds, or on the store); call them from a thread
/// that may.
#[derive(Clone)]
pub struct Networks(Arc<State>);

struct State;

impl Networks {
    /// Opens the networks: makes or adopts `bridge`, `host` and `none`, restores what the rows
    /// in the store know, and takes away what none knows.
    ///
    /// # Errors
    /// When the kernel refuses links or nf_tables, or the store fails.
    pub fn open(
        config: Config,
        store: Arc<dyn Store>,
        holder: Arc<dyn Holder>,
        clock: Arc<dyn Clock>,
        rng: Rng,
        runtime: Handle,
    ) -> Result<Self, Error> {
        todo!()
    }

    /// All networks, by name.
    pub fn list(&self) -> Vec<Arc<Network>> {
        todo!()
    }

    /// The network with this id, name or unambiguous beginning of an id.
    ///
    /// # Errors
    /// [`Error::NotFound`], or [`Error::Invalid`] if several begin like this.
    pub fn find(&self, reference: &str) -> Result<Arc<Network>, Error> {
        todo!()
    }

    /// Makes a network. It is kept durably.
    ///
    /// # Errors
    /// Upstream's, for names, subnets and options; [`Error::NotFound`] for a driver we have not.
    pub fn create(&self, spec: NetworkSpec) -> Result<Arc<Network>, Error> {
        todo!()
    }

    /// Takes a network away.
    ///
    /// # Errors
    /// [`Error::Forbidden`] for one in use or predefined.
    pub fn remove(&self, reference: &str) -> Result<(), Error> {
        todo!()
    }

    /// Takes away every unused network that is not predefined and that `matches`; their names.
    ///
    /// # Errors
    /// When the store fails.
    pub fn prune(&self, matches: &dyn Fn(&Network) -> bool) -> Result<Vec<String>, Error> {
        todo!()
    }

    /// The containers that are on a network, by container id.
    pub fn endpoints(&self, network_id: &str) -> Vec<EndpointInfo> {
        todo!()
    }

    /// Gives a container its namespace, addresses, names and ports.
    ///
    /// # Errors
    /// When a network does not exist, an address or port is taken, or the kernel refuses; nothing
    /// is left of it then.
    pub fn attach(&self, request: Attach) -> Result<Arc<Sandbox>, Error> {
        todo!()
    }

    /// What [`Self::attach`] gave, as it stands now.
    pub fn sandbox(&self, container: &str) -> Option<Arc<Sandbox>> {
        todo!()
    }

    /// Takes everything back. Addresses and ports are free when this returns; links and the
    /// namespace go in the background. A container that is not attached is no error.
    ///
    /// # Errors
    /// When the store fails.
    pub fn detach(&self, container: &str) -> Result<(), Error> {
        todo!()
    }

    /// Puts a running container on one more network.
    ///
    /// # Errors
    /// As [`Self::attach`]; [`Error::Forbidden`] if it is there already or has no namespace of its own.
    pub fn connect(&self, container: &str, network: &str, spec: EndpointSpec) -> Result<Endpoint, Error> {
        todo!()
    }

    /// Takes a running container off a network.
    ///
    /// # Errors
    /// [`Error::Forbidden`] if it is not there.
    pub fn disconnect(&self, container: &str, network: &str) -> Result<(), Error> {
        todo!()
    }

    /// The container has a new name: DNS answers it from now on.
    pub fn rename(&self, container: &str, name: &str) {
        todo!()
    }

    /// What went through the container's links.
    ///
    /// # Errors
    /// When the namespace is gone; none for a container on the host's network.
    pub fn counters(&self, container: &str) -> io::Result<Vec<LinkCounters>> {
        todo!()
    }

    /// `down`: takes away every kernel object of this instance. The rows stay.
    pub fn close(&self) {
        todo!()
    }
}
