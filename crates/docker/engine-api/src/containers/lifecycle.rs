//! Start, stop, restart, kill, pause, unpause, rename, resize, remove, prune.

use engine::{Container, Remove, Status, StopOptions};
use http::StatusCode;
use serde_json::json;

use crate::Api;
use crate::api::Deed;
use crate::convert::signal;
use crate::error::ApiError;
use crate::prune::Prune;
use crate::server::call::Call;
use crate::server::reply::Reply;

/// `POST /containers/ID/start`.
pub(crate) async fn start(call: Call<Api>) -> Result<Reply, ApiError> {
    use hyper::body::Body;
    // An empty object is harmless and old clients send one; anything longer meant a `HostConfig`.
    if call.body.size_hint().exact().is_none_or(|length| length > 7) {
        return Err(ApiError::bad(
            "starting container with non-empty request body was deprecated since API v1.22 and removed in v1.24",
        ));
    }
    if call.query.text("checkpoint").is_some() || call.query.text("checkpoint-dir").is_some() {
        return Err(ApiError::bad("checkpoint is only supported in experimental mode"));
    }
    let container = call.state.find_own(&call.name, Deed::Start)?;
    call.state.engine.start(&container.id).await?;
    Ok(Reply::no_content())
}

fn stop_options(call: &Call<Api>) -> Result<StopOptions, ApiError> {
    let signal = call
        .query
        .text("signal")
        .filter(|_| call.version.since(42))
        .map(String::from);
    if let Some(signal) = &signal {
        signal::parse(signal)?;
    }
    Ok(StopOptions {
        signal,
        timeout: call.query.integer("t")?,
    })
}

/// `POST /containers/ID/stop`.
pub(crate) async fn stop(call: Call<Api>) -> Result<Reply, ApiError> {
    let options = stop_options(&call)?;
    call.state.engine.stop(&call.name, options).await?;
    Ok(Reply::no_content())
}

/// `POST /containers/ID/restart`.
pub(crate) async fn restart(call: Call<Api>) -> Result<Reply, ApiError> {
    let options = stop_options(&call)?;
    let container = call.state.find_own(&call.name, Deed::Restart)?;
    call.state.engine.restart(&container.id, options).await?;
    Ok(Reply::no_content())
}

/// `POST /containers/ID/kill`: SIGKILL unless another signal is named.
pub(crate) async fn kill(call: Call<Api>) -> Result<Reply, ApiError> {
    let context = format!("cannot kill container: {}", call.name);
    let signal = match call.query.text("signal") {
        None => Ok(9),
        Some(name) => signal::parse(name),
    };
    let signal = signal.map_err(|error| error.within(&context))?;
    if !runtime::signal::is_known(signal) {
        let reason = format!("{context}: the linux daemon does not support signal {signal}");
        return Err(ApiError::bad(reason));
    }
    let killed = call.state.engine.kill(&call.name, signal).await;
    killed.map_err(|error| ApiError::from(error).within(&context))?;
    Ok(Reply::no_content())
}

/// `POST /containers/ID/pause`.
pub(crate) async fn pause(call: Call<Api>) -> Result<Reply, ApiError> {
    call.state.engine.pause(&call.name).await?;
    Ok(Reply::no_content())
}

/// `POST /containers/ID/unpause`.
pub(crate) async fn unpause(call: Call<Api>) -> Result<Reply, ApiError> {
    call.state.engine.unpause(&call.name).await?;
    Ok(Reply::no_content())
}

/// `POST /containers/ID/rename`.
pub(crate) async fn rename(call: Call<Api>) -> Result<Reply, ApiError> {
    let name = call.query.get("name");
    if call.name.is_empty() || name.is_empty() {
        return Err(ApiError::bad("Neither old nor new names may be empty"));
    }
    let container = call.state.find_own(&call.name, Deed::Rename)?;
    call.state.engine.rename(&container.id, name).await?;
    Ok(Reply::no_content())
}

/// `POST /containers/ID/resize`.
pub(crate) async fn resize(call: Call<Api>) -> Result<Reply, ApiError> {
    let (rows, columns) = terminal_size(&call)?;
    call.state.engine.resize(&call.name, rows, columns).await?;
    Ok(Reply::empty(StatusCode::OK))
}

/// The size in a query. The kernel's terminals have sides of 16 bits; a longer one is the longest.
pub(crate) fn terminal_size(call: &Call<Api>) -> Result<(u16, u16), ApiError> {
    let side = |name, what| {
        call.query
            .size(name, what)
            .map(|side| u16::try_from(side).unwrap_or(u16::MAX))
    };
    Ok((side("h", "height")?, side("w", "width")?))
}

/// `DELETE /containers/ID`.
pub(crate) async fn remove(call: Call<Api>) -> Result<Reply, ApiError> {
    if call.query.bool("link") {
        return Err(ApiError::unsupported("removing a link is not supported yet"));
    }
    let remove = Remove {
        force: call.query.bool("force"),
        volumes: call.query.bool("v"),
    };
    let container = call.state.find_own(&call.name, Deed::Remove)?;
    call.state.engine.remove(&container.id, remove).await?;
    Ok(Reply::no_content())
}

/// `POST /containers/prune`: every container of docker's own that does not run.
pub(crate) async fn prune(call: Call<Api>) -> Result<Reply, ApiError> {
    let api = &call.state;
    let prune = Prune::parse(&call.query, &["label", "label!", "until"], api.now())?;
    let idle = |container: &Container| {
        container.owner == engine::Owner::Docker
            && matches!(
                container.state.status,
                Status::Created | Status::Exited | Status::Dead
            )
    };
    let mut deleted = Vec::new();
    let mut reclaimed = 0;
    for container in api.containers() {
        if !idle(&container) || !prune.admits(Some(container.created), &container.spec.labels) {
            continue;
        }
        let size = super::list::size(api, &api.view(container.clone()))
            .await
            .unwrap_or_default();
        // One that is started or removed meanwhile stays or is gone: neither ends the prune.
        if api.engine.remove(&container.id, Remove::default()).await.is_ok() {
            deleted.push(container.id.to_string());
            reclaimed += size.written;
        }
    }
    api.publish(
        engine::events::Kind::Container,
        "prune",
        "",
        [("reclaimed", reclaimed.to_string())],
    );
    Reply::json(
        &json!({ "ContainersDeleted": Some(deleted).filter(|ids| !ids.is_empty()), "SpaceReclaimed": reclaimed }),
    )
}
