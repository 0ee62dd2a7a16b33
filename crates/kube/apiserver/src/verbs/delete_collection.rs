//! DELETE of a collection: each object that the selectors choose, one after the other.

use std::sync::Arc;

use http::StatusCode;
use schema::json::write_string;
use schema::object::{Obj, Order, Prefix, Revision};
use schema::status::Status;
use store::{KeyRange, RangeRequest};

use super::write_options::delete_options;
use crate::negotiate;
use crate::registry::{self, Judge, Op, store_failed};
use crate::select::{FieldSelector, LabelSelector, Selection, resolve};
use crate::server::State;
use crate::{Answer, Call, Refused, Reply, Served};

/// Deletes what the selectors choose; answers the objects as they were.
///
/// # Errors
/// What the options, admission and the store say; what was deleted before stays so.
pub(super) async fn delete_collection(state: &State, call: &Call, served: &Served) -> Answer<Reply> {
    let selection = selection(call, served)?;
    let (delete, options) = delete_options(call)?;
    let mut op = Op::new(state, call, served, options);
    let (objects, revision) = chosen(&op, &selection).await?;
    for object in &objects {
        op.name = object.meta.name.to_string();
        let namespaced = Op {
            namespace: &object.meta.namespace,
            options: op.options.clone(),
            name: op.name.clone(),
            ..Op::new(state, call, served, op.options.clone())
        };
        match registry::delete(&namespaced, &delete, Judge::Admission).await {
            Err(Refused(status)) if status.reason != "NotFound" => return Err(Refused(status)),
            _ => {}
        }
        // Whoever leaves between two objects ends it.
        call.writing.pause();
    }
    let body = list(served, &objects, revision)?;
    Ok(Reply::Http(negotiate::json(StatusCode::OK, false, body)))
}

fn selection(call: &Call, served: &Served) -> Answer<Selection> {
    let refused = |error: &dyn std::fmt::Display| Refused::from(Status::bad_request(error.to_string()));
    let fields = FieldSelector::parse(&call.info.field_selector).map_err(|error| refused(&error))?;
    Ok(Selection {
        labels: LabelSelector::parse(&call.info.label_selector).map_err(|error| refused(&error))?,
        fields: resolve(fields, served).map_err(|error| refused(&error))?,
    })
}

async fn chosen(op: &Op<'_>, selection: &Selection) -> Answer<(Vec<Arc<Obj>>, Revision)> {
    let mut prefix = op.served.key_prefix();
    if !op.namespace.is_empty() {
        prefix = format!("{prefix}{}/", op.namespace);
    }
    let request = RangeRequest {
        range: KeyRange::prefix(prefix.as_bytes()),
        revision: None,
        limit: None,
    };
    let found = op
        .state
        .store
        .range(&request)
        .await
        .map_err(|error| store_failed(&error))?;
    let order = Order::of(op.types());
    let mut objects = Vec::new();
    for row in found.rows {
        let key = String::from_utf8_lossy(&row.key);
        let revision = Revision(row.mod_revision.0);
        let object = Obj::new(&key, revision, row.value.clone(), order).map_err(Status::internal)?;
        if selection.matches(&object) {
            objects.push(Arc::new(object));
        }
    }
    Ok((objects, Revision(found.revision.0)))
}

fn list(served: &Served, objects: &[Arc<Obj>], revision: Revision) -> Answer<Vec<u8>> {
    let mut out = b"{\"kind\":".to_vec();
    write_string(&mut out, &served.list_kind());
    out.extend_from_slice(b",\"apiVersion\":");
    write_string(&mut out, &served.api_version());
    out.extend_from_slice(
        format!(
            ",\"metadata\":{{\"resourceVersion\":\"{}\"}},\"items\":[",
            revision.0
        )
        .as_bytes(),
    );
    for (at, object) in objects.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        if registry::convert::is_stored(served) && !served.def.types.is_custom() {
            out.extend_from_slice(&object.served(&Prefix::none()));
        } else {
            out.extend_from_slice(&registry::convert::bytes(served, object)?);
        }
    }
    out.extend_from_slice(b"]}");
    Ok(out)
}
