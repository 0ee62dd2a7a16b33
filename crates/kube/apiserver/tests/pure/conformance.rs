//! Upstream's conformance tests that need neither a kubelet nor a workload controller, with the same steps.
//!
//! `docs/conformance.tsv` says for each name of v1.36 which test of ours takes its steps; a test here sees to it that
//! what the table names is there.

#[path = "conformance/fields.rs"]
mod fields;
#[path = "conformance/lives.rs"]
mod lives;
#[path = "conformance/objects.rs"]
mod objects;
#[path = "conformance/reads.rs"]
mod reads;
#[path = "conformance/watchers.rs"]
mod watchers;

use std::collections::BTreeSet;
use std::path::Path;

const TABLE: &str = include_str!("../../../../../docs/conformance.tsv");

/// Whether `FILE::FUNCTION` or `FILE::FUNCTION WORD` exists, below the workspace.
fn exists(reference: &str) -> Result<(), String> {
    let (place, word) = reference.split_once(' ').unwrap_or((reference, ""));
    let (file, function) = place.split_once("::").ok_or("it names no function")?;
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..");
    let text = std::fs::read_to_string(root.join(file)).map_err(|why| why.to_string())?;
    let found = text.contains(&format!("fn {function}(")) && text.contains(word);
    found.then_some(()).ok_or_else(|| "it is not there".to_owned())
}

#[test]
fn the_table_of_names_has_no_dangling_reference() {
    let rows: Vec<(&str, &str)> = TABLE
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.split_once('\t').unwrap_or((line, "")))
        .collect();
    let names: BTreeSet<&str> = rows.iter().map(|(name, _)| *name).collect();
    assert_eq!(names.len(), rows.len(), "a name stands twice");
    assert!(rows.is_sorted(), "the names are sorted");
    let dangling: Vec<String> = rows
        .iter()
        .filter_map(|(name, test)| Some(format!("{name}: {test}: {}", exists(test).err()?)))
        .collect();
    assert!(dangling.is_empty(), "{}", dangling.join("\n"));
}
