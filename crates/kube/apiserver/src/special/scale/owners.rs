//! Who owns a number of replicas: the managers of an object as those of its Scale, and back again.

use patch::managed::{self, Application, Kind, Replicas, Writer, to_parent, to_scale};
use schema::BUILTIN;
use schema::tree::{Struct, Value};

use super::API_VERSION;
use crate::registry::{Op, rfc3339};
use crate::{Answer, Refused};

/// Where every built-in kind has its replicas.
const PATH: [&str; 2] = ["spec", "replicas"];

/// Gives a Scale the managers that own the object's replicas.
pub(super) fn show(op: &Op<'_>, object: &Struct, scale: &mut Struct) {
    with_replicas(op, |replicas| to_scale(replicas, object, &BUILTIN, scale));
}

/// Gives the object the managers of its replicas as the Scale has them now.
pub(super) fn hand_back(op: &Op<'_>, object: &mut Struct, scale: &Struct) {
    with_replicas(op, |replicas| to_parent(replicas, object, &BUILTIN, scale));
}

/// Records the writer as the owner of what it changes.
pub(super) fn record(op: &Op<'_>, old: &Struct, new: &mut Struct) {
    as_writer(op, old, |kind, writer| {
        managed::update(kind, Some(old), new, writer);
    });
}

/// Lays a configuration over a Scale.
///
/// # Errors
/// 409 with a cause for each conflict, 400, and upstream's 500 for what is no Scale.
pub(super) fn apply(op: &Op<'_>, old: &Struct, config: &Value) -> Answer<Struct> {
    let applied = as_writer(op, old, |kind, writer| {
        let application = Application {
            name: "Scale",
            kind,
            live: Some(old),
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

fn with_replicas<T>(op: &Op<'_>, act: impl FnOnce(Replicas<'_>) -> T) -> T {
    let served = |api_version: &str| {
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        op.state
            .resources
            .lookup(group, version, &op.served.def.plural)
            .is_some()
    };
    let custom = super::custom_scale(op).map(|scale| scale.spec.split('.').collect::<Vec<_>>());
    act(Replicas {
        types: op.types(),
        api_version: &op.served.api_version(),
        path: custom.as_deref().unwrap_or(&PATH),
        served: &served,
    })
}

fn as_writer<T>(op: &Op<'_>, scale: &Struct, act: impl FnOnce(Kind<'_>, &Writer<'_>) -> T) -> T {
    let kind = Kind {
        types: &BUILTIN,
        ty: scale.ty,
        api_version: API_VERSION,
        served: &|api_version| api_version == API_VERSION,
    };
    let writer = Writer {
        manager: &op.options.manager,
        subresource: op.subresource,
        time: &rfc3339(op.now),
        resets: &[],
    };
    act(kind, &writer)
}
