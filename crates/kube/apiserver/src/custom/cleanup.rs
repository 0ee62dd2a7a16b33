//! The end of a definition: its objects are deleted, and once the last one is gone the definition goes too
//! (`controller/finalizer/crd_finalizer.go`).

use std::sync::{Arc, PoisonError, Weak};
use std::time::Duration;

use auth::UserInfo;
use bytes::Bytes;
use http::{HeaderMap, Method, Uri};
use schema::BUILTIN;
use schema::cursor::{self, Ref};
use schema::object::{Obj, Revision};
use schema::status::Status;
use schema::tree::{Struct, Value};
use structural::definition::CLEANUP;

use super::PREFIX;
use super::conditions::{self, Condition};
use super::status::{now, read, write};
use super::table::Cleaning;
use crate::cache::Cache;
use crate::nodes::Upgrade;
use crate::registry::{self, DeleteOptions, Judge, Op, Options};
use crate::server::State;
use crate::{Annotations, Answer, Call, Peer, Query, Refused, RequestInfo, Served, Warnings, Writing};

/// How long a turn that failed waits before the next.
const RETRY: Duration = Duration::from_secs(1);

/// One definition's end.
pub(super) struct Work {
    pub(super) state: Weak<State>,
    pub(super) name: String,
    pub(super) uid: String,
    pub(super) cleaning: Cleaning,
}

/// Deletes the objects, waits for those that finalizers hold, and takes the definition's own finalizer off.
pub(super) async fn run(work: Work) {
    while let Some(state) = work.state.upgrade() {
        match work.turn(&state).await {
            Ok(Turn::Done) => break,
            Ok(Turn::Wait(cache, prefix, seen)) => {
                drop(state);
                if !cache.wait_for_change(&prefix, seen).await {
                    break;
                }
            }
            Err(refused) => {
                tracing::warn!(definition = work.name, error = %refused.0.message, "custom resources could not be deleted");
                state.env.sleep(RETRY).await;
            }
        }
    }
    let mut cleaning = work.cleaning.lock().unwrap_or_else(PoisonError::into_inner);
    cleaning.remove(&work.uid);
}

enum Turn {
    Done,
    /// Until the resource's objects change after a revision.
    Wait(Cache, String, Revision),
}

const IN_PROGRESS: (&str, &str, &str) = (
    "True",
    "InstanceDeletionInProgress",
    "CustomResource deletion is in progress",
);

impl Work {
    async fn turn(&self, state: &State) -> Answer<Turn> {
        let Some(definition) = self.mark(state, IN_PROGRESS, false).await? else {
            return Ok(Turn::Done);
        };
        let object = Ref::new(&BUILTIN, &definition);
        let spec = object.at("spec");
        let (group, plural) = (spec.at("group").str(), spec.path("names.plural").str());
        if state.resources.is_builtin(group, plural) {
            let why = "instances overlap with built-in resources in storage";
            self.mark(state, ("False", "OverlappingBuiltInResource", why), true)
                .await?;
            return Ok(Turn::Done);
        }
        let served = state.resources.stored(group, plural);
        let Some(served) = served.filter(|_| conditions::holds(object, "Established")) else {
            let why = "resource was never established";
            self.mark(state, ("False", "NeverEstablished", why), true).await?;
            return Ok(Turn::Done);
        };
        let prefix = served.key_prefix();
        let waited = state.cache.wait_for_newest().await;
        waited.map_err(Status::internal)?;
        let snapshot = state.cache.snapshot(&prefix);
        for object in snapshot
            .iter()
            .filter(|object| object.meta.deletion_timestamp.is_none())
        {
            delete(state, &served, object).await?;
        }
        if !snapshot.is_empty() {
            return Ok(Turn::Wait(state.cache.clone(), prefix, snapshot.changed));
        }
        self.mark(
            state,
            ("False", "InstanceDeletionCompleted", "removed all instances"),
            true,
        )
        .await?;
        Ok(Turn::Done)
    }

    /// Sets the condition `Terminating` (and takes the finalizer off); the definition as it is then, unless it is gone.
    async fn mark(
        &self,
        state: &State,
        (status, reason, why): (&'static str, &'static str, &str),
        finish: bool,
    ) -> Answer<Option<Struct>> {
        loop {
            let found = state.cache.get(PREFIX, &self.name).await;
            let found = found.map_err(Status::internal)?;
            let Some(object) = found.filter(|object| *object.meta.uid == *self.uid) else {
                return Ok(None);
            };
            let Some(tree) = read(&object) else {
                return Ok(None);
            };
            let mut new = tree.clone();
            let condition = Condition::new("Terminating", status, reason, why);
            conditions::set(&BUILTIN, &mut new, &condition, &now(state));
            if finish {
                release(&mut new);
            }
            if new == tree || write(state, &object, &tree, new.clone()).await? {
                return Ok(Some(new));
            }
        }
    }
}

fn release(definition: &mut Struct) {
    let object = Ref::new(&BUILTIN, definition);
    let others = object
        .path("metadata.finalizers")
        .strings()
        .filter(|name| *name != CLEANUP);
    let others: Vec<Value> = others.map(Value::str).collect();
    match others.is_empty() {
        true => drop(cursor::remove(&BUILTIN, definition, "metadata.finalizers")),
        false => cursor::set(&BUILTIN, definition, "metadata.finalizers", Value::List(others)),
    }
}

/// Deletes an object, which may be gone already or stay for its finalizers. Admission is not asked, as upstream.
async fn delete(state: &State, served: &Served, object: &Obj) -> Answer<()> {
    let call = own_call(state, served, object)?;
    let op = Op {
        name: object.meta.name.to_string(),
        ..Op::new(state, &call, served, Options::default())
    };
    match registry::delete(&op, &DeleteOptions::default(), Judge::Done).await {
        Err(Refused(status)) if status.reason != "NotFound" => Err(Refused(status)),
        _ => Ok(()),
    }
}

/// A request of the server itself.
fn own_call(state: &State, served: &Served, object: &Obj) -> Answer<Call> {
    let (name, namespace) = (&object.meta.name, &object.meta.namespace);
    let within = if served.namespaced() {
        format!("namespaces/{namespace}/")
    } else {
        String::new()
    };
    let path = format!(
        "/apis/{}/{within}{}/{name}",
        served.api_version(),
        served.def.plural
    );
    let info = RequestInfo::parse(&Method::DELETE, &path, &Query::default());
    let info = info.map_err(Status::internal)?;
    let user = Arc::new(UserInfo {
        name: "system:apiserver".to_owned(),
        groups: vec!["system:masters".to_owned()],
        ..UserInfo::default()
    });
    Ok(Call {
        method: Method::DELETE,
        uri: Uri::default(),
        headers: HeaderMap::new(),
        info,
        query: Query::default(),
        user: user.clone(),
        served: Some(served.clone()),
        body: Bytes::new(),
        deadline: state.env.now(),
        peer: Peer {
            internal: Some(user),
            ..Peer::default()
        },
        warnings: Warnings::default(),
        annotations: Annotations::default(),
        writing: Writing::default(),
        upgrade: Upgrade::default(),
    })
}
