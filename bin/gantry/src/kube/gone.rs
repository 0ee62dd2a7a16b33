//! Waiting until what was deleted is gone: an object that has finalizers stays for a while.

use std::time::Duration;

use client::{Entry, Error, Event, ListOptions, Object, Place, Selectors, WatchOptions};

use super::Session;
use crate::failure::Failure;

/// An object that was asked to go.
pub(super) struct Deleted<'a> {
    entry: &'a Entry,
    namespace: String,
    name: String,
    /// Another of its name is another object.
    uid: String,
}

impl<'a> Deleted<'a> {
    /// With the server's answer: the object, or a Status that names its uid.
    pub(super) fn new(entry: &'a Entry, namespace: &str, name: &str, answer: &Object) -> Self {
        let uid = match answer.uid() {
            uid if uid.is_empty() => answer.text(&["details", "uid"]),
            uid => uid,
        };
        Self {
            entry,
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            uid,
        }
    }

    fn place(&self) -> Place<'_> {
        self.entry.resource.within(&self.namespace)
    }

    fn selectors(&self) -> Selectors {
        Selectors {
            fields: format!("metadata.name={}", self.name),
            ..Selectors::default()
        }
    }

    fn is(&self, object: &Object) -> bool {
        self.uid.is_empty() || object.uid() == self.uid
    }

    /// Waits for good. A watch that the server ends, or whose beginning it has forgotten, is begun anew.
    async fn gone(&self, session: &Session) -> Result<(), Error> {
        loop {
            let listing = ListOptions {
                selectors: self.selectors(),
                ..ListOptions::default()
            };
            let list = session.client.list(self.place(), &listing).await?;
            if !list.items.iter().any(|object| self.is(object)) {
                return Ok(());
            }
            match self.told(session, list.resource_version).await {
                Ok(true) => return Ok(()),
                Err(error) if !error.is_expired() => return Err(error),
                _ => {}
            }
        }
    }

    /// Whether one watch tells that it is gone.
    async fn told(&self, session: &Session, resource_version: String) -> Result<bool, Error> {
        let following = WatchOptions {
            selectors: self.selectors(),
            resource_version,
            ..WatchOptions::default()
        };
        let mut watch = session.client.watch(self.place(), &following).await?;
        while let Some(event) = watch.next().await? {
            match event {
                Event::Deleted(object) if self.is(&object) => return Ok(true),
                Event::Added(object) | Event::Modified(object) if !self.is(&object) => return Ok(true),
                _ => {}
            }
        }
        Ok(false)
    }
}

/// Waits until all are gone, one after the other.
///
/// # Errors
/// The server's, and that one is still there in the end.
pub(super) async fn wait(session: &Session, deleted: &[Deleted<'_>], limit: Duration) -> Result<(), Failure> {
    let end = tokio::time::Instant::now() + limit;
    for object in deleted {
        match tokio::time::timeout_at(end, object.gone(session)).await {
            Ok(gone) => gone?,
            Err(_) => {
                let (resource, name) = (&object.entry.resource, &object.name);
                let late = format!(
                    "timed out waiting for the condition on {}/{name}",
                    resource.plural
                );
                return Err(Failure::with_code(1, late));
            }
        }
    }
    Ok(())
}
