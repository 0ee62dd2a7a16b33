//! Volumes: list, inspect, create, remove, prune.

use std::collections::BTreeMap;

use engine::volumes::{LabelFilter, PruneFilter, Volume, VolumeSpec};
use http::StatusCode;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::Api;
use crate::api::blocking;
use crate::convert::create::go_bool;
use crate::coverage;
use crate::error::ApiError;
use crate::filters::Filters;
use crate::server::call::Call;
use crate::server::reply::Reply;

/// `POST /volumes/create`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct VolumeCreate {
    name: String,
    driver: String,
    driver_opts: BTreeMap<String, String>,
    labels: BTreeMap<String, String>,
    cluster_volume_spec: Option<Value>,
}

/// A volume as shown.
pub(crate) fn document(volume: &Volume) -> Value {
    let options = Some(&volume.options).filter(|options| !options.is_empty());
    json!({
        "CreatedAt": seconds(volume.created),
        "Driver": "local",
        "Labels": Some(&volume.labels).filter(|labels| !labels.is_empty()),
        "Mountpoint": volume.mountpoint,
        "Name": volume.name,
        "Options": options,
        "Scope": "local",
    })
}

/// RFC 3339 without a fraction.
fn seconds(time: Timestamp) -> String {
    format!("{time:.0}")
}

/// `GET /volumes`.
pub(crate) async fn list(call: Call<Api>) -> Result<Reply, ApiError> {
    let filters = Filters::parse(call.query.get("filters"))
        .map_err(|error| error.within("error reading volume filters"))?;
    filters.accept(&["dangling", "driver", "label", "name"])?;
    let dangling = filters
        .has("dangling")
        .then(|| filters.bool_or("dangling", false))
        .transpose()?;
    let volumes = call.state.engine.volumes();
    let all = volumes.list();
    let wanted = all.iter().filter(|volume| {
        filters.exact("driver", "local")
            && filters.pattern("name", &volume.name)
            && filters.labels("label", &volume.labels)
            && dangling.is_none_or(|dangling| volumes.users(&volume.name).is_empty() == dangling)
    });
    let rows: Vec<_> = wanted.map(|volume| document(volume)).collect();
    Reply::json(&json!({ "Volumes": rows, "Warnings": null }))
}

/// `GET /volumes/NAME`.
pub(crate) async fn inspect(call: Call<Api>) -> Result<Reply, ApiError> {
    Reply::json(&document(&*call.state.engine.volumes().find(&call.name)?))
}

/// `POST /volumes/create`: a volume that is there already is answered as if it had been made.
pub(crate) async fn create(call: Call<Api>) -> Result<Reply, ApiError> {
    let volumes = call.state.engine.volumes().clone();
    let asked: VolumeCreate = call.json().await?;
    coverage::unsupported(
        "VolumeCreate",
        &[("ClusterVolumeSpec", asked.cluster_volume_spec.is_some())],
    )?;
    let spec = VolumeSpec {
        name: asked.name,
        driver: asked.driver,
        options: asked.driver_opts,
        labels: asked.labels,
    };
    let (volume, _) = blocking(move || volumes.create(spec)).await?;
    Reply::json_with(StatusCode::CREATED, &document(&volume))
}

/// `PUT /volumes/NAME`.
pub(crate) async fn update(_call: Call<Api>) -> Result<Reply, ApiError> {
    let sentence = "volume update only valid for cluster volumes, but swarm is unavailable";
    Err(ApiError::new(StatusCode::SERVICE_UNAVAILABLE, sentence))
}

/// `DELETE /volumes/NAME`.
pub(crate) async fn remove(call: Call<Api>) -> Result<Reply, ApiError> {
    let volumes = call.state.engine.volumes().clone();
    let (name, force) = (call.name.clone(), call.query.bool("force"));
    blocking(move || volumes.remove(&name, force)).await?;
    Ok(Reply::no_content())
}

/// `POST /volumes/prune`: anonymous ones; all before 1.42, or when asked for.
pub(crate) async fn prune(call: Call<Api>) -> Result<Reply, ApiError> {
    let filters = Filters::parse(call.query.get("filters"))?;
    let all = all(&filters)? || !call.version.since(42);
    filters.accept(&["all", "label", "label!"])?;
    let labels = filters
        .values("label")
        .map(|text| LabelFilter::parse(text, false));
    let absent = filters
        .values("label!")
        .map(|text| LabelFilter::parse(text, true));
    let filter = PruneFilter {
        all,
        labels: labels.chain(absent).collect(),
    };
    let volumes = call.state.engine.volumes().clone();
    let pruned = blocking(move || volumes.prune(&filter)).await?;
    Reply::json(&json!({ "VolumesDeleted": pruned.volumes, "SpaceReclaimed": pruned.reclaimed }))
}

fn all(filters: &Filters) -> Result<bool, ApiError> {
    let values: Vec<_> = filters.values("all").collect();
    match values[..] {
        [] => Ok(false),
        [value] => go_bool(value).ok_or_else(|| {
            ApiError::bad(format!(
                "invalid filter 'all': strconv.ParseBool: parsing {value:?}: invalid syntax"
            ))
        }),
        _ => Err(ApiError::bad(format!(
            "invalid filter 'all=[{}]': only one value is expected",
            values.join(" ")
        ))),
    }
}
