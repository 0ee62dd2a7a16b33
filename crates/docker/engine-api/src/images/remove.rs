//! Tagging, removing and pruning images.

use http::StatusCode;
use image::{Image, Remove, Removed};
use serde_json::{Value, json};

use super::inspect::decode_platform;
use super::repo_tag;
use crate::Api;
use crate::api::blocking;
use crate::error::ApiError;
use crate::prune::Prune;
use crate::server::call::Call;
use crate::server::reply::Reply;

/// `POST /images/NAME/tag`.
pub(crate) async fn tag(call: Call<Api>) -> Result<Reply, ApiError> {
    let query = &call.query;
    let reference = repo_tag(query.get("repo"), query.get("tag"))?
        .ok_or_else(|| ApiError::bad("invalid reference format"))?;
    if reference.familiar_name() == "sha256" {
        return Err(ApiError::bad(
            "refusing to create an ambiguous tag using digest algorithm as name",
        ));
    }
    let api = call.state.clone();
    let (images, called, named) = (api.images().clone(), call.name.clone(), reference.familiar());
    let image = blocking(move || images.tag_called(&called, &reference)).await?;
    api.publish_image(Some(&image), &image.id.to_string(), &named, "tag");
    Ok(Reply::empty(StatusCode::CREATED))
}

/// `DELETE /images/NAME`.
pub(crate) async fn remove(call: Call<Api>) -> Result<Reply, ApiError> {
    if call.name.trim().is_empty() {
        return Err(ApiError::bad("image name cannot be blank"));
    }
    if call.version.since(50) && call.query.has("platforms") {
        return remove_platforms(call).await;
    }
    let options = Remove {
        force: call.query.bool("force"),
        prune_parents: !call.query.bool("noprune"),
    };
    let (api, name) = (call.state.clone(), call.name.clone());
    let image = api.images().resolve(&name).ok();
    let worker = api.clone();
    let removed = blocking(move || worker.images().remove(&name, options, &|id| worker.uses(id))).await?;
    tell(&api, image.as_ref(), &removed);
    Reply::json(&rows(&removed))
}

/// What is here of some platforms of an image, as with dockerd whoever else names it.
async fn remove_platforms(call: Call<Api>) -> Result<Reply, ApiError> {
    let platforms = call.query.all("platforms").map(decode_platform);
    let platforms = platforms.collect::<Result<Vec<_>, _>>()?;
    if !call.query.bool("force") {
        // Upstream's sentence, dash and all.
        return Err(ApiError::bad(
            "Content will be removed from all images referencing this variant. Use \u{2014}-force to force delete.",
        ));
    }
    let (api, name) = (call.state.clone(), call.name.clone());
    let image = api.images().resolve(&name)?;
    let worker = api.clone();
    let removed = blocking(move || {
        worker
            .images()
            .remove_platforms(&name, &platforms, &|id| worker.uses(id))
    })
    .await?;
    tell(&api, Some(&image), &removed);
    Reply::json(&rows(&removed))
}

fn rows(removed: &[Removed]) -> Vec<Value> {
    let row = |removed: &Removed| match removed {
        Removed::Untagged { reference, .. } => json!({ "Untagged": reference }),
        Removed::Deleted(id) | Removed::Layer(id) => json!({ "Deleted": id.to_string() }),
    };
    removed.iter().map(row).collect()
}

/// An event for each name and each image that went.
fn tell(api: &Api, image: Option<&std::sync::Arc<Image>>, removed: &[Removed]) {
    for one in removed {
        let (id, action) = match one {
            Removed::Untagged { image, .. } => (image.to_string(), "untag"),
            Removed::Deleted(id) => (id.to_string(), "delete"),
            Removed::Layer(_) => continue,
        };
        api.publish_image(image.filter(|image| image.id.to_string() == id), &id, &id, action);
    }
}

/// `POST /images/prune`: nameless ones, or all that no container uses.
pub(crate) async fn prune(call: Call<Api>) -> Result<Reply, ApiError> {
    let api = call.state.clone();
    let prune = Prune::parse(&call.query, &["dangling", "label", "label!", "until"], api.now())?;
    let dangling_only = prune.filters.bool_or("dangling", true)?;
    let worker = api.clone();
    let pruned = blocking(move || {
        // A name with a digest alone keeps nothing, an index all its parts.
        let is_part =
            |image: &Image| image.is_dangling() && !image.result && worker.images().is_listed(&image.id);
        let is_loose = |image: &Image| {
            image.tags.is_empty() && worker.images().children(&image.id).is_empty() && !is_part(image)
        };
        let wanted = |image: &Image| {
            (!dangling_only || is_loose(image))
                && prune.admits(image.config.created, &image.config.config.labels)
        };
        worker.images().prune(&wanted, &|id| worker.uses(id))
    })
    .await?;
    tell(&api, None, &pruned.removed);
    api.publish(
        engine::events::Kind::Image,
        "prune",
        "",
        [("reclaimed", pruned.reclaimed.to_string())],
    );
    let deleted = Some(rows(&pruned.removed)).filter(|rows| !rows.is_empty());
    Reply::json(&json!({ "ImagesDeleted": deleted, "SpaceReclaimed": pruned.reclaimed }))
}
