//! How the API server reaches kubelets: the one of this process is a call of a function.

use std::sync::{Arc, OnceLock};

use apiserver::nodes::{NodeTarget, Nodes, Upgrade};
use apiserver::outbound::{OutboundError, Sending};
use bytes::Bytes;
use http::Request;
use kubelet_server::Server;

/// The kubelets that there are: this node's, once it serves.
#[derive(Clone, Default)]
pub(crate) struct LocalNodes(Arc<OnceLock<Here>>);

struct Here {
    name: String,
    server: Server,
}

impl LocalNodes {
    /// This node's kubelet serves. Said once.
    pub(crate) fn serve(&self, name: String, server: Server) {
        let first = self.0.set(Here { name, server }).is_ok();
        debug_assert!(first, "a node has one kubelet");
    }
}

impl Nodes for LocalNodes {
    fn call(&self, node: &NodeTarget, request: Request<Bytes>, upgrade: Upgrade) -> Sending {
        match self.0.get().filter(|here| here.name == node.name) {
            Some(here) => Nodes::call(&here.server, node, request, upgrade),
            None => Box::pin(async { Err(OutboundError::Offline) }),
        }
    }
}
