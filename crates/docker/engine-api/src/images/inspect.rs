//! `GET /images/NAME/json` and `/history`.

use std::path::Path;
use std::sync::Arc;

use image::{Image, Listed, Reference, RunConfig};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::Api;
use crate::api::blocking;
use crate::containers::create::matches_platform;
use crate::convert::time::{NEVER, rfc3339};
use crate::error::ApiError;
use crate::server::call::Call;
use crate::server::reply::Reply;
use crate::server::version::ApiVersion;
use crate::wire::config::{Config, Empty, Healthcheck};

/// A platform as JSON, from a query.
///
/// # Errors
/// 400 with upstream's sentences.
pub(crate) fn decode_platform(text: &str) -> Result<image::Platform, ApiError> {
    let parsed: Value = serde_json::from_str(text)
        .map_err(|cause| ApiError::bad(format!("failed to parse platform: {cause}")))?;
    let member = |name: &str| parsed[name].as_str().unwrap_or("").to_owned();
    let (os, architecture, variant) = (member("os"), member("architecture"), member("variant"));
    if os.is_empty() && architecture.is_empty() && !variant.is_empty() {
        return Err(ApiError::bad(
            "optional platform fields provided, but OS and Architecture are missing",
        ));
    }
    if os.is_empty() || architecture.is_empty() {
        return Err(ApiError::bad("both OS and Architecture must be provided"));
    }
    Ok(image::Platform {
        os,
        architecture,
        variant: Some(variant).filter(|variant| !variant.is_empty()),
    })
}

/// The platform a query names, if the client's version knows the parameter.
pub(crate) fn asked_platform(call: &Call<Api>, since: u32) -> Result<Option<image::Platform>, ApiError> {
    if !call.version.since(since) {
        return Ok(None);
    }
    if call.query.all("platform").count() > 1 {
        return Err(ApiError::bad("multiple platform parameters not supported"));
    }
    call.query.text("platform").map(decode_platform).transpose()
}

/// The image that a name stands for: of an index, the one of the platform.
///
/// # Errors
/// There is none, or it is another platform's.
pub(crate) fn of_platform(
    api: &Api,
    name: &str,
    platform: Option<&image::Platform>,
) -> Result<Arc<Image>, ApiError> {
    let Some(platform) = platform else {
        return Ok(api.images().resolve(name)?);
    };
    if let Some(image) = api.images().variant(name, platform)? {
        return Ok(image);
    }
    let image = api.images().resolve(name)?;
    matches_platform(name, &image, platform)?;
    Ok(image)
}

/// `GET /images/NAME/json`.
pub(crate) async fn inspect(call: Call<Api>) -> Result<Reply, ApiError> {
    let api = call.state.clone();
    let manifests = call.version.since(48) && call.query.bool("manifests");
    let platform = asked_platform(&call, 49)?;
    if manifests && platform.is_some() {
        return Err(ApiError::bad(
            "conflicting options: manifests and platform options cannot both be set",
        ));
    }
    let image = of_platform(&api, &call.name, platform.as_ref())?;
    let directories = match api.images().get(&image.id) {
        Some(_) => directories(&api, &image).await?,
        // Of an index, and not unpacked.
        None => Value::Null,
    };
    let mut shown = document(&image, &directories, call.version);
    if manifests {
        let name = call.name.clone();
        let listed = blocking(move || listed(&api, &name)).await?;
        if let Some(listed) = listed {
            shown["Manifests"] = listed;
        }
    }
    Reply::json(&shown)
}

/// Where an image's layers are.
async fn directories(api: &Arc<Api>, image: &Image) -> Result<Value, ApiError> {
    let (images, id) = (api.images().clone(), image.id);
    let rootfs = blocking(move || images.view(&id)).await?;
    let mut layers = rootfs.lower.iter().map(|path| path.display().to_string());
    let top = layers.next().unwrap_or_default();
    let top = Path::new(&top);
    let beside = |name| top.with_file_name(name).display().to_string();
    let mut directories =
        json!({ "MergedDir": beside("merged"), "UpperDir": top, "WorkDir": beside("work") });
    let lower = layers.collect::<Vec<_>>().join(":");
    if !lower.is_empty() {
        directories["LowerDir"] = lower.into();
    }
    Ok(directories)
}

/// What an index lists, if the name stands for one.
fn listed(api: &Api, name: &str) -> Result<Option<Value>, ApiError> {
    let name = Reference::parse(name).map(Reference::with_default_tag);
    name.map_or(Ok(None), |name| manifests(api, [&name]))
}

/// The manifests of the indexes that names stand for; `None` if there is none. Reads the disk.
///
/// # Errors
/// The disk's or the store's.
pub(crate) fn manifests<'a>(
    api: &Api,
    names: impl IntoIterator<Item = &'a Reference>,
) -> Result<Option<Value>, ApiError> {
    let mut shown: Vec<Value> = Vec::new();
    for name in names {
        for entry in api.images().listed(name)? {
            let entry = manifest(api, &entry);
            if !shown.contains(&entry) {
                shown.push(entry);
            }
        }
    }
    Ok(Some(shown.into()).filter(|shown: &Value| shown != &json!([])))
}

