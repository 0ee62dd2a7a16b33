//! `POST /containers/create`.

use std::sync::Arc;

use engine::{Create, ImageRef, Owner};
use http::StatusCode;
use image::{Image, Platform};
use serde_json::{Value, json};

use crate::Api;
use crate::api::{InTable, blocking};
use crate::convert::create::{CreateRequest, check, specify};
use crate::coverage;
use crate::error::ApiError;
use crate::go_json;
use crate::server::call::Call;
use crate::server::reply::Reply;
use crate::wire::config::Config;

/// `POST /containers/create`.
pub(crate) async fn create(call: Call<Api>) -> Result<Reply, ApiError> {
    call.check_for_json()?;
    let (api, version, query) = (call.state.clone(), call.version, call.query.clone());
    let mut request = parse(&call.bytes().await?)?;
    let platform = query
        .text("platform")
        .filter(|_| version.since(41))
        .map(platform)
        .transpose()?;
    let mut warnings = check(&mut request, version, &api.host)?;
    let name = query.text("name").map(String::from);
    let image = find_image(&api, &request.config.image, platform.as_ref()).await?;
    warnings.extend(
        image
            .as_ref()
            .filter(|_| platform.is_none())
            .and_then(|image| foreign_platform(&image.1)),
    );
    let (reference, image) = image.unzip();
    let run_config = image.as_ref().map(|image| &image.config.config);
    let (spec, door) = specify(request, run_config, version, &api.host, &InTable(&api.engine))?;
    let create = Create {
        name,
        spec,
        image: image.map(|image| ImageRef {
            reference: reference.unwrap_or_default(),
            id: image.id.to_string(),
        }),
        owner: Owner::Docker,
        door: serde_json::to_value(&door).map_err(|cause| ApiError::internal(cause.to_string()))?,
    };
    let created = api.engine.create(create).await?;
    let all: Vec<_> = warnings.into_iter().chain(created.warnings).collect();
    Reply::json_with(
        StatusCode::CREATED,
        &json!({ "Id": created.id.as_str(), "Warnings": all }),
    )
}

/// What upstream says to a body without any property of `Config`.
const EMPTY: &str = "config cannot be empty in order to create a container";

/// The body: `Config`, with `HostConfig` and `NetworkingConfig` as members. What is not there yet
/// is refused over the body as it came.
fn parse(bytes: &[u8]) -> Result<CreateRequest, ApiError> {
    let mut body = go_json::parse(bytes)?;
    let Some(members) = body.as_object_mut() else {
        return match body {
            Value::Null => Err(ApiError::bad(EMPTY)),
            other => go_json::decode::<Config>(other).map(|_| unreachable_request()),
        };
    };
    let mut take = |name: &str| {
        let key = members.keys().find(|key| key.eq_ignore_ascii_case(name)).cloned();
        key.and_then(|key| members.remove(&key)).unwrap_or(Value::Null)
    };
    let (host, networking) = (take("HostConfig"), take("NetworkingConfig"));
    if members.is_empty() {
        return Err(ApiError::bad(EMPTY));
    }
    coverage::refuse("Config", &body)?;
    coverage::refuse("HostConfig", &host)?;
    coverage::refuse("NetworkingConfig", &networking)?;
    Ok(CreateRequest {
        config: go_json::decode(body)?,
        host: go_json::decode(host)?,
        networking: go_json::decode(networking)?,
    })
}

/// Only an object decodes to a `Config`.
fn unreachable_request() -> CreateRequest {
    CreateRequest {
        config: Config::default(),
        host: Default::default(),
        networking: Default::default(),
    }
}

/// `linux/arm64/v8`, `amd64`, `linux`.
pub(crate) fn platform(text: &str) -> Result<Platform, ApiError> {
    let host = Platform::host();
    let invalid = || {
        ApiError::bad(format!(
            "{text:?}: unknown operating system or architecture: invalid argument"
        ))
    };
    let parts: Vec<_> = text.split('/').map(str::to_ascii_lowercase).collect();
    let architecture = |name: &str| {
        let known = match name {
            "amd64" | "x86_64" | "x86-64" => "amd64",
            "arm64" | "aarch64" => "arm64",
            "386" | "i386" => "386",
            "arm" | "armhf" | "armel" => "arm",
            "ppc64le" | "s390x" | "riscv64" | "mips64le" | "loong64" => return Some(name.to_owned()),
            _ => return None,
        };
        Some(known.to_owned())
    };
    let system =
        |name: &str| matches!(name, "linux" | "windows" | "darwin" | "freebsd").then(|| name.to_owned());
    let (os, arch, variant) = match &parts[..] {
        [one] => match (system(one), architecture(one)) {
            (Some(os), _) => (os, host.architecture, None),
            (None, Some(arch)) => (host.os, arch, None),
            (None, None) => return Err(invalid()),
        },
        [os, arch] => (
            system(os).ok_or_else(invalid)?,
            architecture(arch).ok_or_else(invalid)?,
            None,
        ),
        [os, arch, variant] => (
            system(os).ok_or_else(invalid)?,
            architecture(arch).ok_or_else(invalid)?,
            Some(variant.clone()),
        ),
        _ => {
            return Err(ApiError::bad(format!(
                "{text:?}: cannot parse platform specifier: invalid argument"
            )));
        }
    };
    Ok(Platform {
        os,
        architecture: arch,
        variant,
    })
}

type Found = (String, Arc<Image>);

/// The image asked for; one of another platform than asked for is not there.
async fn find_image(
    api: &Api,
    reference: &str,
    platform: Option<&Platform>,
) -> Result<Option<Found>, ApiError> {
    if reference.is_empty() {
        return Ok(None);
    }
    let mut image = api.images().resolve(reference)?;
    if let Some(wanted) = platform
        && let Err(refused) = matches_platform(reference, &image, wanted)
    {
        // The name may stand for several.
        let (images, name, wanted) = (api.images().clone(), reference.to_owned(), wanted.clone());
        let other = blocking(move || images.take_variant(&name, &wanted)).await?;
        image = other.ok_or(refused)?;
    }
    Ok(Some((reference.to_owned(), image)))
}

/// Refuses an image of another platform in upstream's words.
pub(crate) fn matches_platform(reference: &str, image: &Image, wanted: &Platform) -> Result<(), ApiError> {
    let own = image.config.platform();
    let same = own.os == wanted.os
        && own.architecture == wanted.architecture
        && (wanted.variant.is_none() || own.variant.is_none() || own.variant == wanted.variant);
    if same {
        return Ok(());
    }
    Err(ApiError::not_found(format!(
        "image with reference {reference} was found but its platform ({}) does not match the specified platform ({})",
        spelled(&own),
        spelled(wanted)
    )))
}

fn spelled(platform: &Platform) -> String {
    let variant = platform
        .variant
        .iter()
        .map(|variant| format!("/{variant}"))
        .collect::<String>();
    format!("{}/{}{variant}", platform.os, platform.architecture)
}

fn foreign_platform(image: &Image) -> Option<String> {
    let (own, host) = (image.config.platform(), Platform::host());
    let foreign = own.architecture != host.architecture && !own.architecture.is_empty();
    foreign.then(|| {
        format!(
            "The requested image's platform ({}) does not match the detected host platform ({}) and no specific platform was requested",
            spelled(&own),
            spelled(&host)
        )
    })
}
