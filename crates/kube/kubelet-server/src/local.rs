//! The API server of the same process: it reaches this node's kubelet by a call of a function.

use apiserver::nodes::{NodeTarget, Nodes, Upgrade};
use apiserver::outbound::Sending;
use bytes::Bytes;
use http::Request;

use crate::Server;

impl Nodes for Server {
    fn call(&self, _: &NodeTarget, request: Request<Bytes>, upgrade: Upgrade) -> Sending {
        let server = self.clone();
        Box::pin(async move { Ok(Self::call(&server, request, upgrade.0).await) })
    }
}
