//! `GET /containers/json` and what filters select.

use std::collections::BTreeSet;

use engine::Status;
use image::Digest;

use crate::Api;
use crate::convert::container::summary::{Size, summary};
use crate::convert::container::{View, networks, status};
use crate::convert::create::ports;
use crate::error::ApiError;
use crate::filters::Filters;
use crate::server::call::Call;
use crate::server::reply::Reply;

const FILTERS: &[&str] = &[
    "ancestor",
    "before",
    "exited",
    "expose",
    "health",
    "id",
    "is-task",
    "isolation",
    "label",
    "name",
    "network",
    "publish",
    "since",
    "status",
    "volume",
];
const HEALTHS: [&str; 4] = ["starting", "healthy", "unhealthy", "none"];

/// `GET /containers/json`.
pub(crate) async fn list(call: Call<Api>) -> Result<Reply, ApiError> {
    let api = &call.state;
    let selection = Selection::parse(&call, api)?;
    let with_size = call.query.bool("size");
    let now = api.now();
    let mut rows = Vec::new();
    for view in selection.of(api) {
        let size = if with_size {
            Some(size(api, &view).await?)
        } else {
            None
        };
        rows.push(summary(&view, &image_name(api, &view), size, now));
    }
    Reply::json(&rows)
}

/// Bytes on disk of a container; of a container without a root file system, none.
pub(crate) async fn size(api: &Api, view: &View) -> Result<Size, ApiError> {
    let below = view
        .container
        .image
        .as_ref()
        .and_then(|image| api.images().get(&image.id.parse().ok()?));
    let rootfs = api.images().rootfs(&view.container.id);
    let measure = move || rootfs.map_or(Ok(0), |rootfs| rootfs.size()).map_err(unmeasured);
    let written = crate::api::blocking(measure).await?;
    Ok(Size {
        written,
        total: written + below.map_or(0, |image| image.size),
    })
}

fn unmeasured(cause: std::io::Error) -> ApiError {
    ApiError::internal(format!("measuring the container's layer: {cause}"))
}

/// How the container's image is called: its id once the name means another image, or none.
fn image_name(api: &Api, view: &View) -> String {
    let asked = &view.door.config.image;
    let Some(image) = &view.container.image else {
        return asked.clone();
    };
    let is_it = image
        .id
        .parse()
        .is_ok_and(|id| api.images().stands_for(asked, &id));
    if is_it { asked.clone() } else { image.id.clone() }
}

/// Which containers are asked for.
struct Selection {
    filters: Filters,
    all: bool,
    limit: Option<usize>,
    exited: Vec<i32>,
    images: Option<BTreeSet<String>>,
    before: Option<String>,
    since: Option<String>,
    publish: BTreeSet<String>,
    expose: BTreeSet<String>,
}

impl Selection {
    fn parse(call: &Call<Api>, api: &Api) -> Result<Self, ApiError> {
        let filters = Filters::parse(call.query.get("filters"))?;
        let limit = call
            .query
            .integer("limit")?
            .filter(|limit| *limit > 0)
            .and_then(|limit| usize::try_from(limit).ok());
        filters.accept(FILTERS)?;
        check_words(&filters)?;
        Ok(Self {
            all: call.query.bool("all") || filters.has("status") || limit.is_some(),
            limit,
            exited: exit_codes(&filters)?,
            images: filters.has("ancestor").then(|| ancestors(&filters, api)),
            before: container_id(&filters, "before", api)?,
            since: container_id(&filters, "since", api)?,
            publish: port_set(&filters, "publish")?,
            expose: port_set(&filters, "expose")?,
            filters,
        })
    }

    /// The selected containers, newest first.
    fn of(&self, api: &Api) -> Vec<View> {
        let all = api.containers();
        let start = self.before.as_ref().map_or(0, |id| {
            all.iter()
                .position(|c| *c.id == **id)
                .map_or(all.len(), |at| at + 1)
        });
        let newer = all
            .into_iter()
            .skip(start)
            .take_while(|c| self.since.as_deref() != Some(&*c.id));
        let views = newer
            .map(|container| api.view(container))
            .filter(|view| self.admits(view));
        views.take(self.limit.unwrap_or(usize::MAX)).collect()
    }

