//! What every handler needs of the rooms below: time, containers by name, blocking work.

use std::sync::Arc;

use engine::{Container, Engine};
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
        all.retain(|container| container.owner != engine::Owner::Build);
        all.sort_by(|a, b| b.created.cmp(&a.created).then_with(|| a.id.cmp(&b.id)));
        all
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
