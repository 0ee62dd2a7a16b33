//! DELETE of a collection: each object that the selectors choose, one after the other, page by page.

use schema::object::Obj;
use schema::status::Status;

use super::list::{self, Listed, Objects};
use super::list_body;
use super::options::ListOptions;
use super::write_options::delete_options;
use crate::registry::{self, DeleteOptions, Judge, Op, Options};
use crate::server::State;
use crate::{Answer, Call, Refused, Reply, Served};

/// Objects read at a time, where the client says nothing (upstream's `deleteCollectionPageSize`).
const PAGE: usize = 10_000;

/// Deletes what the selectors choose; answers the objects as they were. With a limit that many and no more, and where
/// it goes on.
///
/// # Errors
/// What the options, admission and the store say; what was deleted before stays so.
pub(super) async fn delete_collection(state: &State, call: &Call, served: &Served) -> Answer<Reply> {
    let mut options = ListOptions::of(call, served, false)?;
    let deletion = delete_options(call)?;
    let limited = options.limit.is_some();
    options.limit.get_or_insert(PAGE);
    let mut deleted = Vec::new();
    loop {
        let mut page = list::read(&state.cache, call, served, &options).await?;
        let objects = page.objects.collect();
        for object in &objects {
            delete(state, call, served, object, &deletion).await?;
            // Whoever leaves between two objects ends it.
            call.writing.pause();
        }
        deleted.extend(objects);
        if limited || page.continues.is_empty() {
            let whole = Listed {
                objects: Objects::Page(deleted.into_iter()),
                ..page
            };
            return list_body::reply(state, call, served, whole.shown(state, served).await?);
        }
        options.continues = page.continues;
        options.resource_version.clear();
        options.version_match = None;
    }
}

/// Deletes one; that it is gone already is as good.
async fn delete(
    state: &State,
    call: &Call,
    served: &Served,
    object: &Obj,
    (delete, options): &(DeleteOptions, Options),
) -> Answer<()> {
    let op = Op {
        namespace: &object.meta.namespace,
        name: object.meta.name.to_string(),
        ..Op::new(state, call, served, options.clone())
    };
    match registry::delete(&op, delete, Judge::Admission).await {
        Err(Refused(status)) if !is_gone(&status) => Err(Refused(status)),
        _ => Ok(()),
    }
}

fn is_gone(status: &Status) -> bool {
    status.reason == "NotFound"
}
