//! Makes the table of descriptions that `kubectl explain` shows (`src/descriptions.rs` reads it).
//!
//! They are upstream's words and not kept in this repository: they come, at build time, out of the sources of the crate
//! `k8s-openapi` (Apache-2.0). That crate is read and never compiled, which would take minutes: the manifest names it
//! for a target that does not exist, so that `Cargo.lock` pins it and cargo fetches it. One line for each type, `NAME TAB
//! TEXT`, and one for each member, `TAB MEMBER TAB TEXT`, texts as JSON strings; the whole deflated.

#![expect(
    clippy::disallowed_methods,
    reason = "cargo speaks to a build script by variables"
)]

use std::error::Error;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use flate2::Compression;
use flate2::write::DeflateEncoder;
use serde_json::Value;

const CRATE: &str = "k8s-openapi";
/// The module of the Kubernetes version that the resource rows are of.
const VERSION: &str = "v1_36";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=Cargo.toml");
    let mut files = Vec::new();
    rust_files(&sources()?.join("src").join(VERSION), &mut files)?;
    files.sort();
    let mut table = String::new();
    for file in files {
        describe(&fs::read_to_string(file)?, &mut table);
    }
    if table.lines().count() < 3000 {
        return Err(format!("{CRATE} is not written as it was: hardly any description was found").into());
    }
    let out = PathBuf::from(std::env::var("OUT_DIR")?).join("descriptions.deflate");
    let mut packed = DeflateEncoder::new(fs::File::create(out)?, Compression::best());
    packed.write_all(table.as_bytes())?;
    packed.finish()?;
    Ok(())
}

/// Where cargo keeps the crate's sources.
fn sources() -> Result<PathBuf, Box<dyn Error>> {
    let cargo = std::env::var("CARGO")?;
    let ask = |offline: &[&str]| {
        let arguments = ["metadata", "--format-version", "1", "--locked"];
        Command::new(&cargo).args(arguments).args(offline).output()
    };
    let mut output = ask(&["--offline"])?;
    if !output.status.success() {
        output = ask(&[])?;
    }
    let metadata: Value = serde_json::from_slice(&output.stdout)
        .map_err(|_| String::from_utf8_lossy(&output.stderr).into_owned())?;
    let packages = metadata["packages"].as_array().ok_or("cargo lists no packages")?;
    let found = packages.iter().find(|package| package["name"] == CRATE);
    let manifest = found.and_then(|package| package["manifest_path"].as_str());
    let manifest = Path::new(manifest.ok_or_else(|| format!("{CRATE} is not locked"))?);
    Ok(manifest.parent().ok_or("a manifest without a folder")?.to_owned())
}

fn rust_files(folder: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            rust_files(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    Ok(())
}

/// Copies the descriptions out of the one type that a generated file defines: those of its JSON schema, where a
/// type's stands at twelve blanks, a member's name at sixteen, and its description at twenty.
fn describe(source: &str, table: &mut String) {
    let Some(name) = source.strip_prefix("// Generated from definition ") else {
        return;
    };
    let Some((_, schema)) = source.split_once("json_schema!({\n") else {
        return;
    };
    let name = name.lines().next().unwrap_or_default();
    table.push_str(name);
    let mut member = None;
    for line in schema.lines().take_while(|line| *line != "}") {
        let text = line.trim_start();
        match line.len() - text.len() {
            12 => {
                if let Some(text) = described(text, PLAIN) {
                    table.push_str(&format!("\t{text}"));
                }
            }
            16 => {
                let rest = text.strip_prefix('"');
                member = rest.and_then(|rest| Some(rest.split_once("\": ")?.0));
            }
            20 => {
                let text = described(text, PLAIN).or_else(|| described(text, ADDED));
                if let (Some(member), Some(text)) = (member, text) {
                    table.push_str(&format!("\n\t{member}\t{text}"));
                }
            }
            _ => {}
        }
    }
    table.push('\n');
}

/// What stands before and after a description: in a schema, and where one is added to a schema of another type.
const PLAIN: (&str, &str) = ("\"description\": ", ",");
const ADDED: (&str, &str) = (
    "schema_obj.ensure_object().insert(\"description\".into(), ",
    ".into());",
);

fn described<'a>(line: &'a str, (before, after): (&str, &str)) -> Option<&'a str> {
    line.strip_prefix(before)?.strip_suffix(after)
}
