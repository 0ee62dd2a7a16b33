//! What the API server is told at its start.

use std::net::IpAddr;
use std::sync::Arc;

use pki::{ClientAuthorities, TokenIssuer};

use crate::nodes::Nodes;
use crate::outbound::Outbound;

/// The part of the node's configuration that the API server acts on.
pub struct Config {
    /// Service addresses, `10.43.0.0/16`; the first is the `kubernetes` Service's.
    pub service_cidr: String,
    /// Node ports, both ends included.
    pub node_port_range: (u16, u16),
    /// `cluster.local`
    pub cluster_domain: String,
    /// The address that clients inside the cluster reach this server at.
    pub advertise: IpAddr,
    /// The port that goes with it.
    pub port: u16,
    /// Whose client certificates are believed.
    pub clients: ClientAuthorities,
    /// Signs and verifies ServiceAccount tokens; its issuer is their default audience.
    pub tokens: TokenIssuer,
    /// The CA bundle of this server's certificate, PEM: what pods get as `kube-root-ca.crt`.
    pub root_ca: String,
    /// Whose certificates the front proxy has, PEM: what aggregated servers are told to believe.
    pub front_proxy_ca: String,
    /// Sends the server's own requests: to webhooks and aggregated servers.
    pub outbound: Arc<dyn Outbound>,
    /// Reaches the kubelets: logs, exec, attach, port-forward.
    pub nodes: Arc<dyn Nodes>,
}
