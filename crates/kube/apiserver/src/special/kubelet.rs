//! What a kubelet answers: logs, exec, attach, port-forward, proxies. No node serves them yet, and the client is told.

use schema::cursor::Ref;
use schema::status::Status;

use http::{Response, StatusCode};

use super::connect;
use crate::registry::{Live, Op, Options};
use crate::server::State;
use crate::{Answer, Body, Call, Reply, Served};

/// Refuses, or answers what upstream answers for a pod that is on no node.
///
/// # Errors
/// 404 for what does not exist, 400 for a pod without a node, else 503.
pub(super) async fn connect(state: &State, call: &Call, served: &Served) -> Answer<Reply> {
    let op = Op::new(state, call, served, Options::default());
    let Some(live) = Live::read(&op, &op.name).await? else {
        return Err(Status::not_found(served.group_resource(), &op.name).into());
    };
    connect::admit(&op).await?;
    let node = Ref::new(op.types(), &live.tree).path("spec.nodeName").str();
    match (&*call.info.resource, &*call.info.subresource, node) {
        ("pods", "log", "") => Ok(Reply::Http(nothing())),
        ("pods", "exec" | "attach" | "portforward", "") => {
            let why = format!("pod {} does not have a host assigned", op.name);
            Err(Status::bad_request(why).into())
        }
        ("services", _, _) => {
            let why = format!("no endpoints available for service {:?}", op.name);
            Err(Status::service_unavailable(why).into())
        }
        (_, path, _) => {
            let why = format!("error trying to reach service: the node's kubelet does not serve {path}");
            Err(Status::service_unavailable(why).into())
        }
    }
}

fn nothing() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}
