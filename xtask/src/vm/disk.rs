//! The machine's disk: the tests with what they run, each at the path where it was built, and a root around them.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::kernel::Kernel;
use super::root;
use crate::run::{Failed, Result as Done, execute, output, plain_cargo};

type Result<T> = std::result::Result<T, Failed>;

/// The disk, sparse: what tests write is theirs, and goes with it.
const SIZE: &str = "12G";

/// Programs of this host that the machine runs, with the libraries that they load: the runner, what the kernel starts
/// when it lacks a module, and what tests start.
const PROGRAMS: &[&str] = &[
    "busybox",
    "cargo-nextest",
    "docker",
    "kmod",
    "kubectl",
    "mkfifo",
    "nsenter",
    "script",
    "setpriv",
    "setsid",
    "sh",
    "timeout",
    "unshare",
];

/// Programs of the workspace that tests look for beside `gantry`, each in a package of its own.
const HELPERS: &[(&str, &str)] = &[("testkit", "probe"), ("shop", "shop")];

/// Files of the machine: path, mode, content.
const FILES: &[(&str, u32, &str)] = &[
    ("vm/init", 0o755, include_str!("init.sh")),
    (
        "etc/passwd",
        0o644,
        "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n",
    ),
    ("etc/group", 0o644, "root:x:0:\nnogroup:x:65534:\n"),
    ("etc/hosts", 0o644, "127.0.0.1 localhost\n::1 localhost\n"),
    ("etc/hostname", 0o644, "vm\n"),
    ("etc/resolv.conf", 0o644, ""),
];

/// Directories that things are mounted on, or that programs expect.
const DIRECTORIES: &[&str] = &[
    "bin", "dev", "etc", "lib", "proc", "root", "run", "sbin", "sys", "tmp", "usr/bin", "var/lib", "var/tmp",
    "vm",
];

/// Makes the disk's image.
pub(super) fn make(place: &Path, kernel: &Kernel, filter: &[&str]) -> Result<PathBuf> {
    let tree = place.join("root");
    if tree.exists() {
        fs::remove_dir_all(&tree).map_err(Failed::because)?;
    }
    furnish(&tree).map_err(Failed::because)?;
    fs::write(tree.join("vm/filter"), filter.join("\n")).map_err(Failed::because)?;
    programs(&tree)?;
    tests(&tree)?;
    copy_tree(&kernel.modules(), &tree.join("lib/modules").join(&kernel.release))?;
    let image = place.join("disk.img");
    let format = ["-q", "-F", "-E", "lazy_itable_init=1,lazy_journal_init=1", "-d"];
    execute(
        Command::new("mkfs.ext4")
            .args(format)
            .args([&tree, &image])
            .arg(SIZE),
    )?;
    fs::remove_dir_all(&tree).map_err(Failed::because)?;
    Ok(image)
}

fn furnish(tree: &Path) -> std::io::Result<()> {
    for directory in DIRECTORIES {
        fs::create_dir_all(tree.join(directory))?;
    }
    for (path, mode, content) in FILES {
        let path = tree.join(path);
        fs::write(&path, content)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(*mode))?;
    }
    fs::set_permissions(tree.join("tmp"), fs::Permissions::from_mode(0o1777))
}

fn programs(tree: &Path) -> Done {
    let mut needed = BTreeSet::new();
    for name in PROGRAMS {
        let path = output(Command::new("sh").args(["-c", "command -v -- \"$0\"", name]))?;
        let path = fs::canonicalize(path.trim()).map_err(Failed::because)?;
        needed.extend(libraries(&path)?);
        copy(&path, &tree.join("usr/bin").join(name))?;
    }
    for library in needed {
        copy(&library, &below(tree, &library))?;
    }
    // Where the kernel looks for it.
    symlink("/usr/bin/kmod", tree.join("sbin/modprobe")).map_err(Failed::because)
}

