//! The kubelets' own servers, as the API server reaches them: logs, exec, attach, port-forward, proxies of nodes.
//!
//! The server judges a request and hands it on; streams end in the kubelet. On this node that is a call of a function,
//! which takes the client's connection over; elsewhere it is TLS to the kubelet's port. The server knows neither: its
//! owner gives it a [`Nodes`].

use std::net::IpAddr;

use bytes::Bytes;
use http::{Extensions, Request};

use crate::outbound::{OutboundError, Sending};

/// Which kubelet is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeTarget {
    /// The node's name.
    pub name: String,
    /// Where it is reached; none if its object tells no address.
    pub address: Option<IpAddr>,
    /// The kubelet's port.
    pub port: u16,
}

/// The client's connection, for whoever answers `101 Switching Protocols`: what the transport has put into the request
/// (`hyper::upgrade::OnUpgrade` for HTTP/1.1). Empty where a client asked for no upgrade or has no connection to give.
#[derive(Clone, Debug, Default)]
pub struct Upgrade(pub Extensions);

/// Sends requests to kubelets.
pub trait Nodes: Send + Sync {
    /// Sends a request, whose URI is the kubelet's path and query alone, in the name of this server. Who answers 101
    /// takes the connection of `upgrade` over. The answer's body is streamed.
    fn call(&self, node: &NodeTarget, request: Request<Bytes>, upgrade: Upgrade) -> Sending;
}

/// No node answers: for servers in tests and simulations.
#[derive(Clone, Copy, Debug)]
pub struct NoNodes;

impl Nodes for NoNodes {
    fn call(&self, _: &NodeTarget, _: Request<Bytes>, _: Upgrade) -> Sending {
        Box::pin(async { Err(OutboundError::Offline) })
    }
}
