//! The emulator: what it is started with, and what is read from the machine's console.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::kernel::Kernel;
use crate::run::{Failed, Result as Done, execute, output, print, say};

type Result<T> = std::result::Result<T, Failed>;

/// What finds the disk; everything else the kernel loads when it needs it. In the order in which they need each other.
const MODULES: &[&str] = &["virtio_pci", "virtio_blk"];

/// The machine tells its verdict in a line of its own that begins so; a number follows.
const VERDICT: &str = "vm: exit ";

/// For everything, in seconds, told to timeout(1): emulation is some twenty times slower than the processor.
const PATIENCE: &str = "5400";

const MACHINE: &[&str] = &[
    "-accel",
    "tcg,thread=multi",
    "-cpu",
    "max",
    "-smp",
    "2",
    "-m",
    "3072",
    "-nodefaults",
    "-no-user-config",
    "-display",
    "none",
    "-serial",
    "stdio",
    "-no-reboot",
    "-device",
    "virtio-rng-pci",
];

/// Only v2 is mounted by `init.sh`; the option keeps any controller from being bound to a v1 hierarchy.
const COMMAND_LINE: &str =
    "console=ttyS0 quiet panic=-1 cgroup_no_v1=all random.trust_cpu=on mitigations=off";

/// The first root: it loads what finds the disk, and goes over to it.
pub(super) fn initramfs(place: &Path, kernel: &Kernel) -> Result<PathBuf> {
    let tree = place.join("initramfs");
    fs::create_dir_all(tree.join("bin")).map_err(Failed::because)?;
    let busybox = output(Command::new("sh").args(["-c", "command -v busybox"]))?;
    fs::copy(busybox.trim(), tree.join("bin/busybox")).map_err(Failed::because)?;
    let modules = modules(kernel)?;
    for module in &modules {
        let from = kernel.modules().join(module);
        fs::copy(from, tree.join(name(module))).map_err(Failed::because)?;
    }
    let names: Vec<&str> = modules.iter().map(|module| name(module)).collect();
    let init = tree.join("init");
    fs::write(
        &init,
        include_str!("initramfs.sh").replace("MODULES", &names.join(" ")),
    )
    .map_err(Failed::because)?;
    fs::set_permissions(&init, fs::Permissions::from_mode(0o755)).map_err(Failed::because)?;
    let archive = place.join("initramfs.cpio");
    let pack = "find . | busybox cpio -o -H newc 2>/dev/null > \"$0\"";
    execute(
        Command::new("sh")
            .args(["-c", pack])
            .arg(&archive)
            .current_dir(&tree),
    )?;
    fs::remove_dir_all(&tree).map_err(Failed::because)?;
    Ok(archive)
}

/// Files of [`MODULES`] and of what they need, below the modules' directory; what others need comes first.
fn modules(kernel: &Kernel) -> Result<Vec<String>> {
    let table = fs::read_to_string(kernel.modules().join("modules.dep")).map_err(Failed::because)?;
    let mut files: Vec<String> = Vec::new();
    for module in MODULES {
        let line = table.lines().find(|line| {
            line.split(':')
                .next()
                .is_some_and(|file| name(file) == format!("{module}.ko"))
        });
        let line = line.ok_or_else(|| Failed(format!("the kernel has no module {module}")))?;
        // The nearest need is named first, the farthest last.
        let mut words: Vec<&str> = line.split([':', ' ']).filter(|word| !word.is_empty()).collect();
        words.reverse();
        files.extend(words.into_iter().map(str::to_owned));
    }
    let mut seen = std::collections::BTreeSet::new();
    files.retain(|file| seen.insert(file.clone()));
    Ok(files)
}

fn name(file: &str) -> &str {
    file.rsplit('/').next().unwrap_or(file)
}

/// Runs the machine until it switches itself off, and shows its console.
pub(super) fn run(kernel: &Kernel, initramfs: &Path, disk: &Path) -> Done {
    say(&format!(
        "vm: {} under emulation, {} s at most",
        kernel.release, PATIENCE
    ));
    let mut command = Command::new("timeout");
    command
        .args(["--kill-after=5", PATIENCE, "qemu-system-x86_64"])
        .args(MACHINE);
    command
        .arg("-kernel")
        .arg(kernel.image())
        .arg("-initrd")
        .arg(initramfs);
    command.args(["-append", COMMAND_LINE, "-drive"]);
    command.arg(format!(
        "file={},format=raw,if=virtio,cache=unsafe,discard=unmap",
        disk.display()
    ));
    let mut machine = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(Failed::because)?;
    let console = machine
        .stdout
        .take()
        .ok_or_else(|| Failed("no console".to_owned()))?;
    let verdict = watch(console);
    let ended = machine.wait().map_err(Failed::because)?;
    match verdict.as_deref() {
        Some("0") => Ok(()),
        Some(code) => Err(Failed(format!("the tests on the machine failed ({code})"))),
        None => Err(Failed(format!(
            "the machine ended before its tests did ({ended})"
        ))),
    }
}

/// Shows what the machine says, line by line, and returns its verdict.
fn watch(console: impl Read) -> Option<String> {
    let mut verdict = None;
    let lines = BufReader::new(console)
        .split(b'\n')
        .map_while(std::result::Result::ok);
    for line in lines {
        let line = String::from_utf8_lossy(&line);
        let line = line.trim_end_matches('\r');
        match line.strip_prefix(VERDICT) {
            Some(code) => verdict = Some(code.to_owned()),
            None => print(line),
        }
    }
    verdict
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_is_a_line_of_its_own() {
        assert_eq!(watch(&b"a\r\nvm: exit 0\r\nreboot\r\n"[..]), Some("0".to_owned()));
        assert_eq!(watch(&b"echo vm: exit 0\n"[..]), None);
    }
}
