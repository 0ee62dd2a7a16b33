//! `GET /system/df`, and `GET /gantry/df`, which says more.

use serde_json::{Value, json};

use crate::Api;
use crate::api::blocking;
use crate::build::cache_records;
use crate::containers::list::size;
use crate::convert::container::summary::summary;
use crate::error::ApiError;
use crate::images::list::with_usage;
use crate::server::call::Call;
use crate::server::query::Query;
use crate::server::reply::Reply;
use crate::server::version::ApiVersion;
use crate::volumes;

const OBJECTS: [&str; 4] = ["container", "image", "volume", "build-cache"];

/// `GET /system/df`; since 1.42 a client may ask for some of it only.
pub(crate) async fn disk_usage(call: Call<Api>) -> Result<Reply, ApiError> {
    let wanted = wanted(&call.query, call.version)?;
    let wanted = |kind: &str| wanted.contains(&kind);
    let api = &call.state;
    let mut shown =
        json!({ "LayersSize": 0, "Images": null, "Containers": null, "Volumes": null, "BuildCache": null });
    if wanted("image") {
        shown["LayersSize"] = api.images().disk_usage().layers.into();
        shown["Images"] = with_usage(api, call.version)?.into();
    }
    if wanted("container") {
        shown["Containers"] = containers(api).await?.into();
    }
    if wanted("volume") {
        shown["Volumes"] = volume_rows(&call).await?.into();
    }
    if wanted("build-cache") {
        let records = cache_records(api, call.version);
        if !call.version.since(42) {
            shown["BuilderSize"] = records
                .iter()
                .filter_map(|record| record["Size"].as_u64())
                .sum::<u64>()
                .into();
        }
        shown["BuildCache"] = records.into();
    }
    Reply::json(&shown)
}

/// Of what a client asks for the usage.
fn wanted(query: &Query, version: ApiVersion) -> Result<Vec<&'static str>, ApiError> {
    if !version.since(42) || !query.has("type") {
        return Ok(OBJECTS.to_vec());
    }
    let known = |asked: &str| OBJECTS.into_iter().find(|object| *object == asked);
    let each = query.all("type");
    each.map(|asked| known(asked).ok_or_else(|| ApiError::bad(format!("unknown object type: {asked}"))))
        .collect()
}

/// `GET /gantry/df`: every class, what holds each thing, and what goes next (`gantry df --explain`).
pub(crate) async fn explain(call: Call<Api>) -> Result<Reply, ApiError> {
    let disk = call.state.disk.clone();
    let report = blocking(move || disk.report()).await?;
    Reply::json(&report)
}

async fn containers(api: &Api) -> Result<Vec<Value>, ApiError> {
    let now = api.now();
    let mut rows = Vec::new();
    for container in api.containers() {
        let view = api.view(container);
        let size = size(api, &view).await?;
        rows.push(summary(&view, &view.door.config.image, Some(size), now));
    }
    Ok(rows)
}

async fn volume_rows(call: &Call<Api>) -> Result<Vec<Value>, ApiError> {
    let volumes = call.state.engine.volumes().clone();
    blocking(move || {
        let rows = volumes.list().into_iter().map(|volume| {
            // One whose files cannot be counted is told so, as upstream does.
            let size = volumes
                .size(&volume.name)
                .ok()
                .and_then(|size| i64::try_from(size).ok())
                .unwrap_or(-1);
            let mut row = volumes::document(&volume);
            row["UsageData"] = json!({ "Size": size, "RefCount": volumes.users(&volume.name).len() });
            row
        });
        Ok::<_, ApiError>(rows.collect())
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_asked_for_by_its_type() {
        let asked = |query: &str, version: u32| {
            let wanted = wanted(
                &Query::parse(query).unwrap(),
                ApiVersion {
                    major: 1,
                    minor: version,
                },
            );
            wanted.map_err(|error| error.message)
        };
        for (query, objects) in [
            ("", &OBJECTS[..]),
            ("type=image", &["image"]),
            ("type=volume&type=build-cache", &["volume", "build-cache"]),
        ] {
            assert_eq!(asked(query, 42).unwrap(), objects, "{query}");
        }
        assert_eq!(asked("type=image", 41).unwrap(), OBJECTS);
        for unknown in ["x", "", "Image"] {
            let sentence = format!("unknown object type: {unknown}");
            assert_eq!(asked(&format!("type={unknown}"), 42), Err(sentence));
        }
    }
}
