//! What every handler needs of the rooms below: time, containers by name, blocking work.

use std::sync::Arc;

use engine::{Container, Engine, Owner};
use image::Images;
use jiff::Timestamp;
use network::Networks;

use crate::Api;
use crate::convert::container::View;
use crate::convert::create::Lookup;
use crate::error::ApiError;

impl Api {
    /// The time of day.
    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::try_from(self.clock.wall()).unwrap_or(Timestamp::UNIX_EPOCH)
    }

    /// The node's images.
    pub(crate) fn images(&self) -> &Images {
        self.engine.images()
    }

    /// The node's networks.
    pub(crate) fn networks(&self) -> &Networks {
        self.engine.networks()
    }

    /// The container a user calls so.
    pub(crate) fn find(&self, name: &str) -> Result<Arc<Container>, ApiError> {
        Ok(self.engine.find(name)?)
    }

    /// The container a user calls so, if this door may do that to it. A pod's container is used
    /// from here like any other (exec, logs, cp, kill, …), but what it is, what it is called and
    /// when it runs is the kubelet's to say.
    ///
    /// # Errors
    /// There is none; 409 if it is a pod's.
    pub(crate) fn find_own(&self, name: &str, deed: Deed) -> Result<Arc<Container>, ApiError> {
        let container = self.find(name)?;
        refuse_pod(&container, deed)?;
        Ok(container)
    }

    /// A container with what belongs to it.
    pub(crate) fn view(&self, container: Arc<Container>) -> View {
        let sandbox = self
            .networks()
            .sandbox(&container.id)
            .filter(|_| container.state.status.is_running());
        View::new(container, sandbox)
    }

    /// Every container of users, newest first; steps of a build are nobody's.
    pub(crate) fn containers(&self) -> Vec<Arc<Container>> {
        let mut all = self.engine.list();
        all.retain(|container| container.owner != Owner::Build);
        all.sort_by(|a, b| b.created.cmp(&a.created).then_with(|| a.id.cmp(&b.id)));
        all
    }
}

/// What only the door that made a container does to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deed {
    Start,
    Restart,
    Remove,
    Rename,
    Update,
    Connect,
    Disconnect,
}

impl Deed {
    /// What the user can do instead.
    const fn instead(self) -> &'static str {
        match self {
            Self::Start => "its kubelet starts it when the pod's restart policy says so",
            Self::Restart => "stop it, and its kubelet starts it again as the pod's restart policy says",
            Self::Remove => "delete the pod instead",
            Self::Rename => "its kubelet finds it by its name",
            Self::Update => "change the pod's resources instead",
            Self::Connect | Self::Disconnect => "its network is the pod's",
        }
    }
}

/// Refuses what is not this door's to do to a pod's container.
pub(crate) fn refuse_pod(container: &Container, deed: Deed) -> Result<(), ApiError> {
    match &container.owner {
        Owner::Pod { namespace, name, .. } => Err(ApiError::conflict(format!(
            "container {} belongs to pod {namespace}/{name}: {}",
            container.name,
            deed.instead()
        ))),
        Owner::Docker | Owner::Build => Ok(()),
    }
}

/// Looks containers up in the engine's table.
pub(crate) struct InTable<'e>(pub &'e Engine);

impl Lookup for InTable<'_> {
    fn container(&self, name: &str) -> Result<String, ApiError> {
        Ok(self.0.find(name)?.id.to_string())
    }
}

/// Runs what blocks (disk, netlink) on a thread that may.
///
/// # Errors
/// What the work answers; 500 when it panicked.
pub(crate) async fn blocking<T, E>(
    work: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T, ApiError>
where
    T: Send + 'static,
    E: Into<ApiError> + Send + 'static,
{
    match tokio::task::spawn_blocking(work).await {
        Ok(outcome) => outcome.map_err(Into::into),
        Err(cause) => Err(ApiError::internal(format!("internal error: {cause}"))),
    }
}

impl Api {
    /// Tells an event of this door.
    pub(crate) fn publish<const N: usize>(
        &self,
        kind: engine::events::Kind,
        action: &str,
        id: &str,
        attributes: [(&str, String); N],
    ) {
        let attributes = attributes
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect();
        let actor = engine::events::Actor {
            id: id.to_owned(),
            attributes,
        };
        self.engine.events().publish(engine::events::Event {
            kind,
            action: action.to_owned(),
            actor,
            time: self.now(),
        });
    }

    /// Tells what happened to a container: its name, image and labels go with it.
    pub(crate) fn publish_of<const N: usize>(&self, id: &str, action: &str, attributes: [(&str, String); N]) {
        let Ok(container) = self.engine.find(id) else {
            return;
        };
        let mut all = container.spec.labels.clone();
        all.insert("name".into(), container.name.clone());
        all.insert(
            "image".into(),
            container
                .image
                .as_ref()
                .map(|image| image.reference.clone())
                .unwrap_or_default(),
        );
        all.extend(
            attributes
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value)),
        );
        let actor = engine::events::Actor {
            id: container.id.to_string(),
            attributes: all,
        };
        let kind = engine::events::Kind::Container;
        self.engine.events().publish(engine::events::Event {
            kind,
            action: action.to_owned(),
            actor,
            time: self.now(),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::StatusCode;
    use serde_json::json;

    fn container(owner: serde_json::Value) -> Container {
        let container = json!({
            "id": "0".repeat(64), "name": "k8s_web_shop_prod_1_0", "created": "2026-11-21T00:00:00Z",
            "spec": {}, "image": null, "owner": owner, "door": null, "state": {}, "restart_count": 0,
            "generation": 0, "mounts": [], "log_path": null,
        });
        serde_json::from_value(container).unwrap()
    }

    #[test]
    fn what_a_pod_s_container_is_and_when_it_runs_is_not_this_door_s() {
        let of_pod = container(json!({ "pod": { "namespace": "prod", "name": "shop", "uid": "1" } }));
        let own = container(json!("docker"));
        let deeds = [
            Deed::Start,
            Deed::Restart,
            Deed::Remove,
            Deed::Rename,
            Deed::Update,
            Deed::Connect,
            Deed::Disconnect,
        ];
        for deed in deeds {
            assert_eq!(refuse_pod(&own, deed), Ok(()));
            let refused = refuse_pod(&of_pod, deed).unwrap_err();
            assert_eq!(refused.status, StatusCode::CONFLICT);
            let names = "container k8s_web_shop_prod_1_0 belongs to pod prod/shop: ";
            assert!(refused.message.starts_with(names), "{}", refused.message);
        }
        let refused = refuse_pod(&of_pod, Deed::Remove).unwrap_err();
        assert!(
            refused.message.ends_with(": delete the pod instead"),
            "{}",
            refused.message
        );
    }
}
