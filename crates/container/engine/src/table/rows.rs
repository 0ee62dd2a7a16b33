//! The table on disk: two rows for each container.
//!
//! `/containers/ID` is what it is; it changes by a user's hand only and is durable before the user
//! hears of it (a pod's is made again from what the API server has, and is not). `/containerstates/ID` is where in its life it is; it changes with every start and
//! end and is handed to the kernel only: it survives the daemon, and after a loss of power the
//! containers do not run anyway.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use store::{Durability, KeyRange, Op, Pending, RangeRequest, Store, Write, Written};

use super::Entry;
use crate::container::{Container, ContainerId, ImageRef, MountPoint, Owner};
use crate::error::Error;
use crate::restart::Restarts;
use crate::spec::ContainerSpec;
use crate::state::State;

const DEFINITIONS: &str = "/containers/";
const STATES: &str = "/containerstates/";
/// The form of both rows that this build writes.
const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Definition {
    version: u32,
    name: String,
    created: Timestamp,
    spec: Arc<ContainerSpec>,
    image: Option<ImageRef>,
    owner: Owner,
    door: Arc<serde_json::Value>,
    mounts: Vec<MountPoint>,
    log_path: Option<PathBuf>,
}

#[derive(Serialize, Deserialize)]
struct Life {
    version: u32,
    state: State,
    generation: u64,
    restarts: Restarts,
}

/// The rows of containers in the node's store.
#[derive(Clone)]
pub(crate) struct Rows(Arc<dyn Store>);

impl std::fmt::Debug for Rows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Rows")
    }
}

impl Rows {
    pub(crate) const fn new(store: Arc<dyn Store>) -> Self {
        Self(store)
    }

    /// Reads every container. A row that cannot be read stays where it is and is told of; what
    /// belongs to a definition that was never made is forgotten.
    pub(crate) fn load(&self) -> Result<Vec<(Container, Restarts)>, Error> {
        let mut lives: BTreeMap<String, Life> = self.read(STATES)?;
        let definitions: BTreeMap<String, Definition> = self.read(DEFINITIONS)?;
        let containers = definitions.into_iter().map(|(id, definition)| {
            let life = lives.remove(&id);
            join(&id, definition, life)
        });
        let containers = containers.collect();
        for id in lives.keys() {
            drop(self.delete(STATES, id, Durability::Relaxed));
        }
        Ok(containers)
    }

    fn read<T: DeserializeOwned>(&self, prefix: &str) -> Result<BTreeMap<String, T>, Error> {
        let request = RangeRequest {
            range: KeyRange::prefix(prefix.as_bytes()),
            revision: None,
            limit: None,
        };
        let mut rows = BTreeMap::new();
        for row in self.0.range(&request).wait()?.rows {
            let id = String::from_utf8_lossy(&row.key[prefix.len()..]).into_owned();
            match serde_json::from_slice(&row.value) {
                Ok(value) => drop(rows.insert(id, value)),
                Err(error) => tracing::error!(%id, %error, "a container's row cannot be read; it stays"),
            }
        }
        Ok(rows)
    }

    /// Writes what a container is, as durably as its owner asks.
    pub(crate) async fn define(&self, entry: &Entry) -> Result<(), Error> {
        let _order = entry.row.lock().await;
        let container = entry.get();
        let row = Definition {
            version: VERSION,
            name: container.name.clone(),
            created: container.created,
            spec: container.spec.clone(),
            image: container.image.clone(),
            owner: container.owner.clone(),
            door: container.door.clone(),
            mounts: container.mounts.clone(),
            log_path: container.log_path.clone(),
        };
        self.put(DEFINITIONS, &container.id, &row, container.owner.durability())?
            .await?;
        Ok(())
    }

    /// Writes where in its life a container is.
    pub(crate) async fn live(&self, entry: &Entry) -> Result<(), Error> {
        let _order = entry.row.lock().await;
        if entry.run().forgotten {
            return Ok(());
        }
        let container = entry.get();
        let row = Life {
            version: VERSION,
            state: container.state.clone(),
            generation: container.generation,
            restarts: entry.run().restarts,
        };
        self.put(STATES, &container.id, &row, Durability::Relaxed)?
            .await?;
        Ok(())
    }

    /// Forgets a container; nothing is written of it any more.
    pub(crate) async fn forget(&self, entry: &Entry, durability: Durability) -> Result<(), Error> {
        let _order = entry.row.lock().await;
        let state = self.delete(STATES, &entry.id, Durability::Relaxed);
        self.delete(DEFINITIONS, &entry.id, durability).await?;
        state.await?;
        entry.run().forgotten = true;
        Ok(())
    }

    /// Forgets a container that was not made.
    pub(crate) async fn discard(&self, id: &ContainerId) -> Result<(), Error> {
        self.delete(DEFINITIONS, id, Durability::Relaxed).await?;
        Ok(())
    }

    fn put<T: Serialize>(
        &self,
        prefix: &str,
        id: &str,
        row: &T,
        durability: Durability,
    ) -> Result<Pending<Written>, Error> {
        let value = serde_json::to_vec(row).map_err(|error| Error::System {
            context: format!("the row of container {id}"),
            source: error.into(),
        })?;
        let op = Op::Put {
            key: format!("{prefix}{id}").as_str().into(),
            value: value.into(),
            expect: store::Expect::Any,
            lease: None,
        };
        Ok(self.0.write(Write { op, durability }))
    }

    fn delete(&self, prefix: &str, id: &str, durability: Durability) -> Pending<Written> {
        let op = Op::Delete {
            key: format!("{prefix}{id}").as_str().into(),
            expect: store::Expect::Any,
        };
        self.0.write(Write { op, durability })
    }
}

fn join(id: &str, definition: Definition, life: Option<Life>) -> (Container, Restarts) {
    let life = life.unwrap_or_else(|| Life {
        version: VERSION,
        state: State::default(),
        generation: 0,
        restarts: Restarts::default(),
    });
    let container = Container {
        id: ContainerId::new(id),
        name: definition.name,
        created: definition.created,
        spec: definition.spec,
        image: definition.image,
        owner: definition.owner,
        door: definition.door,
        state: life.state,
        restart_count: life.restarts.count,
        generation: life.generation,
        mounts: definition.mounts,
        log_path: definition.log_path,
    };
    (container, life.restarts)
}
