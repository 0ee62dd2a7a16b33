//! The task that keeps the table of what other servers serve, and the status of their APIServices.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{Either, join_all, select, select_all};
use schema::object::{Obj, Revision};

use super::check::{Verdict, verdict};
use super::describe::describe;
use super::{PREFIX, Remote, Table, register, status};
use crate::server::State;

/// How often a server is asked whether it is still there, without any other cause (upstream's resynchronisation).
const RECHECK: Duration = Duration::from_secs(30);

/// What makes it look again.
const FOLLOWED: [&str; 3] = [PREFIX, "/registry/services/specs/", "/registry/endpointslices/"];

/// Follows APIServices until the cache closes.
pub(crate) async fn run(state: Weak<State>) {
    while let Some(state) = state.upgrade() {
        let seen = (state.cache.all_changed(FOLLOWED), state.resources.epoch());
        // What other servers answer is foreign: whatever it does to a turn, the next one comes.
        if AssertUnwindSafe(turn(&state)).catch_unwind().await.is_err() {
            tracing::error!("a panic: APIServices are looked at again");
            state.env.sleep(RECHECK).await;
        }
        if !wait(&state, seen).await {
            return;
        }
    }
}

/// Waits for a change; false if the cache has closed.
async fn wait(state: &State, (seen, epoch): ([Revision; 3], u64)) -> bool {
    let changes = FOLLOWED.iter().zip(seen);
    let changes = changes.map(|(prefix, seen)| Box::pin(state.cache.wait_for_change(prefix, seen)));
    let changed = select_all(changes);
    let rows = pin!(state.resources.wait_for_change(epoch));
    // Without other servers there is nothing to ask, and no timer.
    let quiet = state.aggregation.table().remotes.is_empty();
    let due = pin!(async {
        match quiet {
            true => std::future::pending().await,
            false => state.env.sleep(RECHECK).await,
        }
    });
    match select(changed, select(rows, due)).await {
        Either::Left(((open, ..), _)) => open,
        Either::Right(_) => !state.cache.closed(),
    }
}

/// Looks at every APIService once.
async fn turn(state: &Arc<State>) {
    register::settle(state).await;
    let snapshot = state.cache.snapshot(PREFIX);
    let all: Vec<(&Arc<Obj>, Option<Arc<Remote>>)> = snapshot
        .iter()
        .map(|object| (object, Remote::of(object)))
        .collect();
    let remotes = all.iter().filter_map(|(_, remote)| remote.clone());
    route(state, remotes.clone());
    let known = state.aggregation.table();
    let described = join_all(remotes.map(async |remote| {
        let key = (remote.group.clone(), remote.version.clone());
        let description = describe(state, &remote, known.described.get(&key)).await;
        (key, description)
    }));
    let described: BTreeMap<_, _> = described.await.into_iter().collect();
    state.aggregation.put(Table {
        remotes: known.remotes.clone(),
        described,
    });
    join_all(all.into_iter().map(async |(object, remote)| {
        let verdict = match &remote {
            Some(remote) => verdict(state, remote).await,
            None => Verdict::local(),
        };
        status::write(state, object, &verdict).await;
    }))
    .await;
}

/// Sends requests where the APIServices say from now on.
fn route(state: &State, remotes: impl Iterator<Item = Arc<Remote>>) {
    let remotes: BTreeMap<_, _> = remotes
        .filter(|remote| !state.resources.has_builtin(&remote.group))
        .map(|remote| ((remote.group.clone(), remote.version.clone()), remote))
        .collect();
    let known = state.aggregation.table();
    let described = known
        .described
        .iter()
        .filter(|(key, _)| remotes.contains_key(*key));
    let described = described.map(|(key, description)| (key.clone(), description.clone()));
    state.aggregation.put(Table {
        described: described.collect(),
        remotes,
    });
}
