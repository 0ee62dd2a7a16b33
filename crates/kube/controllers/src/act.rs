//! What controllers do: a few kinds of writes, each safe to repeat.
//!
//! A creation has a name of its own, an update names the version that it was decided from, a patch tests what it is
//! about, a deletion names the uid. So what was decided from an old state is refused, and what is so already is no
//! failure.

use client::{Client, DeleteOptions, Error, PatchKind, Resource, WriteOptions};
use serde_json::Value;

/// Which object, or a path below one.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Target {
    pub(crate) resource: Resource,
    pub(crate) namespace: String,
    pub(crate) name: String,
    /// Empty for the object itself.
    pub(crate) subresource: &'static str,
}

impl Target {
    pub(crate) fn new(resource: &Resource, namespace: &str, name: &str) -> Self {
        Self {
            resource: resource.clone(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            subresource: "",
        }
    }

    pub(crate) fn below(self, subresource: &'static str) -> Self {
        Self { subresource, ..self }
    }

    fn place(&self) -> client::Place<'_> {
        let within = self.resource.within(&self.namespace);
        within.named(&self.name).below(self.subresource)
    }
}

/// One write.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Action {
    /// Makes an object, unless one of its name is there.
    Create {
        resource: Resource,
        namespace: String,
        object: Value,
    },
    /// Replaces an object; its `resourceVersion` is the one it was decided from.
    Update { target: Target, object: Value },
    /// Changes an object by JSON Patch, whose tests say what it is about.
    Patch { target: Target, patch: Value },
    /// Lays a configuration over an object, taking what others own.
    Apply {
        target: Target,
        manager: &'static str,
        config: Value,
    },
    /// Deletes an object.
    Delete { target: Target, options: DeleteOptions },
}

/// Carries a write out.
///
/// # Errors
/// The server's, but those that say that things are so already.
pub(crate) async fn perform(client: &Client, action: &Action) -> Result<(), Error> {
    match attempt(client, action).await {
        Err(error) if !is_so(action, &error) => Err(error),
        _ => Ok(()),
    }
}

/// Carries a write out, for those who want to know each refusal.
///
/// # Errors
/// The server's.
pub(crate) async fn attempt(client: &Client, action: &Action) -> Result<(), Error> {
    let options = WriteOptions::default();
    let done = match action {
        Action::Create {
            resource,
            namespace,
            object,
        } => {
            let place = resource.within(namespace);
            client.create(place, object.to_string(), &options).await
        }
        Action::Update { target, object } => {
            client.update(target.place(), object.to_string(), &options).await
        }
        Action::Patch { target, patch } => {
            let (place, kind) = (target.place(), PatchKind::Json);
            client.patch(place, kind, patch.to_string(), &options).await
        }
        Action::Apply {
            target,
            manager,
            config,
        } => {
            let options = WriteOptions {
                field_manager: (*manager).to_owned(),
                force: true,
                ..options
            };
            client.apply(target.place(), config.to_string(), &options).await
        }
        Action::Delete { target, options } => client.delete(target.place(), options).await,
    };
    done.map(drop)
}

/// Whether a refusal says that there is nothing to be done.
fn is_so(action: &Action, error: &Error) -> bool {
    match action {
        Action::Create { .. } => error.is_already_exists() || error.is_terminating() || error.is_not_found(),
        _ => error.is_not_found(),
    }
}
