//! `/version`: what clients take the server for.

use serde::Serialize;

/// The major version of the API.
pub const MAJOR: &str = "1";
/// The minor version of the API.
pub const MINOR: &str = "36";
/// The oldest minor version that this one may be emulated by.
const COMPATIBLE: &str = "35";
/// Upstream's release whose API this is, and who serves it: a semantic version with build metadata, which clients
/// compare without it.
pub const GIT_VERSION: &str = concat!("v1.36.3+gantry", env!("CARGO_PKG_VERSION"));

/// `version.Info`
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Info<'a> {
    major: &'a str,
    minor: &'a str,
    emulation_major: &'a str,
    emulation_minor: &'a str,
    min_compatibility_major: &'a str,
    min_compatibility_minor: &'a str,
    git_version: &'a str,
    git_commit: &'a str,
    git_tree_state: &'a str,
    build_date: &'a str,
    go_version: &'a str,
    compiler: &'a str,
    platform: String,
}

/// The document, indented as upstream's. No commit, date or Go version: it is not upstream's build, and builds are reproducible.
pub fn version() -> Vec<u8> {
    let machine = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    let info = Info {
        major: MAJOR,
        minor: MINOR,
        emulation_major: MAJOR,
        emulation_minor: MINOR,
        min_compatibility_major: MAJOR,
        min_compatibility_minor: COMPATIBLE,
        git_version: GIT_VERSION,
        git_commit: "",
        git_tree_state: "clean",
        build_date: "1970-01-01T00:00:00Z",
        go_version: "",
        compiler: "rustc",
        platform: format!("{}/{machine}", std::env::consts::OS),
    };
    // Texts and nothing else: they can be printed.
    serde_json::to_vec_pretty(&info).unwrap_or_default()
}
