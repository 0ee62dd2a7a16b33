//! What a container is given that asks for nothing, and the note that says so.

use schema::cursor::{self, Ref};
use schema::row::Types;
use schema::tree::{Struct, Value};

use super::{Limit, Texts};

const NOTE: &str = "kubernetes.io/limit-ranger";
const NOTE_BEGINS: &str = "LimitRanger plugin set: ";

/// Fills in a limit's defaults.
pub(super) fn fill(types: &Types, pod: &mut Struct, limit: &Limit) {
    let mut notes = Vec::new();
    for (list, what) in [
        ("spec.containers", "container"),
        ("spec.initContainers", "init container"),
    ] {
        cursor::each_mut(types, pod, list, |container| {
            let name = Ref::new(types, container).at("name").str().to_owned();
            for (side, of, defaults) in [
                ("resources.requests", "request", &limit.default_request),
                ("resources.limits", "limit", &limit.r#default),
            ] {
                let set = fill_side(types, container, side, defaults);
                if !set.is_empty() {
                    notes.push(format!("{} {of} for {what} {name}", set.join(", ")));
                }
            }
        });
    }
    note(types, pod, &notes);
}

/// The names of what was not there.
fn fill_side<'a>(types: &Types, container: &mut Struct, side: &str, defaults: &'a Texts) -> Vec<&'a str> {
    let asked = Ref::new(types, container).path(side);
    let missing = defaults.iter().filter(|(name, _)| !asked.at(name).exists());
    let missing: Vec<(&'a String, &'a String)> = missing.collect();
    for (name, amount) in &missing {
        if let Some(asked) = cursor::map_mut(types, container, side) {
            asked.insert(name, Value::str(amount));
        }
    }
    missing.into_iter().map(|(name, _)| name.as_str()).collect()
}

/// Several LimitRanges each leave their note, the last one's stays: upstream overwrites it too.
fn note(types: &Types, pod: &mut Struct, notes: &[String]) {
    if notes.is_empty() {
        return;
    }
    if let Some(annotations) = cursor::map_mut(types, pod, "metadata.annotations") {
        let text = format!("{NOTE_BEGINS}{}", notes.join("; "));
        annotations.insert(NOTE, Value::Str(text.into()));
    }
}
