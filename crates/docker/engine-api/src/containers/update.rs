//! `POST /containers/ID/update`: limits and restart policy of a container that exists.

use engine::Update;
use serde_json::json;

use crate::Api;
use crate::api::Deed;
use crate::convert::create::{checks, policy, resources};
use crate::coverage;
use crate::error::ApiError;
use crate::go_json;
use crate::server::call::Call;
use crate::server::reply::Reply;
use crate::wire::host_config::HostConfig;

/// `POST /containers/ID/update`.
pub(crate) async fn update(call: Call<Api>) -> Result<Reply, ApiError> {
    let (api, name, version) = (call.state.clone(), call.name.clone(), call.version);
    let body = call.json_value().await?.unwrap_or_default();
    coverage::refuse_update(&body)?;
    let mut asked: HostConfig = go_json::decode(body)?;
    if !version.since(40) {
        asked.pids_limit = None;
    }
    // 0 and -1 both take a limit away.
    asked.pids_limit = asked.pids_limit.map(|limit| limit.max(0));
    checks::resources(&asked, &api.host, true)?;
    checks::restart_policy(&asked.restart_policy)?;
    let view = api.view(api.find_own(&name, Deed::Update)?);
    let mut door = view.door;
    refuse_conflicts(&door.host, &asked)
        .map_err(|error| error.within(&format!("Cannot update container {}", view.container.id)))?;
    resources::update(&mut door.host, &asked);
    let change = Update {
        resources: Some(resources::resources(&door.host)),
        restart: Some(policy::restart(&door.host.restart_policy)),
        door: serde_json::to_value(&door).ok(),
    };
    let warnings = api.engine.update(&view.container.id, change).await?;
    Reply::json(&json!({ "Warnings": Some(warnings).filter(|warnings| !warnings.is_empty()) }))
}

/// What cannot be joined with the limits the container has.
fn refuse_conflicts(current: &HostConfig, asked: &HostConfig) -> Result<(), ApiError> {
    let restarts = !matches!(asked.restart_policy.name.as_str(), "" | "no");
    let conflict = [
        (
            current.auto_remove && restarts,
            "Restart policy cannot be updated because AutoRemove is enabled for the container",
        ),
        (
            current.nano_cpus > 0 && asked.cpu_period > 0,
            "Conflicting options: CPU Period cannot be updated as NanoCPUs has already been set",
        ),
        (
            current.nano_cpus > 0 && asked.cpu_quota > 0,
            "Conflicting options: CPU Quota cannot be updated as NanoCPUs has already been set",
        ),
        (
            asked.nano_cpus > 0 && current.cpu_quota > 0,
            "Conflicting options: Nano CPUs cannot be updated as CPU Quota has already been set",
        ),
        (
            asked.nano_cpus > 0 && current.cpu_period > 0,
            "Conflicting options: Nano CPUs cannot be updated as CPU Period has already been set",
        ),
        (
            asked.memory != 0 && asked.memory_swap == 0 && asked.memory > current.memory_swap,
            "Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time",
        ),
    ];
    match conflict.into_iter().find(|(holds, _)| *holds) {
        Some((_, sentence)) => Err(ApiError::conflict(sentence)),
        None => Ok(()),
    }
}
