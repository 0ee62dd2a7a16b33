//! `cargo xtask base-images`: what the Debian variant of the shop is built upon, made of Debian's packages.
//!
//! debootstrap fetches them as this host's apt does, and the base is told the same ways: apt's sources, pip's index, the
//! host's certificate authorities (a network that opens https connections has an authority of its own, which no
//! container would know). The archive is kept outside of the checkout, in `GANTRY_BASE_IMAGES`, and used again until
//! [`RECIPE`] changes.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::run::{Failed, Result as Done, execute, output, say};
use crate::tools;

type Result<T> = std::result::Result<T, Failed>;

/// The tag that `examples/shop/debian` builds `FROM`.
const TAG: &str = "shop-base:debian";
const SUITE: &str = "bookworm";
const PACKAGES: &str = "ca-certificates,python3,python3-pip";
/// Counted up when what is made here changes: an archive of another recipe is not used.
const RECIPE: &str = "1";

/// Where the archive lies if `.cargo/config.toml` does not say.
const PLACE: &str = "/var/cache/gantry-base-images";

const PARTS: &[(&[&str], &str)] = &[(&["debootstrap", "--version"], "debootstrap")];

/// Ours and the base's.
const AUTHORITIES: &str = "etc/ssl/certs/ca-certificates.crt";

/// What pip is told of this host's: where packages come from. Its certificates are the base's.
const PIP_KEYS: &[&str] = &["default-timeout", "extra-index-url", "index-url", "proxy"];

/// Makes the base where it is not there, and imports it into the engine that `DOCKER_HOST` names.
pub(crate) fn run() -> Done {
    let archive = ensure()?;
    if !engine_answers() {
        say(&format!(
            "no engine answers at DOCKER_HOST; with one: docker import {} {TAG}",
            archive.display()
        ));
        return Ok(());
    }
    let import = ["import", "--change", "CMD [\"python3\"]"];
    execute(Command::new("docker").args(import).arg(&archive).arg(TAG))
}

/// Makes the archive where it is not there. One that cannot be made fails the suite, as peers do.
pub(crate) fn ensure() -> Result<PathBuf> {
    let place = place();
    let archive = place.join(format!("{SUITE}-{RECIPE}.tar"));
    if archive.exists() {
        return Ok(archive);
    }
    tools::ensure_packages(PARTS, "what makes base images")?;
    fs::create_dir_all(&place).map_err(Failed::because)?;
    let tree = place.join(format!("tree-{}", std::process::id()));
    let made = build(&tree, &archive);
    // A hundred megabytes that nobody needs any more.
    fs::remove_dir_all(&tree).map_err(Failed::because)?;
    made.map(|()| archive)
}

#[expect(
    clippy::disallowed_methods,
    reason = "a task is told where things lie by cargo's configuration"
)]
fn place() -> PathBuf {
    std::env::var_os("GANTRY_BASE_IMAGES").map_or_else(|| PLACE.into(), PathBuf::from)
}

fn engine_answers() -> bool {
    let version = Command::new("docker")
        .args(["version", "--format", "{{.Server.Version}}"])
        .output();
    version.is_ok_and(|output| output.status.success())
}

fn build(tree: &Path, archive: &Path) -> Done {
    let sources = sources()?;
    let mirror = mirror(&sources)?;
    let what = ["--variant=minbase", &format!("--include={PACKAGES}"), SUITE];
    // A tree that a crash spoils is made again: nothing of it needs to be synced.
    let mut command = Command::new("debootstrap");
    command
        .args(what)
        .arg(tree)
        .arg(mirror)
        .env("DPKG_FORCE", "unsafe-io");
    execute(&mut command)?;
    introduce(tree, &sources)?;
    pack(tree, archive)
}

/// A repository of Debian's that apt knows here.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Source {
    address: String,
    release: String,
    component: String,
}

pub(crate) fn sources() -> Result<BTreeSet<Source>> {
    let format = "$(ORIGIN) $(REPO_URI) $(RELEASE) $(COMPONENT)";
    let listed =
        output(Command::new("apt-get").args(["indextargets", "--format", format, "Identifier: Packages"]))?;
    Ok(listed.lines().filter_map(source).collect())
}

