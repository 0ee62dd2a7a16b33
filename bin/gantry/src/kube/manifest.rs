//! Manifests: documents of YAML or JSON, and where each belongs.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::failure::Failure;

/// The largest file that is read, in bytes.
const MAX_FILE: u64 = 64 << 20;

/// One object of a manifest.
pub(super) struct Document {
    pub(super) api_version: String,
    pub(super) kind: String,
    pub(super) name: String,
    pub(super) namespace: String,
    /// The object as JSON.
    pub(super) json: String,
}

/// The objects of files, of the files of directories by name, and of standard input where the name is `-`.
///
/// # Errors
/// 1 with the file that cannot be read or is no manifest.
pub(super) fn read(paths: &[PathBuf]) -> Result<Vec<Document>, Failure> {
    let mut documents = Vec::new();
    for path in paths {
        if path.as_os_str() == "-" {
            documents.extend(parse("standard input", &bounded(io::stdin())?)?);
        } else if path.is_dir() {
            for file in files(path)? {
                documents.extend(read_file(&file)?);
            }
        } else {
            documents.extend(read_file(path)?);
        }
    }
    if documents.is_empty() {
        return Err(Failure::with_code(1, "no objects passed to apply or delete"));
    }
    Ok(documents)
}

fn read_file(path: &Path) -> Result<Vec<Document>, Failure> {
    let named = |error: io::Error| Failure::with_code(1, format!("{}: {error}", path.display()));
    let text = fs::File::open(path).and_then(bounded).map_err(named)?;
    parse(&path.display().to_string(), &text)
}

fn bounded(input: impl Read) -> io::Result<String> {
    let mut text = String::new();
    input.take(MAX_FILE + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MAX_FILE {
        return Err(io::Error::other(format!("it has more than {MAX_FILE} bytes")));
    }
    Ok(text)
}

/// The manifests of a directory, by name; other files are left alone.
fn files(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = fs::read_dir(directory)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<io::Result<Vec<_>>>()?;
    let manifest = |path: &PathBuf| {
        let extension = path.extension().and_then(|extension| extension.to_str());
        matches!(extension, Some("json" | "yaml" | "yml"))
    };
    files.retain(manifest);
    files.sort_unstable();
    Ok(files)
}

/// The documents of a text; items of a List are documents of their own.
fn parse(source: &str, text: &str) -> Result<Vec<Document>, Failure> {
    let mut documents = Vec::new();
    for part in split(text) {
        let json = schema::yaml::to_json(part.as_bytes());
        let json = json.map_err(|error| Failure::with_code(1, format!("{source}: {error}")))?;
        let value: Value = serde_json::from_slice(&json)?;
        match value["items"].as_array() {
            _ if value.is_null() => {}
            Some(items) if value["kind"].as_str().is_some_and(|kind| kind.ends_with("List")) => {
                for item in items {
                    documents.push(document(source, item)?);
                }
            }
            _ => documents.push(document(source, &value)?),
        }
    }
    Ok(documents)
}

/// The documents of a stream, at lines that begin with `---`.
fn split(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    for line in text.lines() {
        let ends = line
            .strip_prefix("---")
            .is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t']));
        match parts.last_mut() {
            Some(part) if !ends => {
                part.push_str(line);
                part.push('\n');
            }
            _ => parts.push(String::new()),
        }
    }
    let content = |part: &String| {
        part.lines()
            .any(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#'))
    };
    parts.retain(content);
    parts
}

fn document(source: &str, value: &Value) -> Result<Document, Failure> {
    let text = |pointer: &str| {
        value
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let document = Document {
        api_version: text("/apiVersion"),
        kind: text("/kind"),
        name: text("/metadata/name"),
        namespace: text("/metadata/namespace"),
        json: value.to_string(),
    };
    let needed = [
        ("apiVersion", &document.api_version),
        ("kind", &document.kind),
        ("metadata.name", &document.name),
    ];
    match needed.iter().find(|(_, text)| text.is_empty()) {
        Some((field, _)) => Err(Failure::with_code(
            1,
            format!("{source}: an object has no {field}"),
        )),
        None => Ok(document),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# a comment\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {k: |-\n    ---x\n  }\n--- # next\n{apiVersion: v1, kind: List, items: [{apiVersion: v1, kind: Secret, metadata: {name: b, namespace: n1}}]}\n---\n";

    #[test]
    fn documents_and_items_are_objects() {
        let text = TEXT.replace("data: {k: |-\n    ---x\n  }\n", "");
        let found = parse("t", &text).unwrap();
        let names: Vec<String> = found
            .iter()
            .map(|each| format!("{} {}/{}", each.kind, each.namespace, each.name))
            .collect();
        assert_eq!(names, ["ConfigMap /a", "Secret n1/b"]);
    }

    #[test]
    fn what_is_missing_is_named() {
        for (text, says) in [
            ("kind: A\nmetadata: {name: a}\n", "t: an object has no apiVersion"),
            (
                "apiVersion: v1\nmetadata: {name: a}\n",
                "t: an object has no kind",
            ),
            ("apiVersion: v1\nkind: A\n", "t: an object has no metadata.name"),
        ] {
            assert_eq!(parse("t", text).map(drop).unwrap_err().message(), says);
        }
        assert!(parse("t", "a: [").is_err());
    }
}
