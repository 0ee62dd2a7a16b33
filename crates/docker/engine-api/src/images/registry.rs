//! What needs a registry. There is no access to one yet: an image that is here is up to date, all
//! else is refused in words.

use image::Reference;
use serde_json::json;

use super::repo_tag;
use super::transfer::import;
use crate::Api;
use crate::containers::create::{matches_platform, platform};
use crate::error::ApiError;
use crate::server::call::Call;
use crate::server::reply::{JSON, Reply};
use crate::stream::progress;

/// `POST /images/create`: a pull, or an import.
pub(crate) async fn create(call: Call<Api>) -> Result<Reply, ApiError> {
    match call.query.text("fromImage").map(String::from) {
        Some(name) => pull(&call, &name),
        None => import(call).await,
    }
}

/// The reference of a pull: a `tag` that is a digest names the content.
fn pulled(name: &str, tag: &str) -> Result<Reference, ApiError> {
    let wrong = |error: image::ReferenceError| ApiError::bad(error.to_string());
    let mut reference = Reference::parse(name.trim_end_matches(':')).map_err(wrong)?;
    if let Ok(digest) = tag.parse() {
        reference.tag = None;
        reference.digest = Some(digest);
    } else if !tag.is_empty() {
        reference = reference.with_tag(tag).map_err(wrong)?;
    }
    if reference.familiar_name() == "scratch" {
        return Err(ApiError::new(
            http::StatusCode::FORBIDDEN,
            "'scratch' is a reserved name",
        ));
    }
    Ok(reference)
}

fn pull(call: &Call<Api>, name: &str) -> Result<Reply, ApiError> {
    let platform = call
        .query
        .text("platform")
        .filter(|_| call.version.since(32))
        .map(platform)
        .transpose()?;
    let reference = pulled(name, call.query.get("tag"))?;
    let familiar = reference.clone().with_default_tag().familiar();
    let here = call.state.images().resolve(&familiar).ok();
    let here = here.filter(|image| {
        platform
            .as_ref()
            .is_none_or(|wanted| matches_platform(name, image, wanted).is_ok())
    });
    if here.is_none() {
        return Err(ApiError::unsupported(format!(
            "pulling {familiar} is not supported yet: this node has no registry access; build, load or import the image here"
        )));
    }
    let tag = reference.tag.clone().unwrap_or_else(|| "latest".into());
    let mut lines = progress::status(
        &tag,
        &format!("Pulling from {}", reference.path.trim_start_matches("docker.io/")),
    )
    .to_vec();
    lines.extend(progress::status(
        "",
        &format!("Status: Image is up to date for {familiar}"),
    ));
    let body = crate::server::reply::with_type(http::StatusCode::OK, JSON, lines.into());
    Ok(Reply::Http(body))
}

/// `POST /images/NAME/push`.
pub(crate) async fn push(call: Call<Api>) -> Result<Reply, ApiError> {
    let tag = call.query.get("tag");
    let reference = match repo_tag(&call.name, tag)? {
        Some(reference) if !tag.is_empty() => reference,
        _ => Reference::parse(&call.name).map_err(|error| ApiError::bad(error.to_string()))?,
    };
    let images = call.state.images().list();
    let there = images.iter().flat_map(|image| &image.tags).any(|known| {
        known.name() == reference.name() && (reference.tag.is_none() || known.tag == reference.tag)
    });
    if there {
        return Err(ApiError::unsupported(format!(
            "pushing {} is not supported yet: this node has no registry access; use docker save",
            reference.familiar()
        )));
    }
    let mut lines = progress::status(
        "",
        &format!("The push refers to repository [{}]", reference.name()),
    )
    .to_vec();
    let sentence = format!(
        "An image does not exist locally with the tag: {}",
        reference.familiar_name()
    );
    lines.extend(progress::failed(&sentence, None));
    Ok(Reply::Http(crate::server::reply::with_type(
        http::StatusCode::OK,
        JSON,
        lines.into(),
    )))
}

/// `GET /images/search`.
pub(crate) async fn search(_call: Call<Api>) -> Result<Reply, ApiError> {
    Err(ApiError::unsupported("searching a registry is not supported yet"))
}

/// `GET /distribution/NAME/json`.
pub(crate) async fn distribution(call: Call<Api>) -> Result<Reply, ApiError> {
    Reference::parse(&call.name).map_err(|error| ApiError::bad(error.to_string()))?;
    Err(ApiError::unsupported(
        "asking a registry about an image is not supported yet",
    ))
}

/// `POST /auth`.
pub(crate) async fn login(call: Call<Api>) -> Result<Reply, ApiError> {
    let body = call.bytes().await?;
    let asked = crate::go_json::parse(&body)?;
    let server = asked
        .get("serveraddress")
        .and_then(|server| server.as_str())
        .unwrap_or("https://index.docker.io/v1/");
    let refusal = json!({ "server": server });
    tracing::debug!(%refusal, "login refused");
    Err(ApiError::unsupported(format!(
        "logging in to {server} is not supported yet: this node has no registry access"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pulled_reference_has_a_tag_or_a_digest() {
        let read = |name, tag| {
            pulled(name, tag)
                .map(|reference| reference.familiar())
                .map_err(|error| error.message)
        };
        assert_eq!(read("busybox", ""), Ok("busybox".into()));
        assert_eq!(read("busybox:", "1"), Ok("busybox:1".into()));
        let digest = format!("sha256:{}", "0".repeat(64));
        assert_eq!(read("busybox:1", &digest), Ok(format!("busybox@{digest}")));
        assert_eq!(read("scratch", ""), Err("'scratch' is a reserved name".into()));
        assert_eq!(
            read("UP", ""),
            Err("invalid reference format: repository name (library/UP) must be lowercase".into())
        );
    }
}