/// One of Debian's own, as apt prints it.
fn source(line: &str) -> Option<Source> {
    let mut words = line.strip_prefix("Debian ")?.split(' ').map(str::to_owned);
    Some(Source {
        address: words.next()?,
        release: words.next()?,
        component: words.next()?,
    })
}

pub(crate) fn mirror(sources: &BTreeSet<Source>) -> Result<&str> {
    let source = sources.iter().find(|source| source.release == SUITE);
    let none = || Failed(format!("apt knows no mirror of Debian {SUITE} here"));
    source.map(|source| source.address.as_str()).ok_or_else(none)
}

/// Tells the base what this host knows of the network.
fn introduce(tree: &Path, sources: &BTreeSet<Source>) -> Done {
    let line = |each: &Source| format!("deb {} {} {}\n", each.address, each.release, each.component);
    let listed: String = sources.iter().map(line).collect();
    let write = |path: &str, text: &str| fs::write(tree.join(path), text).map_err(Failed::because);
    write("etc/apt/sources.list", &listed)?;
    write("etc/apt/apt.conf.d/90host", &apt_settings()?)?;
    write("etc/pip.conf", &pip_settings()?)?;
    let ours = fs::read_to_string(Path::new("/").join(AUTHORITIES)).map_err(Failed::because)?;
    write(AUTHORITIES, &ours)?;
    // When a package brings authorities, the file is made anew of what lies here too.
    write("usr/local/share/ca-certificates/host.crt", &ours)
}

/// How packages are fetched here: proxies, and what is checked of a mirror.
fn apt_settings() -> Result<String> {
    let all = output(Command::new("apt-config").arg("dump"))?;
    let wanted = [
        "Acquire::http",
        "Acquire::https",
        "Acquire::Check-",
        "Acquire::Retries",
    ];
    let kept = all
        .lines()
        .filter(|line| wanted.iter().any(|name| line.starts_with(name)));
    Ok(kept.map(|line| format!("{line}\n")).collect())
}

fn pip_settings() -> Result<String> {
    let listed = output(Command::new("pip").args(["config", "list"]))?;
    let ours = listed.lines().filter_map(pip_setting);
    // A container is there for one program: nobody else's packages are to be kept from it.
    let fixed = format!("[global]\nbreak-system-packages = true\ncert = /{AUTHORITIES}\n");
    Ok(ours.fold(fixed, |text, line| text + &line + "\n"))
}

/// `:env:.index-url='...'` or `global.index-url='...'`, as a line of `pip.conf`.
fn pip_setting(line: &str) -> Option<String> {
    let (key, value) = line.split_once('=')?;
    let key = key.rsplit('.').next()?;
    let value = value.trim_matches('\'');
    PIP_KEYS.contains(&key).then(|| format!("{key} = {value}"))
}

/// Whole or not at all. Devices and what was downloaded are left out.
fn pack(tree: &Path, archive: &Path) -> Done {
    let part = archive.with_extension("part");
    let leave = [
        "./dev/*",
        "./var/cache/apt/*",
        "./var/lib/apt/lists/*",
        "./var/log/*",
    ];
    let leave = leave.map(|what| format!("--exclude={what}"));
    let mut tar = Command::new("tar");
    tar.args(["--create", "--numeric-owner", "--sort=name"])
        .args(leave);
    tar.arg("--file").arg(&part).arg("--directory").arg(tree).arg(".");
    execute(&mut tar)?;
    fs::rename(part, archive).map_err(Failed::because)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debians_own_repositories_are_found_in_what_apt_says() {
        let found = source("Debian http://mirror/debian/ bookworm main").unwrap();
        assert_eq!(mirror(&BTreeSet::from([found])).unwrap(), "http://mirror/debian/");
        assert_eq!(source("Others http://mirror/others stable main"), None);
        assert!(mirror(&BTreeSet::new()).is_err());
    }

    #[test]
    fn pips_index_is_kept_and_its_cache_is_not() {
        assert_eq!(
            pip_setting("global.index-url='http://i/simple'").unwrap(),
            "index-url = http://i/simple"
        );
        assert_eq!(pip_setting(":env:.cache-dir='/x'"), None);
    }
}
