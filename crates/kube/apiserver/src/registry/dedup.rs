//! Owner references that are there twice are stored once, and the client is told (upstream's
//! `dedupOwnerReferencesAndAddWarning`).

use std::collections::BTreeSet;

use schema::cursor::{self, Ref};
use schema::json;
use schema::row::Types;
use schema::tree::{Struct, Value};

use super::op::Op;

const OWNERS: &str = "metadata.ownerReferences";

/// When they were found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// The client sent them.
    InRequest,
    /// Admission put them in.
    AfterAdmission,
}

/// Takes out what is there twice. References to one owner that differ stay: validation refuses them or not.
pub(super) fn dedup_owners(op: &Op<'_>, tree: &mut Struct, found: Found) {
    if Ref::new(op.types(), tree).path(OWNERS).len() < 2 {
        return;
    }
    let twice = take_out(op.types(), tree);
    if twice.is_empty() {
        return;
    }
    let when = match found {
        Found::InRequest => "",
        Found::AfterAdmission => " after mutating admission happens",
    };
    op.call.warnings.add(format!(
        ".metadata.ownerReferences contains duplicate entries{when}; API server dedups owner references in 1.20+, and may reject such requests as early as 1.24; please fix your requests; duplicate UID(s) observed: {}",
        twice.join(", ")
    ));
}

/// The uids of the owners that were there twice.
fn take_out(types: &Types, tree: &mut Struct) -> Vec<String> {
    let Some(Value::List(owners)) = cursor::get_mut(types, tree, OWNERS) else {
        return Vec::new();
    };
    let mut twice = Vec::new();
    // By their bytes: a request may name tens of thousands.
    let mut seen = BTreeSet::new();
    owners.retain(|owner| {
        let mut bytes = Vec::new();
        json::encode_value(types, owner, &mut bytes);
        let first = seen.insert(bytes);
        if !first {
            twice.push(Ref::of(types, owner).at("uid").str().to_owned());
        }
        first
    });
    twice.dedup();
    twice
}
