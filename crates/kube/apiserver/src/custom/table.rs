//! The task that follows the definitions: it gives them their names, puts their rows into the table of what is served,
//! and writes what came of it into their status.
//!
//! Upstream has a controller for each condition and one that serves; they see each other's writes through the server.
//! Here one turn does all of it for a definition, with one write: a definition is established as soon as it is stored.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use futures_util::FutureExt;
use schema::BUILTIN;
use schema::cursor::Ref;
use schema::object::{Obj, Revision};
use schema::tree::{Struct, Value};
use structural::definition::CLEANUP;

use super::conditions::{self, Condition};
use super::names::{Taken, accept};
use super::{PREFIX, cleanup, compile, status};
use crate::Answer;
use crate::server::State;

/// How long a turn that failed waits before the next.
const RETRY: Duration = Duration::from_secs(1);

/// Definitions whose objects are being deleted, by uid.
pub(super) type Cleaning = Arc<Mutex<BTreeSet<String>>>;

/// What is known of the definitions.
#[derive(Debug, Default)]
pub(crate) struct Table {
    seen: BTreeMap<String, Seen>,
    cleaning: Cleaning,
}

/// A definition as it was when it was last looked at.
#[derive(Debug)]
struct Seen {
    revision: Revision,
    uid: Box<str>,
    generation: i64,
    group: String,
    plural: String,
    /// `status.acceptedNames`
    names: Option<Value>,
    terminating: bool,
    served: bool,
    /// Whether there is nothing to do until it changes: it has the names that it wants.
    settled: bool,
}

/// Serves every stored definition.
///
/// # Errors
/// The store's.
pub(crate) async fn open(state: &Arc<State>) -> Answer<Table> {
    let mut table = Table::default();
    table.turn(state).await?;
    Ok(table)
}

/// Follows the definitions until the cache closes.
pub(crate) async fn run(mut table: Table, state: Weak<State>) {
    let Some(cache) = state.upgrade().map(|state| state.cache.clone()) else {
        return;
    };
    let mut done = Revision(0);
    while cache.wait_for_change(PREFIX, done).await {
        let Some(state) = state.upgrade() else { return };
        let changed = cache.changed(PREFIX);
        // A definition is foreign: whatever it does to a turn, the others are followed.
        let turn = AssertUnwindSafe(table.turn(&state)).catch_unwind().await;
        match turn {
            Ok(Ok(())) => done = changed,
            Ok(Err(refused)) => {
                tracing::warn!(error = %refused.0.message, "custom resource definitions could not be taken in");
                state.env.sleep(RETRY).await;
            }
            Err(_) => {
                tracing::error!("a panic: custom resource definitions are looked at again when one changes");
                done = changed;
            }
        }
    }
}

impl Table {
    async fn turn(&mut self, state: &Arc<State>) -> Answer<()> {
        let snapshot = state.cache.snapshot(PREFIX);
        self.forget(state, |name| snapshot.get(name).is_some());
        for object in snapshot.iter() {
            let known = self.seen.get(&*object.meta.name);
            if known.is_some_and(|seen| seen.settled && seen.revision == object.rev) {
                continue;
            }
            if let Some(tree) = status::read(object) {
                self.take(state, object, tree).await?;
            }
        }
        Ok(())
    }

    /// Ends what is gone.
    fn forget(&mut self, state: &State, is_there: impl Fn(&str) -> bool) {
        self.seen.retain(|name, seen| {
            let there = is_there(name);
            if !there && seen.served {
                withdraw(state, seen);
            }
            there
        });
    }

    /// Takes a definition in: names, conditions, row, status.
    async fn take(&mut self, state: &Arc<State>, object: &Arc<Obj>, tree: Struct) -> Answer<()> {
        let now = status::now(state);
        let mut new = tree.clone();
        self.name(&object.meta.name, &mut new, &now);
        judge(&mut new, &now);
        self.serve(state, object, &new);
        if Ref::new(&BUILTIN, &new).at("status") != Ref::new(&BUILTIN, &tree).at("status") {
            status::write(state, object, &tree, new).await?;
        }
        self.clean(state, object, Ref::new(&BUILTIN, &tree));
        Ok(())
    }

    /// Decides about names, unless the definition has all those that it wants.
    fn name(&self, own: &str, definition: &mut Struct, now: &str) {
        let object = Ref::new(&BUILTIN, definition);
        let (wished, before) = (object.path("spec.names"), object.path("status.acceptedNames"));
        if wished == before && conditions::find(object, "NamesAccepted").is_some() {
            return;
        }
        let accepted = accept(wished, before, &self.taken(own, object.path("spec.group").str()));
        let condition = match &accepted.conflict {
            None => Condition::new("NamesAccepted", "True", "NoConflicts", "no conflicts found"),
            Some((reason, why)) => Condition::new("NamesAccepted", "False", reason, why),
        };
        status::set_names(definition, &accepted);
        conditions::set(&BUILTIN, definition, &condition, now);
    }

