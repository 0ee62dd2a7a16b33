//! `GET /containers/ID/json`, `/top`, `/changes`.

use std::path::{Path, PathBuf};

use engine::spec::NetworkMode;
use image::{Change, ChangeKind, Rootfs};
use serde_json::{Value, json};

use super::list::size;
use crate::Api;
use crate::convert::container::View;
use crate::convert::container::inspect::{Beside, inspect as document};
use crate::error::ApiError;
use crate::server::call::Call;
use crate::server::reply::Reply;

/// `GET /containers/ID/json`.
pub(crate) async fn inspect(call: Call<Api>) -> Result<Reply, ApiError> {
    let api = &call.state;
    let view = api.view(api.find(&call.name)?);
    let mut beside = beside(api, &view);
    if call.query.bool("size") {
        beside.size = Some(size(api, &view).await?);
    }
    let mut shown = document(&view, &beside);
    if !call.version.since(45) {
        older_aliases(&mut shown);
    }
    Reply::json(&shown)
}

fn beside(api: &Api, view: &View) -> Beside {
    let container = &view.container;
    // A start makes the files; who shares another's network has that one's.
    let started = container.generation > 0;
    let owner = match &container.spec.network.mode {
        NetworkMode::Container(id) => id.as_str(),
        _ => &*container.id,
    };
    let directory = api.host.root_dir.join("containers").join(owner);
    let shown = |path: PathBuf| Some(path.display().to_string()).filter(|_| started);
    let path = |name: &str| shown(directory.join(name)).unwrap_or_default();
    let log = container.log_path.clone().and_then(shown).unwrap_or_default();
    Beside {
        graph_driver: api
            .images()
            .rootfs(&container.id)
            .map_or(Value::Null, |rootfs| directories(&rootfs)),
        files: [path("resolv.conf"), path("hostname"), path("hosts"), log],
        exec_ids: api.engine.execs_of(&container.id),
        size: None,
    }
}

/// The directories of an overlay under the names upstream's driver has for them.
pub(crate) fn directories(rootfs: &Rootfs) -> Value {
    let lower: Vec<_> = rootfs
        .lower
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    let mut shown = json!({ "LowerDir": lower.join(":") });
    if let (Some(upper), Some(work)) = (&rootfs.upper, &rootfs.work) {
        shown["MergedDir"] = upper.with_file_name("merged").display().to_string().into();
        shown["UpperDir"] = upper.display().to_string().into();
        shown["WorkDir"] = work.display().to_string().into();
    }
    shown
}

/// Before 1.45 the names a container has anyway were shown among its aliases.
fn older_aliases(shown: &mut Value) {
    let short = shown["Id"]
        .as_str()
        .map(|id| id.get(..12).unwrap_or(id).to_owned())
        .unwrap_or_default();
    let hostname = shown["Config"]["Hostname"].as_str().unwrap_or("").to_owned();
    let Some(networks) = shown["NetworkSettings"]["Networks"].as_object_mut() else {
        return;
    };
    for (_, endpoint) in networks
        .iter_mut()
        .filter(|(name, _)| crate::convert::create::networking::is_user_defined(name))
    {
        let own = endpoint["Aliases"].as_array().cloned().unwrap_or_default();
        let mut aliases: Vec<Value> = Vec::new();
        for alias in own.into_iter().chain([json!(short), json!(hostname)]) {
            if !aliases.contains(&alias) {
                aliases.push(alias);
            }
        }
        endpoint["Aliases"] = aliases.into();
    }
}

/// `GET /containers/ID/top`.
pub(crate) async fn top(call: Call<Api>) -> Result<Reply, ApiError> {
    // What ps itself refuses is upstream's 500, whatever it is to the engine.
    let refused = |error: ApiError| match error.message.starts_with("ps: ") {
        true => ApiError::internal(error.message),
        false => error,
    };
    let top = call.state.engine.top(&call.name, call.query.get("ps_args")).await;
    let top = top.map_err(|error| refused(error.into()))?;
    Reply::json(&json!({ "Processes": top.processes, "Titles": top.titles }))
}

/// `GET /containers/ID/changes`: `null` when there are none.
pub(crate) async fn changes(call: Call<Api>) -> Result<Reply, ApiError> {
    let changes = call.state.engine.changes(&call.name).await?;
    let rows = own_changes(&changes).into_iter().map(|change| {
        let kind = match change.kind {
            ChangeKind::Modified => 0,
            ChangeKind::Added => 1,
            ChangeKind::Deleted => 2,
        };
        json!({ "Path": change.path, "Kind": kind })
    });
    let rows: Vec<_> = rows.collect();
    Reply::json(&Some(rows).filter(|rows| !rows.is_empty()))
}

/// Places the engine makes for its own mounts; upstream keeps them in a layer that is not shown.
const PLACES: [&str; 3] = ["/etc/hostname", "/etc/hosts", "/etc/resolv.conf"];

/// The changes without those places, and without `/etc` when nothing else in it has changed.
fn own_changes(changes: &[Change]) -> Vec<&Change> {
    let place = |change: &Change| PLACES.iter().any(|place| change.path == Path::new(place));
    let own: Vec<_> = changes.iter().filter(|change| !place(change)).collect();
    let in_etc = |change: &&Change| change.path != Path::new("/etc") && change.path.starts_with("/etc");
    if own.len() == changes.len() || own.iter().any(in_etc) {
        return own;
    }
    own.into_iter()
        .filter(|change| change.path != Path::new("/etc"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_engines_own_places_are_not_shown() {
        let shown = |paths: &[&str]| {
            let change = |path: &&str| Change {
                path: (*path).into(),
                kind: ChangeKind::Added,
            };
            let changes: Vec<_> = paths.iter().map(change).collect();
            own_changes(&changes)
                .iter()
                .map(|change| change.path.display().to_string())
                .collect::<Vec<_>>()
        };
        assert_eq!(
            shown(&["/data", "/etc", "/etc/hostname", "/etc/hosts", "/etc/resolv.conf"]),
            ["/data"]
        );
        assert_eq!(shown(&["/etc", "/etc/hosts", "/etc/x"]), ["/etc", "/etc/x"]);
        assert_eq!(shown(&["/etc"]), ["/etc"]);
    }
}