    fn admits(&self, view: &View) -> bool {
        let (container, filters) = (&view.container, &self.filters);
        let state = &container.state;
        let slashed = format!("/{}", container.name);
        (self.all || state.status.is_running())
            && (filters.pattern("name", &slashed) || filters.pattern("name", &container.name))
            && filters.prefix("id", &container.id)
            && filters.bool_or("is-task", false).is_ok_and(|task| !task)
            && filters.labels("label", &container.spec.labels)
            && (self.exited.is_empty() || (has_exited(state) && self.exited.contains(&state.exit_code)))
            && filters.exact("status", state.status.as_str())
            && filters.exact("health", status::health_word(state))
            && self.admits_image(view)
            && self.admits_volume(view)
            && self.admits_network(view)
            && self.admits_ports(view)
    }

    fn admits_image(&self, view: &View) -> bool {
        let image = view
            .container
            .image
            .as_ref()
            .map_or("", |image| image.id.as_str());
        self.images.as_ref().is_none_or(|images| images.contains(image))
    }

    fn admits_volume(&self, view: &View) -> bool {
        let mut wanted = self.filters.values("volume");
        let mounts = &view.container.mounts;
        !self.filters.has("volume")
            || wanted.any(|value| {
                mounts.iter().any(|mount| {
                    let source = if mount.name.is_empty() {
                        &mount.source
                    } else {
                        &mount.name
                    };
                    mount.destination == value || source == value
                })
            })
    }

    fn admits_network(&self, view: &View) -> bool {
        let mut wanted = self.filters.values("network");
        let joined = networks::endpoints(view);
        !self.filters.has("network")
            || wanted.any(|value| {
                joined.contains_key(value)
                    || joined
                        .values()
                        .any(|endpoint| endpoint.network_id.starts_with(value) && !value.is_empty())
            })
    }

    fn admits_ports(&self, view: &View) -> bool {
        if self.publish.is_empty() && self.expose.is_empty() {
            return true;
        }
        networks::ports(view).iter().any(|(port, bindings)| {
            let protocol = port.split_once('/').map_or("tcp", |(_, protocol)| protocol);
            let mut public = bindings
                .iter()
                .flatten()
                .map(|binding| format!("{}/{protocol}", binding.host_port));
            self.expose.contains(port) || public.any(|public| self.publish.contains(&public))
        })
    }
}

fn has_exited(state: &engine::State) -> bool {
    !state.status.is_running() && state.started_at.is_some()
}

/// Values that are words of a fixed list.
fn check_words(filters: &Filters) -> Result<(), ApiError> {
    let states = Status::ALL.map(Status::as_str);
    for (name, what, words) in [
        ("status", "state", &states[..]),
        ("health", "health", &HEALTHS[..]),
    ] {
        if let Some(value) = filters.values(name).find(|value| !words.contains(value)) {
            let list = words.join(", ");
            return Err(ApiError::bad(format!(
                "invalid filter '{name}={value}': invalid value for {what} ({value}): must be one of {list}"
            )));
        }
    }
    filters.bool_or("is-task", false).map(drop)
}

fn exit_codes(filters: &Filters) -> Result<Vec<i32>, ApiError> {
    let code = |value: &str| {
        value.parse().map_err(|_| {
            ApiError::bad(format!(
                "invalid filter 'exited={value}': strconv.Atoi: parsing {value:?}: invalid syntax"
            ))
        })
    };
    filters.values("exited").map(code).collect()
}

fn container_id(filters: &Filters, name: &str, api: &Api) -> Result<Option<String>, ApiError> {
    filters
        .values(name)
        .next()
        .map(|value| Ok(api.find(value)?.id.to_string()))
        .transpose()
}

/// Ports and ranges of them: `80`, `8000-8010/udp`.
fn port_set(filters: &Filters, name: &str) -> Result<BTreeSet<String>, ApiError> {
    let mut set = BTreeSet::new();
    for value in filters.values(name) {
        if value.contains(':') {
            return Err(ApiError::internal(format!(
                "filter for '{name}' should not contain ':': {value}"
            )));
        }
        let ports = ports::named(value).map_err(|error| {
            ApiError::internal(format!("error while looking up for {name} {value}: {error}"))
        })?;
        set.extend(
            ports
                .iter()
                .map(|(port, protocol)| format!("{port}/{}", protocol.as_str())),
        );
    }
    Ok(set)
}

/// The images named, and all built on them.
fn ancestors(filters: &Filters, api: &Api) -> BTreeSet<String> {
    let named = filters
        .values("ancestor")
        .filter_map(|name| api.images().resolve(name).ok());
    let mut waiting: Vec<Digest> = named.map(|image| image.id).collect();
    let mut found = BTreeSet::new();
    while let Some(id) = waiting.pop() {
        if found.insert(id.to_string()) {
            waiting.extend(api.images().children(&id));
        }
    }
    found
}
