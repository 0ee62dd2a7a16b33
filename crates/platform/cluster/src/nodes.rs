//! How the API server reaches kubelets: the one of this process is a call of a function.

use std::sync::{Arc, OnceLock};

use apiserver::Body;
use apiserver::nodes::{NodeTarget, Nodes, Upgrade};
use apiserver::outbound::{OutboundError, Sending};
use bytes::Bytes;
use futures_util::StreamExt;
use http::Request;
use http_body_util::BodyDataStream;
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
        let here = self.0.get().filter(|here| here.name == node.name);
        let Some(server) = here.map(|here| here.server.clone()) else {
            return Box::pin(async { Err(OutboundError::Offline) });
        };
        Box::pin(async move {
            let response = server.call(request, upgrade.0).await;
            Ok(response.map(|body| {
                // It never fails: what breaks off ends.
                let pieces = BodyDataStream::new(body).filter_map(|piece| std::future::ready(piece.ok()));
                Body::stream(pieces)
            }))
        })
    }
}
