//! Clients of Debian's sid, which `cargo xtask clients` puts beside this host's own: newer than its release has.

use std::path::{Path, PathBuf};

/// Made by `xtask/src/clients.rs`, which counts the name up.
const PLACE: &str = "sid-1";

/// A client, by the name of its program: `docker`, `docker-buildx`, `docker-compose`, `oras`, `ctr`, `containerd`,
/// `skopeo`, `podman`, `buildah`. The last three need root, and run with sid's `/usr` in a mount namespace of their own.
///
/// # Panics
/// It is not there.
#[must_use]
pub fn client(name: &str) -> PathBuf {
    let path = place().join("bin").join(name);
    assert!(path.exists(), "`cargo xtask clients` fetches {}", path.display());
    path
}

/// Makes `directory` one for `DOCKER_CONFIG` with which `docker` has `docker buildx` and `docker compose` of sid.
///
/// # Panics
/// It cannot be written.
pub fn docker_config(directory: &Path) {
    let plugins = place().join("root/usr/libexec/docker/cli-plugins");
    let config = serde_json::json!({ "cliPluginsExtraDirs": [plugins] });
    std::fs::create_dir_all(directory).expect("a directory");
    std::fs::write(directory.join("config.json"), config.to_string()).expect("a file");
}

#[expect(clippy::disallowed_methods, reason = "cargo's own word of where clients are")]
fn place() -> PathBuf {
    let clients = std::env::var_os("GANTRY_CLIENTS").expect("cargo sets it (.cargo/config.toml)");
    PathBuf::from(clients).join(PLACE)
}
