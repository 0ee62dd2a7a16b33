//! `cargo xtask test --vm`: the node's tests on a machine of their own, whose kernel has cgroup v2 and nothing else.
//!
//! Most hosts of today are such, and a developer's or CI's container may not be: the kernel under it decides. So Debian's
//! cloud kernel boots under an emulator, which needs no hardware virtualisation, with the tests as they were built here
//! on its disk, and cargo-nextest runs them by the profile `vm` of `.config/nextest.toml`. It takes a quarter of an
//! hour or two, and is no part of what CI runs.

mod boot;
mod disk;
mod kernel;

use std::fs;
use std::path::{Path, PathBuf};

use crate::run::{Failed, Result, say};
use crate::tools;

/// What the machine is made with: how to see whether it is there, and the Debian package that brings it.
const PARTS: &[(&[&str], &str)] = &[
    (&["qemu-system-x86_64", "--version"], "qemu-system-x86"),
    (&["mkfs.ext4", "-V"], "e2fsprogs"),
    (&["kmod", "--version"], "kmod"),
    (&["strip", "--version"], "binutils"),
    (&["busybox", "true"], "busybox-static"),
];

/// Makes the machine, boots it, and says how its tests ended. `filter` goes to `cargo nextest run`.
pub(crate) fn test(filter: &[&str]) -> Result {
    tools::ensure(&tools::NEXTEST)?;
    tools::ensure_peers()?;
    tools::ensure_packages(PARTS, "the machine of `test --vm`")?;
    let place = root().join("target/vm");
    fs::create_dir_all(&place).map_err(Failed::because)?;
    let kernel = kernel::fetch(&place)?;
    let image = disk::make(&place, &kernel, filter)?;
    let initramfs = boot::initramfs(&place, &kernel)?;
    let verdict = boot::run(&kernel, &initramfs, &image);
    // A gigabyte that the next run makes anew.
    fs::remove_file(&image).map_err(Failed::because)?;
    verdict?;
    say("vm: every test passed on cgroup v2");
    Ok(())
}

/// The checkout.
fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}
