//! The cluster's name server: sockets on an address among the services', in the host's namespace.
//!
//! No pod runs it and no connection is tracked for it: a query goes from the pod's link to a socket,
//! whose port the kernel chose and the table's program rewrites ([`crate::table`]): port 53 of the
//! host stays free. The supervisor holds the sockets, so queries wait while the daemon is being
//! restarted.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use rustix::net::sockopt;
use sys::netns::Namespace;

use crate::dns::zone::Zone;
use crate::dns::{Asker, Forward, Names};
use crate::files::ResolvConf;
use crate::networks::{Networks, State, lock};
use crate::open::report;
use crate::table::NamePorts;
use crate::{Cluster, Error};

/// The name under which the sockets are held: of no container, so no second part.
const KEY: &str = "network.names";
/// Room for the queries of many pods that start at once, and for those that wait for the daemon.
const WAITING: usize = 1 << 20;

impl Networks {
    /// Answers the cluster's names out of `zone`, at the cluster's name server and for containers
    /// on docker's networks; everything else the host's servers are asked. Once more: out of this
    /// zone from now on.
    ///
    /// # Errors
    /// [`Error::Unavailable`] on a node without a cluster; when the kernel refuses, or the sockets
    /// cannot be kept.
    pub fn serve_cluster(&self, zone: Arc<dyn Zone>) -> Result<(), Error> {
        let state = &*self.0;
        let cluster = state.cluster()?;
        state.resolver.join_cluster(names(state, cluster, zone));
        if lock(&state.names).is_some() {
            return Ok(());
        }
        let failed = "cannot serve the cluster's names";
        let sockets = kept(state).map_or_else(|| bind(state, cluster.dns), Ok);
        let serving = sockets.and_then(|sockets| {
            state.table.serve_names(ports(&sockets)?)?;
            let here = Arc::new(Namespace::current()?);
            state
                .resolver
                .serve(Asker::Cluster, here, sockets, &state.runtime)
        });
        *lock(&state.names) = Some(serving.map_err(Error::kernel(failed))?);
        Ok(())
    }
}

fn names(state: &State, cluster: &Cluster, zone: Arc<dyn Zone>) -> Names {
    let (host, own) = (state.config.resolv_conf.clone(), cluster.dns);
    let began = state.clock.wall().duration_since(UNIX_EPOCH).unwrap_or_default();
    Names {
        zone,
        domain: cluster.domain.to_lowercase(),
        serial: u32::try_from(began.as_secs()).unwrap_or(u32::MAX),
        servers: Box::new(move || servers(&host, own)),
    }
}

/// The host's servers as its file has them now: networks change under a running node. Its own
/// address is none of them: it would ask itself for ever.
fn servers(host: &Path, own: Ipv4Addr) -> Vec<SocketAddr> {
    let text = std::fs::read_to_string(host).unwrap_or_default();
    let mut servers = Forward::servers(ResolvConf::parse(&text, &host.to_string_lossy()).servers(), false);
    servers.retain(|server| server.ip() != own);
    servers
}

fn kept(state: &State) -> Option<[OwnedFd; 2]> {
    let sockets = state.holder.retrieve(KEY).unwrap_or_default();
    <[_; 2]>::try_from(sockets).ok()
}

/// The ports of the sockets that an earlier process has left.
pub(crate) fn kept_names(state: &State) -> Option<NamePorts> {
    state.config.cluster.as_ref()?;
    kept(state).and_then(|sockets| ports(&sockets).ok())
}

fn ports(sockets: &[OwnedFd; 2]) -> io::Result<NamePorts> {
    let port = |socket: &OwnedFd| {
        let address = SocketAddr::try_from(rustix::net::getsockname(socket)?)?;
        io::Result::Ok(address.port())
    };
    Ok(NamePorts {
        udp: port(&sockets[0])?,
        tcp: port(&sockets[1])?,
    })
}

/// UDP, then TCP; held by the supervisor.
fn bind(state: &State, address: Ipv4Addr) -> io::Result<[OwnedFd; 2]> {
    let udp = UdpSocket::bind((address, 0))?;
    let tcp = TcpListener::bind((address, 0))?;
    udp.set_nonblocking(true)?;
    tcp.set_nonblocking(true)?;
    // Without the privilege there is less room.
    let _ = sockopt::set_socket_recv_buffer_size_force(&udp, WAITING);
    state.holder.hold(KEY, &[udp.as_fd(), tcp.as_fd()])?;
    Ok([udp.into(), tcp.into()])
}

/// Ends the name server and gives its address's ports back.
pub(crate) fn stop_serving(state: &State) {
    drop(lock(&state.names).take());
    report(
        "the name server's sockets stay with the supervisor",
        state.holder.release(KEY),
    );
}
