//! Proxies of nodes, pods and Services, until they are served.

use schema::status::Status;

use super::{connect, pod};
use crate::registry::{Op, Options};
use crate::server::State;
use crate::{Answer, Call, Reply, Served};

/// Refuses.
///
/// # Errors
/// 404, 503.
pub(super) async fn connect(state: &State, call: &Call, served: &Served) -> Answer<Reply> {
    let op = Op::new(state, call, served, Options::default());
    pod::live(&op, &op.name).await?;
    connect::admit(&op).await?;
    Err(Status::service_unavailable("error trying to reach service").into())
}
