//! Managed fields: who owns what a write sets. The rules are `patch::managed`'s; here they meet the request.

use patch::managed::{self, Application, Kind, Writer};
use schema::cursor::{self, Ref};
use schema::tree::{Struct, Value};

use super::op::Op;
use super::time::rfc3339;
use crate::{Answer, Refused};

/// Records the writer as the owner of what a create or update sets.
pub(super) fn record(op: &Op<'_>, live: Option<&Struct>, tree: &mut Struct) {
    with(op, |kind, writer| managed::update(kind, live, tree, writer));
}

const MANAGED: &str = "metadata.managedFields";

/// A write that changes nothing but when its fields were last set changes nothing (upstream's
/// `IgnoreManagedFieldsTimestampsTransformer`).
pub(super) fn keep_times(op: &Op<'_>, live: &Struct, tree: &mut Struct) {
    let types = op.types();
    let (old, new) = (
        Ref::new(types, live).path(MANAGED),
        Ref::new(types, tree).path(MANAGED),
    );
    if old == new || !same_but_time(old, new) {
        return;
    }
    let Some(kept) = old.value().cloned() else { return };
    let Some(own) = cursor::remove(types, tree, MANAGED) else {
        return;
    };
    cursor::set(types, tree, MANAGED, kept);
    if tree != live {
        cursor::set(types, tree, MANAGED, own);
    }
}

fn same_but_time(old: Ref<'_>, new: Ref<'_>) -> bool {
    const MEMBERS: [&str; 5] = ["manager", "operation", "apiVersion", "subresource", "fieldsV1"];
    let same = |(old, new): (Ref<'_>, Ref<'_>)| MEMBERS.iter().all(|member| old.at(member) == new.at(member));
    old.len() == new.len() && old.items().zip(new.items()).all(same)
}

/// Lays a configuration over an object of the served version; the writer owns what it says.
///
/// # Errors
/// 409 with a cause for each conflict, 400, and upstream's 500 for what does not fit the type.
pub(crate) fn apply(op: &Op<'_>, live: Option<&Struct>, config: &Value) -> Answer<Struct> {
    let applied = with(op, |kind, writer| {
        let application = Application {
            name: &op.served.def.kind,
            kind,
            live,
            config,
            force: op.options.force,
        };
        managed::apply(application, writer)
    });
    match applied {
        Ok(applied) => Ok(applied.object),
        Err(error) => Err(Refused::from(error.status())),
    }
}

fn with<T>(op: &Op<'_>, act: impl FnOnce(Kind<'_>, &Writer<'_>) -> T) -> T {
    let served = |api_version: &str| {
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        let plural = &op.served.def.plural;
        op.state.resources.lookup(group, version, plural).is_some()
    };
    let def = &op.served.def;
    let kind = Kind {
        types: &def.types,
        ty: op.served.version().schema,
        api_version: &op.served.api_version(),
        served: &served,
    };
    let custom = def.types.is_custom();
    let writer = Writer {
        manager: &op.options.manager,
        subresource: op.subresource,
        time: &rfc3339(op.now),
        resets: managed::resets(&def.group, &def.plural, op.subresource, custom, op.has_status()),
    };
    act(kind, &writer)
}
