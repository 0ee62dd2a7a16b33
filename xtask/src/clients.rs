//! Clients of Debian's sid, for tests that need newer ones than this host's release has.
//!
//! apt fetches and verifies them as it does this host's own packages, from the same mirror, but with lists, caches and a
//! record of installed packages of its own: the host's apt never hears of sid. Nothing is installed. All packages, with
//! everything that they depend upon, are unpacked into one tree, and each client gets one file in `bin` that runs it:
//! Go's programs run as they are; those that need sid's libraries see that tree's `/usr` in place of the host's.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::base_images;
use crate::run::{Failed, Result, execute, say};
use crate::tools::in_shell;

/// In the directory that `.cargo/config.toml` names; testkit looks there. Counted up when what is made here changes.
const PLACE: &str = "sid-1";
const SUITE: &str = "sid";
/// What has signed Debian's suites.
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// How a program of sid runs on this host.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Runs {
    /// Any libc does.
    AsItIs,
    /// With libraries that this host has not, and children that need them too.
    AmongItsOwn,
}
use Runs::{AmongItsOwn, AsItIs};

/// Name, package, where the program is, how it runs, and how to see, in shell, that it is there and new enough.
const CLIENTS: &[(&str, &str, &str, Runs, &str)] = &[
    (
        "docker",
        "docker-cli",
        "usr/bin/docker",
        AsItIs,
        "docker --version | grep -qE 'version (2[89]|[3-9][0-9])[.]'",
    ),
    (
        "docker-buildx",
        "docker-buildx",
        "usr/libexec/docker/cli-plugins/docker-buildx",
        AsItIs,
        "docker-buildx version | grep -qE ' 0[.](29|[3-9][0-9])[.]'",
    ),
    (
        "docker-compose",
        "docker-compose",
        "usr/libexec/docker/cli-plugins/docker-compose",
        AsItIs,
        "docker-compose version | grep -qE 'version v?([2-9][.][4-9][0-9]|[3-9])[.]'",
    ),
    (
        "oras",
        "oras",
        "usr/bin/oras",
        AsItIs,
        "oras version | grep -qE 'Version: +[1-9][.]'",
    ),
    (
        "ctr",
        "containerd",
        "usr/bin/ctr",
        AsItIs,
        "ctr --version | grep -qE 'v2 [2-9][.]'",
    ),
    (
        "containerd",
        "containerd",
        "usr/bin/containerd",
        AsItIs,
        "containerd --version | grep -qE 'v2 [2-9][.]'",
    ),
    (
        "skopeo",
        "skopeo",
        "usr/bin/skopeo",
        AmongItsOwn,
        "skopeo --version | grep -qE 'version 1[.](2[2-9]|[3-9][0-9])[.]'",
    ),
    (
        "podman",
        "podman",
        "usr/bin/podman",
        AmongItsOwn,
        "podman --version | grep -qE 'version ([5-9]|[1-9][0-9])[.]'",
    ),
    (
        "buildah",
        "buildah",
        "usr/bin/buildah",
        AmongItsOwn,
        "buildah --version | grep -qE 'version 1[.](4[0-9]|[5-9][0-9])[.]'",
    ),
];

/// What nobody reads here, a fifth of all.
const LEFT_OUT: &[&str] = &[
    "usr/share/doc",
    "usr/share/man",
    "usr/share/locale",
    "usr/libexec/buildah",
    "var",
];

/// Fetches the clients where they are not there. One that cannot be had, or is too old, fails the suite.
pub(crate) fn ensure() -> Result {
    let place = clients().join(PLACE);
    if !place.exists() {
        // Whole or not at all.
        let part = clients().join(format!("{PLACE}.{}", std::process::id()));
        let made = make(&part, &place).and_then(|()| fs::rename(&part, &place).map_err(Failed::because));
        let _ = fs::remove_dir_all(&part);
        made?;
    }
    let bin = place.join("bin");
    let missing = CLIENTS.iter().filter(|(.., probe)| !answers(&bin, probe));
    let missing: Vec<&str> = missing.map(|(name, ..)| *name).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let (names, place) = (missing.join(", "), place.display());
    Err(Failed(format!(
        "not as new as the tests need it: {names} of {place} (fetched again once that is removed)"
    )))
}

