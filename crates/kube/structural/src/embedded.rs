//! Embedded resources: objects inside of objects, with a type and metadata of their own
//! (`schema/objectmeta/validation.go`).

use kinds::Place;
use kinds::rules::{names, text, value};
use schema::cursor::Ref;
use schema::field::{Error, Errors, Path};
use schema::row::Types;

use crate::node::{Additional, Node};
use crate::view::View;

/// Checks every embedded resource below a value.
pub fn embedded(types: &Types, node: &Node, value: View<'_>, at: &Path, errors: &mut Errors) {
    match value {
        View::List(items) => {
            for (index, item) in items.iter().enumerate() {
                if let Some(node) = &node.items {
                    embedded(types, node, item.into(), &at.index(index), errors);
                }
            }
        }
        _ if value.is_object() => {
            if node.embedded {
                resource(types, value, at, errors);
            }
            let mut inside: Vec<(&Node, Path, View<'_>)> = Vec::new();
            value.each(types, |name, member| {
                match (node.property(name), &node.additional) {
                    (Some(node), _) => inside.push((node, at.child(name), member)),
                    (None, Additional::Of(node)) => inside.push((node, at.key(name), member)),
                    _ => {}
                }
            });
            for (node, at, member) in inside {
                embedded(types, node, member, &at, errors);
            }
        }
        _ => {}
    }
}

fn resource(types: &Types, value: View<'_>, at: &Path, errors: &mut Errors) {
    for name in ["apiVersion", "kind"] {
        if value.member(types, name).is_none() {
            errors.push(Error::required(&at.child(name), ""));
        }
    }
    for (name, rule) in [
        ("apiVersion", api_version as fn(&str) -> Vec<String>),
        ("kind", kind),
    ] {
        let path = at.child(name);
        match value.member(types, name) {
            Some(View::Text("")) => errors.push(Error::invalid(&path, "", "must not be empty")),
            Some(View::Text(text)) => {
                let wrong = rule(text);
                errors.extend(wrong.into_iter().map(|why| Error::invalid(&path, text, why)));
            }
            Some(other) => errors.push(Error::invalid(&path, other.bad(types), "must be a string")),
            None => {}
        }
    }
    if let Some(View::Object(metadata)) = value.member(types, "metadata") {
        let name = at.child("metadata").to_string();
        let root = Place::root(Ref::new(types, metadata));
        meta(&root.named(&name, root.value()), errors);
    }
}

fn api_version(text: &str) -> Vec<String> {
    let slashes = text.matches('/').count();
    let wrong = slashes > 1;
    wrong
        .then(|| format!("unexpected GroupVersion string: {text}"))
        .into_iter()
        .collect()
}

fn kind(text: &str) -> Vec<String> {
    let wrong = names::dns1035_label(&text.to_lowercase());
    let told = || {
        format!(
            "may have mixed case, but should otherwise match: {}",
            wrong.join(",")
        )
    };
    (!wrong.is_empty()).then(told).into_iter().collect()
}

/// Names are path segments here, and may be missing.
fn meta(metadata: &Place<'_, '_>, errors: &mut Errors) {
    for name in ["name", "generateName"] {
        metadata.child(name).check(errors, names::path_segment);
    }
    let namespace = metadata.child("namespace");
    if !namespace.is_empty() {
        namespace.check(errors, names::dns1123_label);
    }
    value::labels(&metadata.child("labels"), errors);
    let annotations = metadata.child("annotations");
    for (key, _) in annotations.entries() {
        let wrong = text::qualified_name(&key.to_lowercase());
        wrong
            .into_iter()
            .for_each(|why| annotations.invalid_value(errors, key, why));
    }
    let finalizers = metadata.child("finalizers");
    for name in finalizers.strings() {
        let wrong = text::qualified_name(name);
        wrong
            .into_iter()
            .for_each(|why| finalizers.invalid_value(errors, name, why));
    }
}
