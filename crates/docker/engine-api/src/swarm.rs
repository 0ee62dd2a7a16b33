//! What a node outside a swarm says to swarm's endpoints, and what plugins and registries say where
//! there are none.

use http::StatusCode;
use serde_json::json;

use crate::Api;
use crate::error::ApiError;
use crate::server::call::Call;
use crate::server::reply::Reply;

/// Upstream's sentence for a node that is no manager.
pub(crate) const INACTIVE: &str = "This node is not a swarm manager. Use \"docker swarm init\" or \"docker swarm join\" to connect this node to swarm and try again.";

/// Every endpoint that needs a manager.
pub(crate) async fn inactive(_call: Call<Api>) -> Result<Reply, ApiError> {
    Err(ApiError::new(StatusCode::SERVICE_UNAVAILABLE, INACTIVE))
}

/// `POST /swarm/leave`.
pub(crate) async fn leave(_call: Call<Api>) -> Result<Reply, ApiError> {
    Err(ApiError::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "This node is not part of a swarm",
    ))
}

/// `POST /swarm/init` and `/swarm/join`.
pub(crate) async fn unsupported(_call: Call<Api>) -> Result<Reply, ApiError> {
    Err(ApiError::unsupported("swarm mode is not supported yet"))
}

/// `GET /plugins`: there are none.
pub(crate) async fn plugins(_call: Call<Api>) -> Result<Reply, ApiError> {
    Reply::json(&json!([]))
}

/// An operation on a plugin by name.
pub(crate) async fn plugin(call: Call<Api>) -> Result<Reply, ApiError> {
    Err(ApiError::not_found(format!("plugin {:?} not found", call.name)))
}

/// Installing plugins.
pub(crate) async fn install_plugin(_call: Call<Api>) -> Result<Reply, ApiError> {
    Err(ApiError::unsupported("plugins are not supported yet"))
}
