//! What a definition's author is warned of.

use std::collections::BTreeSet;

use schema::cursor::Ref;
use schema::json::go_quote;

use crate::Format;

/// Of a new definition, and of what an update brings.
pub(super) fn of(new: Ref<'_>, old: Option<Ref<'_>>) -> Vec<String> {
    let known = old.map(all).unwrap_or_default();
    all(new)
        .into_iter()
        .filter(|warning| !known.contains(warning))
        .collect()
}

fn all(definition: Ref<'_>) -> Vec<String> {
    let (mut formats, mut sets) = (Vec::new(), BTreeSet::new());
    for version in definition.path("spec.versions").items() {
        each(version.path("schema.openAPIV3Schema"), &mut |schema| {
            let format = schema.at("format").str();
            let warning = format!("unrecognized format {}", go_quote(format));
            if Format::is_unrecognized(format, schema.at("type").str()) && !formats.contains(&warning) {
                formats.push(warning);
            }
            let items = schema.path("items.type").str();
            if schema.at("x-kubernetes-list-type").str() == "set" && ["array", "object"].contains(&items) {
                sets.insert(format!(
                    "x-kubernetes-list-type: set for items of type {} is not supported by server-side apply or CEL \
                     validation rules",
                    go_quote(items)
                ));
            }
        });
    }
    formats.into_iter().chain(sets).collect()
}

/// Does something with each schema in a schema.
pub(super) fn each(schema: Ref<'_>, act: &mut impl FnMut(Ref<'_>)) {
    if schema.object().is_none() {
        return;
    }
    act(schema);
    for name in ["items", "not", "additionalProperties"] {
        each(schema.at(name), act);
    }
    for name in ["allOf", "anyOf", "oneOf"] {
        schema.at(name).items().for_each(|schema| each(schema, act));
    }
    for (_, schema) in schema.at("properties").entries() {
        each(schema, act);
    }
}
