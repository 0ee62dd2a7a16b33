//! One row of `GET /containers/json`.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{View, mounts, networks, status};

/// Bytes on disk: written by the container, and with its image.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Size {
    /// In its own layer.
    pub written: u64,
    /// In all layers.
    pub total: u64,
}

/// A row. `image` is how the image is called now: its id when the name means another one by now.
pub(crate) fn summary(view: &View, image: &str, size: Option<Size>, now: Timestamp) -> Value {
    let container = &view.container;
    let mut row = json!({
        "Id": container.id.as_str(),
        "Names": [format!("/{}", container.name)],
        "Image": image,
        "ImageID": container.image.as_ref().map_or("", |image| image.id.as_str()),
        "Command": command(&container.spec.args),
        "Created": container.created.as_second(),
        "Ports": networks::port_list(view),
        "Labels": container.spec.labels,
        "State": container.state.status.as_str(),
        "Status": status::text(&container.state, now),
        "HostConfig": host_config(view),
        "NetworkSettings": { "Networks": networks::endpoints(view) },
        "Mounts": mounts(view),
    });
    if let Some(size) = size {
        row["SizeRw"] = json!(size.written);
        row["SizeRootFs"] = json!(size.total);
    }
    row
}

fn host_config(view: &View) -> Value {
    let host = &view.door.host;
    match &host.annotations {
        Some(annotations) => json!({ "NetworkMode": host.network_mode, "Annotations": annotations }),
        None => json!({ "NetworkMode": host.network_mode }),
    }
}

/// The words that are run; one with a space is put in quotes.
fn command(args: &[String]) -> String {
    let quoted = |(at, word): (usize, &String)| {
        if at > 0 && word.contains(' ') {
            format!("'{word}'")
        } else {
            word.clone()
        }
    };
    args.iter().enumerate().map(quoted).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_quoted_as_upstream_does() {
        let words = |list: &[&str]| command(&list.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert_eq!(words(&["/bin/sh", "-c", "echo a; b"]), "/bin/sh -c 'echo a; b'");
        assert_eq!(words(&["a b"]), "a b");
        assert_eq!(words(&[]), "");
    }
}