/// What a program loads, as ldd(1) says; nothing for a static one.
fn libraries(program: &Path) -> Result<BTreeSet<PathBuf>> {
    let listed = Command::new("ldd")
        .arg(program)
        .output()
        .map_err(Failed::because)?;
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    let words = listed.split_whitespace().filter(|word| word.starts_with('/'));
    Ok(words
        .map(|word| PathBuf::from(word.trim_end_matches(':')))
        .filter(|path| path != program)
        .collect())
}

/// The test programs and what is built for them, without symbols, and the two documents that nextest goes by.
fn tests(tree: &Path) -> Done {
    let list = ["nextest", "list", "--workspace", "--profile", "vm"];
    let what = [
        "--test",
        "node",
        "--test",
        "clients",
        "--list-type",
        "binaries-only",
    ];
    let list = output(
        plain_cargo()
            .args(list)
            .args(what)
            .args(["--message-format", "json"]),
    )?;
    let cargo = output(plain_cargo().args(["metadata", "--format-version", "1", "--offline"]))?;
    let list: Value = serde_json::from_str(&list).map_err(Failed::because)?;
    let mut programs = programs_of(&list);
    let gantry = programs.iter().find(|path| path.ends_with("gantry"));
    let beside = gantry
        .cloned()
        .ok_or_else(|| Failed("gantry was not built".to_owned()))?;
    for (package, name) in HELPERS {
        execute(plain_cargo().args(["build", "--quiet", "--package", package, "--bin", name]))?;
        programs.push(beside.with_file_name(name));
    }
    for program in programs {
        strip(&program, &below(tree, &program))?;
    }
    fs::write(tree.join("vm/root"), root().as_os_str().as_encoded_bytes()).map_err(Failed::because)?;
    fs::write(tree.join("vm/tests.json"), list.to_string()).map_err(Failed::because)?;
    fs::write(tree.join("vm/cargo.json"), cargo).map_err(Failed::because)?;
    sources(tree)
}

fn programs_of(list: &Value) -> Vec<PathBuf> {
    let meta = &list["rust-build-meta"];
    let target = Path::new(meta["target-directory"].as_str().unwrap_or_default());
    let tests = list["rust-binaries"].as_object().into_iter().flatten();
    let tests = tests.filter_map(|(_, test)| test["binary-path"].as_str().map(PathBuf::from));
    let others = meta["non-test-binaries"].as_object().into_iter().flatten();
    let others = others
        .filter_map(|(_, of_package)| of_package.as_array())
        .flatten();
    tests
        .chain(others.filter_map(|other| Some(target.join(other["path"].as_str()?))))
        .collect()
}

/// What tests read besides: fixtures, snapshots, nextest's configuration. Only what git knows.
fn sources(tree: &Path) -> Done {
    let root = root();
    let files = output(Command::new("git").args(["ls-files", "-z"]).current_dir(&root))?;
    for file in files.split_terminator('\0').filter(|file| !file.ends_with(".rs")) {
        let from = root.join(file);
        if from.is_file() {
            copy(&from, &below(tree, &from))?;
        }
    }
    Ok(())
}

fn below(tree: &Path, path: &Path) -> PathBuf {
    tree.join(path.strip_prefix("/").unwrap_or(path))
}

fn copy(from: &Path, to: &Path) -> Done {
    parent(to)?;
    let copied = fs::copy(from, to);
    copied
        .map(drop)
        .map_err(|error| Failed(format!("cannot copy {}: {error}", from.display())))
}

fn strip(from: &Path, to: &Path) -> Done {
    parent(to)?;
    execute(Command::new("strip").arg("-o").args([to, from]))
}

fn parent(of: &Path) -> Done {
    fs::create_dir_all(of.parent().unwrap_or(of)).map_err(Failed::because)
}

fn copy_tree(from: &Path, to: &Path) -> Done {
    parent(to)?;
    execute(Command::new("cp").arg("-a").args([from, to]))
}
