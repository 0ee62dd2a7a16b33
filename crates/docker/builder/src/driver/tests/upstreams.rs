//! Upstream's integration tests of its frontend: `docs/conformance-dockerfile.tsv` says for each name which test of ours shows
//! what it shows, or why none does.

use std::collections::BTreeSet;
use std::path::Path;

const TABLE: &str = include_str!("../../../../../../docs/conformance-dockerfile.tsv");

/// Whether `FILE::FUNCTION` or `FILE::FUNCTION WORD` is there, below the workspace.
fn exists(reference: &str) -> Result<(), String> {
    let (place, word) = reference.split_once(' ').unwrap_or((reference, ""));
    let (file, function) = place.split_once("::").ok_or("it names no function")?;
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..");
    let text = std::fs::read_to_string(root.join(file)).map_err(|why| why.to_string())?;
    let found = text.contains(&format!("fn {function}(")) && text.contains(word);
    found.then_some(()).ok_or_else(|| "it is not there".to_owned())
}

#[test]
fn no_name_of_the_table_dangles() {
    let rows: Vec<(&str, &str)> = TABLE
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.split_once('\t').unwrap_or((line, "")))
        .collect();
    let names: BTreeSet<&str> = rows.iter().map(|(name, _)| *name).collect();
    assert_eq!(names.len(), rows.len(), "a name stands twice");
    assert!(rows.is_sorted(), "the names are sorted");
    let tests = rows.iter().filter(|(_, test)| !test.starts_with("- "));
    let dangling: Vec<String> = tests
        .filter_map(|(name, test)| Some(format!("{name}: {test}: {}", exists(test).err()?)))
        .collect();
    assert!(dangling.is_empty(), "{}", dangling.join("\n"));
}
