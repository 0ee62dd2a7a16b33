//! `cargo xtask codegen`: upstream's facts become Gantry's static tables.
//!
//! Two steps, so that the project builds and tests without the reference folder:
//!
//! 1. where `shared/reference` exists, the facts that Gantry needs (names, types, tags, numbers,
//!    merge keys; no prose) are copied into `crates/kube/schema/facts/*.tsv`, and upstream's
//!    round-trip files into one compressed pack;
//! 2. from those facts, and only those, the Rust tables in `src/generated` are printed.
//!
//! `--check` writes nothing and fails when a file on disk differs from what would be written.
//! BuildKit's protos go the same way into `crates/docker/buildkit` and `crates/docker/llb`.
//! Everything is sorted, so the output depends on nothing but the input.

mod facts;
mod golden;
mod openapi;
mod pack;
mod protos;
mod resources;
mod shared;
mod swagger;
mod types;

use std::path::{Path, PathBuf};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// A generated file: where it goes, relative to the schema crate, and its bytes.
struct Output {
    path: &'static str,
    bytes: Vec<u8>,
}

/// Regenerates facts (where `shared/` exists) and tables; with `check`, only compares.
pub(crate) fn run(check: bool) -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .ok_or("xtask has no parent folder")?;
    let schema = root.join("crates/kube/schema");
    let buildkit = root.join("crates/docker/buildkit");
    if let Some(reference) = reference(root) {
        settle(&schema, shared_outputs(&reference, &schema)?, check)?;
        for (path, bytes) in protos::copied(&reference)? {
            settle_one(&buildkit.join(path), &bytes, check)?;
        }
    }
    for (krate, messages) in [
        ("llb", protos::Messages::Llb),
        ("buildkit", protos::Messages::Services),
    ] {
        let place = root.join("crates/docker").join(krate).join("src/generated.rs");
        settle_one(&place, &protos::print(&buildkit.join("proto"), messages)?, check)?;
    }
    settle(&schema, tables(&schema)?, check)
}

/// The reference folder lies beside the repository, or one level higher beside a worktree.
fn reference(root: &Path) -> Option<PathBuf> {
    let beside = root.parent()?.join("shared/reference");
    beside.join("kubernetes").is_dir().then_some(beside)
}

fn shared_outputs(reference: &Path, schema: &Path) -> Result<Vec<Output>> {
    let extra = facts::extra_names(&schema.join("facts"))?;
    let kubernetes = reference.join("kubernetes");
    Ok(vec![
        Output {
            path: "facts/types.tsv",
            bytes: shared::types(&kubernetes, extra)?.into_bytes(),
        },
        Output {
            path: "facts/resources.tsv",
            bytes: swagger::resources(&kubernetes)?.into_bytes(),
        },
        Output {
            path: "tests/roundtrip.pack",
            bytes: pack::roundtrip(&kubernetes.join("roundtrip"))?,
        },
        Output {
            path: "../apiserver/tests/pure/golden-1.20.jsonl",
            bytes: golden::transcripts(&kubernetes.join("golden-1.20/transcripts.json"))?.into_bytes(),
        },
        Output {
            path: "../openapi/tests/pure/swagger.deflate",
            bytes: openapi::facts(&kubernetes.join("swagger.json"))?,
        },
    ])
}

fn tables(schema: &Path) -> Result<Vec<Output>> {
    let facts = facts::Facts::read(&schema.join("facts"))?;
    let table = types::Table::build(&facts)?;
    Ok(vec![
        Output {
            path: "src/generated/types.rs",
            bytes: table.print().into_bytes(),
        },
        Output {
            path: "src/generated/resources.rs",
            bytes: resources::print(&facts, &table)?.into_bytes(),
        },
    ])
}

fn settle(schema: &Path, outputs: Vec<Output>, check: bool) -> Result<()> {
    for Output { path, bytes } in outputs {
        settle_one(&schema.join(path), &bytes, check)?;
    }
    Ok(())
}

fn settle_one(file: &Path, bytes: &[u8], check: bool) -> Result<()> {
    if std::fs::read(file).is_ok_and(|old| old == bytes) {
        return Ok(());
    }
    if check {
        return Err(format!("{} is stale: run `cargo xtask codegen`", file.display()).into());
    }
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder)?;
    }
    Ok(std::fs::write(file, bytes)?)
}