#[expect(
    clippy::disallowed_methods,
    reason = "a task is told where things lie by cargo's configuration"
)]
fn clients() -> PathBuf {
    std::env::var_os("GANTRY_CLIENTS").map_or_else(|| "target/clients".into(), PathBuf::from)
}

fn answers(bin: &Path, probe: &str) -> bool {
    in_shell(&format!("PATH='{}':$PATH; {probe}", bin.display()))
}

/// Makes all of it in `part`, to be moved to `place`.
fn make(part: &Path, place: &Path) -> Result {
    let (apt, root, bin) = (part.join("apt"), part.join("root"), part.join("bin"));
    for each in [&apt, &root, &bin] {
        fs::create_dir_all(each).map_err(Failed::because)?;
    }
    fetch(&apt)?;
    unpack(&apt.join("archives"), &root)?;
    for each in LEFT_OUT {
        let _ = fs::remove_dir_all(root.join(each));
    }
    fs::remove_dir_all(&apt).map_err(Failed::because)?;
    CLIENTS.iter().try_for_each(|(name, _, path, runs, _)| {
        let link = bin.join(name);
        match runs {
            AsItIs => symlink(Path::new("../root").join(path), link),
            AmongItsOwn => script(&link, &place.join("root/usr"), path),
        }
        .map_err(Failed::because)
    })
}

/// Runs `program` where the host's `/usr` is covered by sid's, for itself and its children alone.
fn script(file: &Path, usr: &Path, program: &str) -> std::io::Result<()> {
    let (usr, covered) = (usr.display(), r#"mount --bind "$0" /usr && exec "$@""#);
    fs::write(
        file,
        format!("#!/bin/sh\nexec unshare --mount sh -c '{covered}' '{usr}' /{program} \"$@\"\n"),
    )?;
    fs::set_permissions(file, fs::Permissions::from_mode(0o755))
}

/// The clients' packages and what they depend upon, verified.
fn fetch(state: &Path) -> Result {
    prepare(state)?;
    apt(state, &["update"])?;
    let mut wanted: Vec<&str> = CLIENTS.iter().map(|(_, package, ..)| *package).collect();
    wanted.dedup();
    let fetch = ["--download-only", "--no-install-recommends", "--yes", "install"];
    apt(state, &[&fetch[..], &wanted].concat())
}

fn unpack(archives: &Path, root: &Path) -> Result {
    let each = "for each in \"$0\"/*.deb; do dpkg --extract \"$each\" \"$1\" || exit; done";
    execute(Command::new("sh").args(["-c", each]).arg(archives).arg(root))
}

/// A directory where apt knows of no installed package and of one suite, of the mirror that this host uses.
fn prepare(state: &Path) -> Result {
    for each in ["lists/partial", "archives/partial"] {
        fs::create_dir_all(state.join(each)).map_err(Failed::because)?;
    }
    let mirror = base_images::mirror(&base_images::sources()?)?.to_owned();
    let source = format!("deb [signed-by={KEYRING}] {mirror} {SUITE} main\n");
    say(&format!("clients of {SUITE}, from {mirror}"));
    fs::write(state.join("sources.list"), source).map_err(Failed::because)?;
    fs::write(state.join("status"), "").map_err(Failed::because)
}

/// apt-get with this state; everything else, proxies above all, is as this host has it.
fn apt(state: &Path, words: &[&str]) -> Result {
    let at = |name: &str| state.join(name).display().to_string();
    let settings = [
        format!("Dir::State={}", at("")),
        format!("Dir::State::lists={}", at("lists")),
        format!("Dir::State::status={}", at("status")),
        format!("Dir::Cache={}", at("")),
        format!("Dir::Etc::sourcelist={}", at("sources.list")),
        "Dir::Etc::sourceparts=/dev/null".to_owned(),
        "Dir::Etc::preferences=/dev/null".to_owned(),
        "Dir::Etc::preferencesparts=/dev/null".to_owned(),
        "Acquire::AllowInsecureRepositories=false".to_owned(),
        "Acquire::Languages=none".to_owned(),
        // The directory is in a checkout, which apt's own user need not be able to read.
        "APT::Sandbox::User=root".to_owned(),
    ];
    let mut command = Command::new("apt-get");
    command
        .arg("--quiet")
        .args(settings.map(|each| format!("--option={each}")));
    execute(command.args(words))
        .map_err(|failed| Failed(format!("cannot fetch the clients of {SUITE}: {failed}")))
}
