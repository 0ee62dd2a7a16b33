//! Patches and applies of whole objects, by tables of cases.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

mod apply;
mod fields;
mod model;
mod strategic;
mod update;

use patch::managed::{Kind, Writer, update};
use schema::BUILTIN;
use schema::cursor::Ref;
use schema::json::{Options, decode, encode};
use schema::resource::type_of_kind;
use schema::row::TypeId;
use schema::tree::Struct;

/// Every version is served.
pub(crate) fn served(_: &str) -> bool {
    true
}

pub(crate) fn type_of(api_version: &str, kind: &str) -> TypeId {
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    type_of_kind(group, version, kind).unwrap()
}

pub(crate) fn kind(api_version: &'static str, kind: &str) -> Kind<'static> {
    Kind {
        types: &BUILTIN,
        ty: type_of(api_version, kind),
        api_version,
        served: &served,
    }
}

pub(crate) fn object(kind: Kind<'_>, json: &str) -> Struct {
    decode(kind.types, kind.ty, json.as_bytes(), Options::default())
        .unwrap()
        .object
}

pub(crate) fn json(kind: Kind<'_>, object: &Struct) -> String {
    let mut out = Vec::new();
    encode(kind.types, object, &mut out);
    String::from_utf8(out).unwrap()
}

pub(crate) fn writer(manager: &'static str, time: &'static str) -> Writer<'static> {
    Writer {
        manager,
        subresource: "",
        time,
        resets: &[&["status"]],
    }
}

/// The managers of an object, one a line: manager, operation, version, time, subresource, fields.
pub(crate) fn managers(kind: Kind<'_>, object: &Struct) -> String {
    let entries = Ref::new(kind.types, object).path("metadata.managedFields");
    let line = |entry: Ref<'_>| {
        let parts =
            ["manager", "operation", "apiVersion", "time", "subresource"].map(|name| entry.at(name).str());
        let parts = parts.into_iter().filter(|part| !part.is_empty());
        format!(
            "{} {}",
            parts.collect::<Vec<_>>().join(" "),
            entry.at("fieldsV1").json()
        )
    };
    entries.items().map(line).collect::<Vec<_>>().join("\n")
}

/// A write of the object by a manager, from what it is to what it is to be.
pub(crate) fn write(kind: Kind<'_>, live: Option<&Struct>, new: &str, writer: &Writer<'_>) -> Struct {
    let mut new = object(kind, new);
    update(kind, live, &mut new, writer);
    new
}
