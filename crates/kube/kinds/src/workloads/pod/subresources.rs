//! The ways to a pod beside itself and its status.

use schema::cursor::{self, Ref};
use schema::field::{Error, Errors, Path};
use schema::row::Types;
use schema::tree::Struct;

use super::annotations::{self, MIRROR};
use super::kept::Kept;
use super::{off, resize, update};
use crate::internal::difference;
use crate::{Place, Subresource};

/// What each of them takes from the new pod, and what it may be.
pub(super) const SUBRESOURCES: &[Subresource] = &[
    Subresource {
        name: "ephemeralcontainers",
        prepare: |context, new, old| {
            keep_all_but(context.types, new, old, &["ephemeralContainers"]);
            let before = Ref::new(context.types, old).at("spec");
            if let Some(schema::tree::Value::Struct(spec)) = cursor::get_mut(context.types, new, "spec") {
                off::drop_disabled(context.types, spec, Some(before));
            }
        },
        validate: |_, new, old, errors| ephemeral(new, old, errors),
    },
    Subresource {
        name: "resize",
        prepare: resize::prepare,
        validate: |_, new, old, errors| resize::validate(new, old, errors),
    },
];

/// Of the old pod everything but these members of its spec.
pub(super) fn keep_all_but(types: &Types, new: &mut Struct, old: &Struct, members: &[&str]) {
    let old = Ref::new(types, old);
    let own = Ref::new(types, new).at("spec");
    let given: Vec<_> = members
        .iter()
        .map(|name| (*name, own.at(name).cloned()))
        .collect();
    for path in ["spec", "status"] {
        update::keep(types, new, old, path);
    }
    for (name, value) in given {
        let path = format!("spec.{name}");
        match value {
            Some(value) => cursor::set(types, new, &path, value),
            None => drop(cursor::remove(types, new, &path)),
        }
    }
}

/// Whether a kubelet shows here a pod that it has from a file.
pub(super) fn is_mirror(pod: Ref<'_>) -> bool {
    pod.path("metadata.annotations").at(MIRROR).exists()
}

/// An error that no field is named in.
pub(super) fn refuse(errors: &mut Errors, text: &str) {
    errors.clear();
    errors.push(Error::forbidden(&Path::root(), text));
}

/// Those that there are stay as they are.
fn ephemeral(new: Ref<'_>, old: Ref<'_>, errors: &mut Errors) {
    super::validate(new, &Kept::of(Some(old)), errors);
    let root = Place::root(new);
    annotations::validate_update(&root.child("metadata"), old.at("metadata"), errors);
    if is_mirror(old) {
        return refuse(errors, "static pods do not support ephemeral containers");
    }
    let list = root.child("spec.ephemeralContainers");
    for was in old.path("spec.ephemeralContainers").items() {
        let name = was.at("name").str();
        let what = format!("existing ephemeral containers {name:?} may not be");
        match list.items().find(|container| container.at("name").str() == name) {
            None => list.forbidden(errors, format!("{what} removed\n")),
            Some(now) if now != was => {
                list.forbidden(errors, format!("{what} changed\n{}", difference(was, now)));
            }
            Some(_) => {}
        }
    }
}
