//! Managed fields: who owns what a write sets. The rules are `patch::managed`'s; here they meet the request.

use patch::managed::{self, Application, Kind, Writer};
use schema::tree::{Struct, Value};

use super::op::Op;
use super::update::rfc3339;
use crate::{Answer, Refused};

/// Records the writer as the owner of what a create or update sets.
pub(super) fn record(op: &Op<'_>, live: Option<&Struct>, tree: &mut Struct) {
    with(op, |kind, writer| managed::update(kind, live, tree, writer));
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
