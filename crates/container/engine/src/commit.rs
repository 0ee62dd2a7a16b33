//! A container's changes: shown, made into an image, written as an archive.

use std::sync::Arc;

use image::archive::{Interest, Wanted};
use image::{Change, Commit, CommitLayer, Digest, HistoryRow, ImageConfig, Reference, RunConfig};

use crate::container::Container;
use crate::engine::Engine;
use crate::error::Error;
use crate::events::{Actor, Event, Kind};
use crate::state::Status;
use crate::table::Entry;
use crate::tasks::{apart, blocking};

/// How a container is made into an image.
#[derive(Clone, Debug, Default)]
pub struct CommitOptions {
    /// The image's tag.
    pub reference: Option<Reference>,
    /// Why.
    pub comment: String,
    /// By whom.
    pub author: String,
    /// Whether the container is frozen meanwhile.
    pub pause: bool,
    /// The image's configuration, complete; absent for that of the container's image.
    pub config: Option<RunConfig>,
}

impl Engine {
    /// What differs from the image.
    ///
    /// # Errors
    /// The layers cannot be read.
    pub async fn changes(&self, reference: &str) -> Result<Vec<Change>, Error> {
        let (engine, container) = (self.clone(), self.find(reference)?);
        blocking(move || {
            let rootfs = engine.root_of(&container)?;
            rootfs.changes().map_err(Error::system("the container's changes"))
        })
        .await
    }

    /// Makes a container into an image.
    ///
    /// # Errors
    /// The container is being removed, or the image cannot be written.
    pub async fn commit(&self, reference: &str, options: CommitOptions) -> Result<Digest, Error> {
        let (engine, entry) = (self.clone(), self.0.table.find(reference)?);
        // Who does not wait for the image does not want it.
        let interest = Interest::default();
        let wanted = interest.wanted();
        apart(async move { engine.commit_entry(&entry, options, wanted).await }).await
    }

    async fn commit_entry(
        &self,
        entry: &Arc<Entry>,
        options: CommitOptions,
        wanted: Wanted,
    ) -> Result<Digest, Error> {
        let container = entry.get();
        let id = &container.id;
        match container.state.status {
            Status::Removing => {
                let text = format!("You cannot commit container {id} which is being removed");
                return Err(Error::Conflict(text));
            }
            Status::Dead => {
                let text = format!("You cannot commit container {id} which is Dead");
                return Err(Error::Conflict(text));
            }
            _ => {}
        }
        // One that does not run, or has ended by now, has nothing to freeze, and is committed as it is.
        let pause = options.pause && self.set_frozen(entry, true).await.is_ok();
        let (engine, committed, comment) = (self.clone(), container.clone(), options.comment.clone());
        let tag = options.reference.as_ref().map(Reference::familiar);
        let image = blocking(move || engine.commit_container(&committed, options, &wanted)).await;
        if pause && let Err(error) = self.set_frozen(entry, false).await {
            tracing::warn!(%id, %error, "a container stays frozen after its commit");
        }
        let image = image?;
        if let Some(tag) = &tag {
            self.tell_tag(&image, tag);
        }
        let about = [
            ("comment", comment),
            ("imageID", image.to_string()),
            ("imageRef", tag.unwrap_or_default()),
        ];
        self.tell(&container, "commit", &about);
        Ok(image)
    }

    fn tell_tag(&self, id: &Digest, tag: &str) {
        let image = self.0.images.get(id);
        let mut attributes = image.map_or_else(Default::default, |image| image.config.config.labels.clone());
        attributes.insert("name".into(), tag.into());
        self.0.events.publish(Event {
            kind: Kind::Image,
            action: "tag".into(),
            actor: Actor {
                id: id.to_string(),
                attributes,
            },
            time: self.now(),
        });
    }

    fn commit_container(
        &self,
        container: &Container,
        options: CommitOptions,
        wanted: &Wanted,
    ) -> Result<Digest, Error> {
        let parent = container
            .image
            .as_ref()
            .and_then(|image| image.id.parse::<Digest>().ok());
        let below = parent.as_ref().and_then(|id| self.0.images.get(id));
        let mut config = below
            .as_ref()
            .map_or_else(ImageConfig::default, |image| image.config.clone());
        let now = self.now();
        config.created = Some(now);
        config.author = options.author.clone();
        if let Some(run) = options.config {
            config.config = run;
        }
        let history = HistoryRow {
            created: Some(now),
            author: options.author,
            created_by: container.spec.args.join(" "),
            comment: options.comment,
            ..HistoryRow::default()
        };
        let rootfs = self.root_of(container)?;
        let commit = Commit {
            hidden: false,
            parent: parent.as_ref(),
            layer: CommitLayer::Copy(&rootfs),
            config,
            history,
            reference: options.reference,
            lease: None,
        };
        Ok(self.0.images.commit_wanted(commit, wanted)?.id)
    }
}
