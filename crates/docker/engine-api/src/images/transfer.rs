//! Images in and out as archives: load, save.

use image::{LoadEvent, Loaded};
use serde_json::json;

use super::inspect::{asked_platform, of_platform};
use crate::Api;
use crate::containers::create::matches_platform;
use crate::error::ApiError;
use crate::server::body::BodySender;
use crate::server::call::Call;
use crate::server::reply::{JSON, Reply, TAR};
use crate::stream::bar;
use crate::stream::progress;
use crate::stream::tar::tar_reply;

/// `POST /images/load`. The answer has begun before the archive is read: what is wrong with it is
/// told in the stream.
pub(crate) async fn load(call: Call<Api>) -> Result<Reply, ApiError> {
    let platform = asked_platform(&call, 48)?;
    let quiet = call.query.bool_or("quiet", true);
    let api = call.state.clone();
    let (sender, reply) = Reply::stream(JSON);
    let mut archive = call.reader();
    tokio::task::spawn_blocking(move || {
        let mut tell = |event: LoadEvent| {
            // A client that has gone gets no progress; the archive is read all the same.
            if let Some(line) = load_event(&event, quiet) {
                sender.blocking_send(line);
            }
        };
        let loaded = api
            .images()
            .load(&mut archive, platform.as_ref(), &mut tell)
            .map_err(ApiError::from);
        let loaded = loaded.and_then(|loaded| {
            let check = |one: &Loaded| match (&platform, api.images().get(&one.id)) {
                (Some(wanted), Some(image)) => matches_platform(&one.id.to_string(), &image, wanted),
                _ => Ok(()),
            };
            loaded.iter().try_for_each(check).map(|()| loaded)
        });
        finish_load(&api, &sender, loaded);
    });
    Ok(reply)
}

fn load_event(event: &LoadEvent, quiet: bool) -> Option<bytes::Bytes> {
    match event {
        LoadEvent::Layer {
            diff_id,
            current,
            total,
        } if !quiet => {
            let detail = json!({ "current": current, "total": total });
            let bar = bar::render(*current, *total);
            let id = diff_id.short();
            Some(progress::line(
                &json!({ "status": "Loading layer", "progressDetail": detail, "progress": bar, "id": id }),
            ))
        }
        LoadEvent::Layer { .. } => None,
        LoadEvent::Replaced { reference, previous } => Some(progress::stream(&format!(
            "The image {} already exists, renaming the old one with ID {previous} to empty string\n",
            reference.familiar()
        ))),
    }
}

fn finish_load(api: &Api, sender: &BodySender, loaded: Result<Vec<Loaded>, ApiError>) {
    match loaded {
        Err(error) => {
            sender.blocking_send(progress::error(&error));
        }
        Ok(loaded) => {
            for one in loaded {
                let id = one.id.to_string();
                api.publish_image(api.images().get(&one.id).as_ref(), &id, &id, "load");
                let text = match one.reference {
                    Some(reference) => format!("Loaded image: {}\n", reference.familiar()),
                    None => format!("Loaded image ID: {id}\n"),
                };
                sender.blocking_send(progress::stream(&text));
            }
        }
    }
}

/// `GET /images/get` and `GET /images/NAME/get`.
pub(crate) async fn save(call: Call<Api>) -> Result<Reply, ApiError> {
    let platform = asked_platform(&call, 48)?;
    let names: Vec<String> = match call.name.as_str() {
        "" => call.query.all("names").map(String::from).collect(),
        name => vec![name.to_owned()],
    };
    let api = call.state.clone();
    if let Some(platform) = &platform {
        for name in &names {
            of_platform(&api, name, Some(platform))?;
        }
    }
    tar_reply(TAR, move |out| {
        api.images().save(&names, platform.as_ref(), out)?;
        tell_saved(&api, &names);
        Ok(())
    })
    .await
}

fn tell_saved(api: &Api, names: &[String]) {
    for image in names.iter().filter_map(|name| api.images().resolve(name).ok()) {
        let id = image.id.to_string();
        api.publish_image(Some(&image), &id, &id, "save");
    }
}
