//! Debian's cloud kernel, unpacked and not installed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::run::{Failed, Result as Done, execute, output};

type Result<T> = std::result::Result<T, Failed>;

/// A kernel and its modules.
pub(super) struct Kernel {
    /// Where the package was unpacked: `boot` and `lib/modules` are below.
    pub(super) tree: PathBuf,
    /// As `uname -r` will say.
    pub(super) release: String,
}

impl Kernel {
    pub(super) fn image(&self) -> PathBuf {
        self.tree.join(format!("boot/vmlinuz-{}", self.release))
    }

    pub(super) fn modules(&self) -> PathBuf {
        self.tree.join("lib/modules").join(&self.release)
    }
}

/// The kernel that Debian's `linux-image-cloud-amd64` stands for today; what an earlier run unpacked is used again.
pub(super) fn fetch(place: &Path) -> Result<Kernel> {
    let package = current()?;
    let release = package.trim_start_matches("linux-image-").to_owned();
    let kernel = Kernel {
        tree: place.join(&package),
        release,
    };
    if !kernel.modules().join("modules.dep").exists() {
        unpack(place, &package, &kernel)?;
    }
    Ok(kernel)
}

fn current() -> Result<String> {
    let listed = output(Command::new("apt-cache").args(["depends", "linux-image-cloud-amd64"]))?;
    let mut words = listed
        .lines()
        .filter_map(|line| line.trim().strip_prefix("Depends: "));
    let package = words.find(|word| word.starts_with("linux-image-"));
    package
        .map(str::to_owned)
        .ok_or_else(|| Failed("apt knows no kernel linux-image-cloud-amd64: `apt-get update`".to_owned()))
}

fn unpack(place: &Path, package: &str, kernel: &Kernel) -> Done {
    execute(
        Command::new("apt-get")
            .args(["download", "--quiet", package])
            .current_dir(place),
    )?;
    let archive = downloaded(place, package)?;
    execute(
        Command::new("dpkg")
            .arg("--extract")
            .args([&archive, &kernel.tree]),
    )?;
    fs::remove_file(archive).map_err(Failed::because)?;
    execute(
        Command::new("depmod")
            .arg("-b")
            .arg(&kernel.tree)
            .arg(&kernel.release),
    )
}

fn downloaded(place: &Path, package: &str) -> Result<PathBuf> {
    let entries = fs::read_dir(place).map_err(Failed::because)?;
    let mut paths = entries
        .filter_map(std::result::Result::ok)
        .map(|entry| entry.path());
    let is_it = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with(package) && name.ends_with(".deb")
    };
    paths
        .find(is_it)
        .ok_or_else(|| Failed(format!("apt-get download brought no {package}")))
}