    fn taken(&self, own: &str, group: &str) -> Taken {
        let mut taken = Taken::default();
        let others = self
            .seen
            .iter()
            .filter(|(name, seen)| *name != own && seen.group == group);
        for names in others.filter_map(|(_, seen)| seen.names.as_ref()) {
            taken.add(Ref::of(&BUILTIN, names));
        }
        taken
    }

    /// Puts the row into the table, if it is another than before.
    fn serve(&mut self, state: &State, object: &Obj, definition: &Struct) {
        let new = Ref::new(&BUILTIN, definition);
        let accepted = conditions::holds(new, "NamesAccepted");
        let mut seen = Seen {
            revision: object.rev,
            uid: object.meta.uid.clone(),
            generation: object.meta.generation,
            group: new.path("spec.group").str().to_owned(),
            plural: new.path("spec.names.plural").str().to_owned(),
            names: new
                .path("status.acceptedNames")
                .object()
                .map(|names| Value::Struct(Box::new(names.clone()))),
            terminating: object.meta.deletion_timestamp.is_some(),
            served: accepted || conditions::holds(new, "Established"),
            settled: accepted,
        };
        let old = self.seen.remove(&*object.meta.name);
        let same = |old: &Seen| {
            old.served && old.uid == seen.uid && old.generation == seen.generation && old.names == seen.names
        };
        let unchanged = old.as_ref().is_some_and(same);
        let as_it_was = unchanged
            && old
                .as_ref()
                .is_some_and(|old| old.terminating == seen.terminating);
        if seen.served && !as_it_was {
            seen.served = put(state, new, object.rev);
        }
        if let Some(old) = old.filter(|old| old.served && !unchanged) {
            // Who watches has been told by the old schema: it begins anew.
            state.cache.end_watches(&prefix(&old));
        }
        self.seen.insert(object.meta.name.to_string(), seen);
    }

    fn clean(&self, state: &Arc<State>, object: &Obj, definition: Ref<'_>) {
        let held = definition
            .path("metadata.finalizers")
            .strings()
            .any(|name| name == CLEANUP);
        let uid = object.meta.uid.to_string();
        let mut cleaning = self.cleaning.lock().unwrap_or_else(PoisonError::into_inner);
        if object.meta.deletion_timestamp.is_some() && held && cleaning.insert(uid.clone()) {
            let work = cleanup::Work {
                state: Arc::downgrade(state),
                name: object.meta.name.to_string(),
                uid,
                cleaning: self.cleaning.clone(),
            };
            state.env.spawn(Box::pin(cleanup::run(work)));
        }
    }
}

fn prefix(seen: &Seen) -> String {
    format!("/registry/{}/{}/", seen.group, seen.plural)
}

fn withdraw(state: &State, seen: &Seen) {
    state.resources.remove(&seen.group, &seen.plural);
    state.cache.end_watches(&prefix(seen));
}

/// Whether the row could be made and put. A built-in resource is never replaced.
fn put(state: &State, definition: Ref<'_>, since: Revision) -> bool {
    let spec = definition.at("spec");
    if state
        .resources
        .is_builtin(spec.at("group").str(), spec.path("names.plural").str())
    {
        return false;
    }
    match compile::compile(definition, since) {
        Ok((def, custom)) => {
            state.resources.put(def, Arc::new(custom));
            true
        }
        Err(error) => {
            let name = definition.path("metadata.name").str();
            tracing::warn!(definition = name, %error, "a custom resource cannot be served");
            false
        }
    }
}

/// The conditions besides that of the names.
fn judge(definition: &mut Struct, now: &str) {
    let object = Ref::new(&BUILTIN, definition);
    let established = match (
        conditions::holds(object, "NamesAccepted"),
        conditions::find(object, "Established"),
    ) {
        (true, found) if found.is_none_or(|found| found.at("status").str() != "True") => {
            let why = "the initial names have been accepted";
            Some(Condition::new("Established", "True", "InitialNamesAccepted", why))
        }
        (false, None) => {
            let why = "not all names are accepted";
            Some(Condition::new("Established", "False", "NotAccepted", why))
        }
        _ => None,
    };
    let (structural, approved) = (conditions::non_structural(object), conditions::approved(object));
    let wrong = structural.is_some();
    for condition in [established, structural, approved].into_iter().flatten() {
        conditions::set(&BUILTIN, definition, &condition, now);
    }
    if !wrong {
        conditions::remove(&BUILTIN, definition, "NonStructuralSchema");
    }
}
