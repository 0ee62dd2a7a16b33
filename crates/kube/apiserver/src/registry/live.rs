//! What is in the store.

use std::sync::Arc;

use bytes::Bytes;
use schema::object::{Obj, Revision};
use schema::status::Status;
use schema::tree::Struct;
use store::{Durability, Expect, Key, KeyValue, Op as StoreOp, Write};

use super::convert;
use super::op::Op;
use crate::cache::reading;
use crate::server::State;
use crate::{Answer, Refused, Served, custom};

/// An object as it stands, to be changed.
#[derive(Clone, Debug)]
pub(crate) struct Live {
    /// The store's key of it, whole.
    pub(crate) key: String,
    /// Its bytes.
    pub(crate) object: Arc<Obj>,
    /// The same as a webhook converts it to the version that was asked for; else the object itself.
    pub(crate) shown: Arc<Obj>,
    /// Its tree as the registry works on it ([`convert::live`]), with its `resourceVersion`.
    pub(crate) tree: Struct,
}

/// Reads an object as it stands now.
///
/// # Errors
/// The store's; none there is `None`.
pub(crate) async fn get(state: &State, key: &str) -> Answer<Option<Arc<Obj>>> {
    let row = state.store.get(key.as_bytes()).await;
    let row = row.map_err(|error| store_failed(&error))?;
    row.map(|row| object_of(&row)).transpose()
}

impl Live {
    /// Reads and decodes an object as it stands now.
    ///
    /// # Errors
    /// The store's; none there is `None`.
    pub(crate) async fn read(op: &Op<'_>, name: &str) -> Answer<Option<Self>> {
        let key = op.key(name);
        let Some(object) = get(op.state, &key).await? else {
            return Ok(None);
        };
        let shown = custom::conversion::shown(op.state, op.served, object.clone()).await?;
        let tree = convert::live(op.served, &shown)?;
        Ok(Some(Self {
            key,
            object,
            shown,
            tree,
        }))
    }
}

/// The row as an object.
pub(super) fn object_of(row: &KeyValue) -> Answer<Arc<Obj>> {
    Ok(reading::read(row).map_err(Status::internal)?)
}

/// What a store's failure is to a client: 503 or 429 where trying again helps, else 500.
pub(crate) fn store_failed(error: &store::Error) -> Refused {
    match error {
        store::Error::Busy => {
            Status::too_many_requests("too many writes are waiting, please try again later", 1)
        }
        store::Error::Closed => Status::service_unavailable("the server is shutting down"),
        store::Error::TooLarge { length, limit, .. } => {
            Status::too_large(&format!("the object has {length} bytes, the limit is {limit}"))
        }
        other => Status::internal(other),
    }
    .into()
}

/// Whether a write may wait for its fsync (decision 2): events, and renewals of a lease by its holder.
fn durability(served: &Served, renewal: bool) -> Durability {
    if is_event(served) || renewal {
        Durability::Relaxed
    } else {
        Durability::Durable
    }
}

fn is_event(served: &Served) -> bool {
    served.def.plural == "events" && matches!(&*served.def.group, "" | "events.k8s.io")
}

/// How a write went.
pub(super) enum Put {
    /// It is there.
    Done(Arc<Obj>),
    /// Somebody else was first.
    Lost,
}

/// Writes what [`Op::value`] made under a condition.
pub(super) async fn put(op: &Op<'_>, key: &str, value: Bytes, expect: Expect, renewal: bool) -> Answer<Put> {
    let lease = match is_event(op.served) {
        true => Some(op.state.event_lease.get(op.state).await?),
        false => None,
    };
    let write = Write {
        op: StoreOp::Put {
            key: Key::from(key.as_bytes()),
            value,
            expect,
            lease,
        },
        durability: durability(op.served, renewal),
    };
    op.call.writing.begin();
    match op.state.store.write(write).await {
        Ok(written) => {
            op.state.rules.wrote(op.served, written.revision);
            let row = written.row.ok_or_else(|| Status::internal("a put left no row"))?;
            Ok(Put::Done(object_of(&row)?))
        }
        Err(store::Error::RevisionMismatch { .. }) => Ok(Put::Lost),
        Err(error) => Err(store_failed(&error)),
    }
}

/// Deletes an object that is at a revision; false if it is at another one, or gone.
pub(super) async fn remove(op: &Op<'_>, key: &str, at: Revision) -> Answer<bool> {
    let expect = Expect::At(store::Revision(at.0));
    let write = Write {
        op: StoreOp::Delete {
            key: Key::from(key.as_bytes()),
            expect,
        },
        durability: durability(op.served, false),
    };
    op.call.writing.begin();
    match op.state.store.write(write).await {
        Ok(written) => {
            op.state.rules.wrote(op.served, written.revision);
            Ok(true)
        }
        Err(store::Error::RevisionMismatch { .. }) => Ok(false),
        Err(error) => Err(store_failed(&error)),
    }
}
