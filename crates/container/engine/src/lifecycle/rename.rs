//! What a user changes of a container that exists: its name, its limits, its restart policy.

use std::fs;
use std::sync::Arc;

use runtime::cgroup::{self, Cgroup, Request};

use crate::container::{Container, Owner};
use crate::engine::{Engine, cgroups_path};
use crate::error::Error;
use crate::oci::{self, KernelDevices};
use crate::request::Update;
use crate::spec::Resources;
use crate::state::Status;
use crate::table::{Entry, checked_name};
use crate::tasks::{apart, blocking};

impl Engine {
    /// Gives a container another name.
    ///
    /// # Errors
    /// The name is none, its own, or taken.
    pub async fn rename(&self, reference: &str, name: &str) -> Result<(), Error> {
        if name.is_empty() || name == "/" {
            return Err(Error::Invalid("Neither old nor new names may be empty".into()));
        }
        let (engine, entry, name) = (self.clone(), self.0.table.find(reference)?, name.to_owned());
        apart(async move { engine.rename_entry(&entry, &name).await }).await
    }

    async fn rename_entry(&self, entry: &Entry, name: &str) -> Result<(), Error> {
        let _turn = entry.operation.lock().await;
        let old = entry.get().name.clone();
        let bare = name.strip_prefix('/').unwrap_or(name);
        if bare == old {
            let text = "Renaming a container with the same name as its current name";
            return Err(Error::Invalid(text.into()));
        }
        let allocation = |error: Error| match error {
            Error::Conflict(text) => Error::Conflict(format!("Error when allocating new name: {text}")),
            Error::Invalid(text) => Error::Invalid(format!("Error when allocating new name: {text}")),
            other => other,
        };
        let shown = format!("/{bare}");
        let bare = checked_name(&shown).map_err(allocation)?;
        self.0.table.reserve(bare, &entry.id).map_err(allocation)?;
        entry.change(|container| bare.clone_into(&mut container.name));
        if let Err(error) = self.0.rows.define(entry).await {
            entry.change(|container| container.name.clone_from(&old));
            self.0.table.release(bare, &entry.id);
            return Err(error);
        }
        self.0.table.release(&old, &entry.id);
        let (networks, id, new) = (self.0.networks.clone(), entry.id.clone(), bare.to_owned());
        blocking(move || networks.rename(&id, &new)).await;
        self.tell(&entry.get(), "rename", &[("oldName", format!("/{old}"))]);
        Ok(())
    }

    /// Leaves a build's container to the clients of the Docker API, who see and remove it from now on (`rm=0`).
    ///
    /// # Errors
    /// There is no such container; the store's.
    pub async fn leave_to_clients(&self, reference: &str) -> Result<(), Error> {
        let (engine, entry) = (self.clone(), self.0.table.find(reference)?);
        apart(async move {
            let _turn = entry.operation.lock().await;
            entry.change(|container| container.owner = Owner::Docker);
            engine.0.rows.define(&entry).await
        })
        .await
    }

    /// Changes limits and restart policy; what was said wrong of limits that this host has not
    /// comes back as warnings.
    ///
    /// # Errors
    /// The change makes no sense for this container, or the kernel refuses it; then nothing has
    /// changed.
    pub async fn update(&self, reference: &str, update: Update) -> Result<Vec<String>, Error> {
        let (engine, entry) = (self.clone(), self.0.table.find(reference)?);
        apart(async move {
            let _turn = entry.operation.lock().await;
            let updated = engine.update_entry(&entry, update).await;
            updated.map_err(|error| cannot_update(&entry.id, error))
        })
        .await
    }

    async fn update_entry(&self, entry: &Arc<Entry>, update: Update) -> Result<Vec<String>, Error> {
        let before = entry.get();
        if matches!(before.state.status, Status::Removing | Status::Dead) {
            let text = "Container is marked for removal and cannot be \"update\".";
            return Err(Error::Conflict(text.into()));
        }
        if update.restart.is_some() && before.spec.auto_remove {
            let text = "Restart policy cannot be updated because AutoRemove is enabled for the container";
            return Err(Error::Conflict(text.into()));
        }
        let (mut warnings, mut resources) = (Vec::new(), None);
        if let Some(change) = update.resources {
            let current = &before.spec.resources;
            let updated = oci::updated(current, change, &self.0.facts, &before.owner);
            let updated = updated.map_err(|error| match error {
                oci::UpdateError::Invalid(error) => Error::Invalid(error.to_string()),
                oci::UpdateError::Conflict(text) => Error::Conflict(text.to_owned()),
            })?;
            warnings = updated.1;
            resources = Some(updated.0);
        }
        if let (Some(resources), true) = (&resources, before.state.status.has_process()) {
            self.apply(&before, resources.clone()).await?;
        }
        entry.change(|container| {
            let spec = Arc::make_mut(&mut container.spec);
            spec.resources = resources.unwrap_or_else(|| spec.resources.clone());
            spec.restart = update.restart.unwrap_or(spec.restart);
            container.door = update.door.map_or_else(|| container.door.clone(), Arc::new);
        });
        self.0.rows.define(entry).await?;
        self.tell(&entry.get(), "update", &[]);
        Ok(warnings)
    }

    /// Applies limits to a running container.
    async fn apply(&self, container: &Container, resources: Resources) -> Result<(), Error> {
        let path = cgroups_path(&self.0.instance, &resources.cgroup_parent, &container.id);
        let layout = self.0.layout.clone();
        blocking(move || {
            let limits =
                oci::limits(&resources, &KernelDevices).map_err(|e| Error::Invalid(e.to_string()))?;
            let limit = memory_limit(&layout, &path);
            let request = Request {
                path: &path,
                resources: &limits,
                accounting: false,
                current_memory_limit: limit,
            };
            let planned = cgroup::plan(&layout, request).map_err(|e| Error::Invalid(e.to_string()))?;
            let applied = Cgroup::of(&layout, &planned).apply(&planned);
            applied.map_err(Error::system("the container's control group"))
        })
        .await
    }
}

/// The limit as it is on v1: it decides the order of the writes.
fn memory_limit(layout: &cgroup::Layout, path: &str) -> Option<u64> {
    let cgroup::Place::V1(hierarchy) = layout.place("memory")? else {
        return None;
    };
    let file = hierarchy.dir(path).join("memory.limit_in_bytes");
    fs::read_to_string(file).ok()?.trim().parse().ok()
}

/// What makes no sense at all is said as at create.
fn cannot_update(id: &str, error: Error) -> Error {
    let text = |text: String| format!("Cannot update container {id}: {text}");
    match error {
        Error::Conflict(reason) => Error::Conflict(text(reason)),
        Error::System { context, source } => Error::System {
            context: text(context),
            source,
        },
        other => other,
    }
}