fn manifest(api: &Api, entry: &Listed) -> Value {
    let descriptor = &entry.descriptor;
    let image = entry.image.and_then(|id| api.images().get(&id));
    let unpacked = image
        .as_ref()
        .filter(|image| !image.asleep)
        .map_or(0, |image| image.size);
    let mut shown = json!({
        "ID": descriptor.digest,
        "Descriptor": descriptor,
        "Available": entry.is_whole,
        "Size": { "Content": entry.content, "Total": entry.content + unpacked },
    });
    match entry.about {
        Some(about) => {
            shown["Kind"] = "attestation".into();
            shown["AttestationData"] = json!({ "For": about });
        }
        None => {
            let platform = descriptor.platform.clone();
            let platform = platform.or_else(|| image.as_ref().map(|image| image.config.platform()));
            let users = image.iter().flat_map(|image| api.uses(&image.id));
            shown["Kind"] = "image".into();
            shown["ImageData"] = json!({
                "Platform": platform,
                "Containers": users.map(|used| used.container).collect::<Vec<_>>(),
                "Size": { "Unpacked": unpacked },
            });
        }
    }
    shown
}

fn document(image: &Image, directories: &Value, version: ApiVersion) -> Value {
    let config = &image.config;
    let last = config.history.last().map_or("", |row| row.comment.as_str());
    let layers: Vec<_> = config.rootfs.diff_ids.iter().map(ToString::to_string).collect();
    let mut shown = json!({
        "Id": image.id.to_string(),
        "RepoTags": image.tags.iter().map(Reference::familiar).collect::<Vec<_>>(),
        "RepoDigests": image.digests,
        "Parent": image.shown_parent().map(|parent| parent.to_string()).unwrap_or_default(),
        "Comment": if config.comment.is_empty() { last } else { config.comment.as_str() },
        "DockerVersion": config.extra.get("docker_version").and_then(Value::as_str).unwrap_or(""),
        "Author": config.author,
        "Config": shown_config(&config.config, version),
        "Architecture": config.architecture,
        "Os": config.os,
        "Size": image.size,
        "GraphDriver": { "Data": directories, "Name": "overlay2" },
        "RootFS": { "Type": config.rootfs.kind },
        "Metadata": { "LastTagTime": rfc3339(image.last_tagged) },
    });
    if !layers.is_empty() {
        shown["RootFS"]["Layers"] = json!(layers);
    }
    match config.created {
        Some(created) => shown["Created"] = rfc3339(Some(created)).into(),
        None if !version.since(44) => shown["Created"] = NEVER.into(),
        None => {}
    }
    if let Some(variant) = &config.variant {
        shown["Variant"] = variant.as_str().into();
    }
    if !version.since(44) {
        shown["VirtualSize"] = image.size.into();
    }
    if !version.since(45) {
        // Of the container that an image was committed from; docker-compose 1.29 fails without them.
        let committed = config.extra.get("container_config");
        let committed = committed.and_then(|config| Config::deserialize(config).ok());
        shown["Container"] = config
            .extra
            .get("container")
            .cloned()
            .unwrap_or_else(|| "".into());
        shown["ContainerConfig"] = json!(committed.unwrap_or_default());
    }
    shown
}

/// Since 1.50 an image's configuration shows what an image can have; before, all that a container
/// can.
fn shown_config(run: &RunConfig, version: ApiVersion) -> Value {
    if version.since(50) {
        json!(run)
    } else {
        json!(container_config(run))
    }
}

/// An image's configuration as a container's.
pub(crate) fn container_config(run: &RunConfig) -> Config {
    let set = |names: &std::collections::BTreeMap<String, image::Empty>| {
        names.keys().map(|name| (name.clone(), Empty {})).collect()
    };
    let health = |check: &image::Healthcheck| Healthcheck {
        test: check.test.clone(),
        interval: check.interval,
        timeout: check.timeout,
        start_period: check.start_period,
        start_interval: check.start_interval,
        retries: check.retries,
    };
    let some = |list: &Vec<String>| Some(list.clone()).filter(|list| !list.is_empty());
    Config {
        user: run.user.clone(),
        exposed_ports: set(&run.exposed_ports),
        env: some(&run.env),
        cmd: run.cmd.clone(),
        healthcheck: run.healthcheck.as_ref().map(health),
        args_escaped: run.args_escaped,
        volumes: Some(set(&run.volumes))
            .filter(|volumes: &std::collections::BTreeMap<_, _>| !volumes.is_empty()),
        working_dir: run.working_dir.clone(),
        entrypoint: run.entrypoint.clone(),
        on_build: some(&run.on_build),
        labels: Some(run.labels.clone()).filter(|labels| !labels.is_empty()),
        stop_signal: run.stop_signal.clone(),
        stop_timeout: run.stop_timeout,
        shell: run.shell.clone(),
        ..Config::default()
    }
}

/// `GET /images/NAME/history`.
pub(crate) async fn history(call: Call<Api>) -> Result<Reply, ApiError> {
    let platform = asked_platform(&call, 48)?;
    let image = of_platform(&call.state, &call.name, platform.as_ref())?;
    let rows = call.state.images().history(&image).into_iter().map(|entry| {
        json!({
            "Comment": entry.comment,
            "Created": entry.created,
            "CreatedBy": entry.created_by,
            "Id": entry.id,
            "Size": entry.size,
            "Tags": Some(entry.tags).filter(|tags| !tags.is_empty()),
        })
    });
    Reply::json(&rows.collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn platforms_are_read() {
        let read = |text| decode_platform(text).map_err(|error| error.message);
        assert_eq!(
            read(r#"{"os":"linux","architecture":"arm64","variant":"v8"}"#)
                .unwrap()
                .variant
                .unwrap(),
            "v8"
        );
        assert_eq!(
            read(r#"{"variant":"v8"}"#).unwrap_err(),
            "optional platform fields provided, but OS and Architecture are missing"
        );
        assert_eq!(
            read(r#"{"os":"linux"}"#).unwrap_err(),
            "both OS and Architecture must be provided"
        );
        assert!(read("x").unwrap_err().starts_with("failed to parse platform: "));
    }
}
