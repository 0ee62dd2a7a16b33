//! Boils upstream's swagger.json down to what the comparison of `crates/kube/openapi` needs: no descriptions, parameters
//! where they are used, one compressed file.

use super::Result;
use serde_json::{Map, Value};
use std::path::Path;

pub(super) fn facts(swagger: &Path) -> Result<Vec<u8>> {
    let mut document: Value = serde_json::from_slice(&std::fs::read(swagger)?)?;
    let parameters = document["parameters"].take();
    let mut kept = Map::new();
    for part in ["paths", "definitions"] {
        let mut value = document[part].take();
        strip(&mut value, &parameters, false)?;
        kept.insert(part.to_owned(), value);
    }
    let text = Value::Object(kept).to_string();
    Ok(miniz_oxide::deflate::compress_to_vec(text.as_bytes(), 10))
}

/// Takes descriptions out and puts shared parameters in. Below `properties`, `description` is a member's name.
fn strip(value: &mut Value, parameters: &Value, names: bool) -> Result<()> {
    let shared = value["$ref"]
        .as_str()
        .and_then(|place| place.strip_prefix("#/parameters/"));
    if let Some(name) = shared {
        let found = parameters
            .get(name)
            .ok_or_else(|| format!("there is no parameter {name}"))?;
        *value = found.clone();
    }
    match value {
        Value::Object(members) => {
            if !names {
                members.remove("description");
            }
            for (name, member) in members {
                strip(member, parameters, name == "properties" && !names)?;
            }
        }
        Value::Array(items) => items
            .iter_mut()
            .try_for_each(|item| strip(item, parameters, false))?,
        _ => {}
    }
    Ok(())
}
