//! Recorded answers of a real API server as one compact file: a case on a line, without prose.

use super::Result;
use serde_json::{Value, json};
use std::path::Path;

/// What a case of the recording is called here: the same, but for the two headers.
const REQUEST: [(&str, &str); 6] = [
    ("method", "method"),
    ("path", "path"),
    ("body", "body"),
    ("raw", "raw"),
    ("acc", "accept"),
    ("ct", "content"),
];

pub(super) fn transcripts(file: &Path) -> Result<String> {
    let cases: Vec<Value> = serde_json::from_slice(&std::fs::read(file)?)?;
    let lines: Vec<String> = cases.iter().map(line).collect();
    Ok(lines.concat())
}

fn line(case: &Value) -> String {
    let mut fact = json!({"case": case["case"], "status": case["status"], "response": case["response"]});
    for (recorded, here) in REQUEST {
        if let Some(value) = case["request"].get(recorded) {
            fact[here] = value.clone();
        }
    }
    let columns = fact.pointer_mut("/response/columnDefinitions");
    for column in columns.and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(column) = column.as_object_mut() {
            column.remove("description");
        }
    }
    format!("{fact}\n")
}
