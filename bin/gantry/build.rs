//! How the executable is linked: smaller where the linker can make it so.

#![expect(
    clippy::disallowed_methods,
    reason = "cargo speaks to a build script by variables"
)]

use std::env;
use std::path::Path;
use std::process::Command;

/// The target whose linker is known: Rust brings it along, and uses it unless told otherwise.
const TARGET: &str = "x86_64-unknown-linux-gnu";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let of = |name: &str| env::var(name).unwrap_or_default();
    let optimised = of("PROFILE") == "release" && of("OPT_LEVEL") != "0";
    if !optimised || of("TARGET") != TARGET || of("HOST") != TARGET || !brings_lld(&of("RUSTC")) {
        return;
    }
    // Functions of the same code become one. Nothing asks whether two functions are the same one: rustc warns of that.
    link("--icf=all");
}

fn link(argument: &str) {
    println!("cargo::rustc-link-arg-bins=-Wl,{argument}");
}

/// Whether the compiler has a linker of its own, as the official releases do.
fn brings_lld(rustc: &str) -> bool {
    let sysroot = printed(rustc, &["--print", "sysroot"]);
    sysroot.is_some_and(|sysroot| {
        let linker = format!("lib/rustlib/{TARGET}/bin/gcc-ld/ld.lld");
        Path::new(&sysroot).join(linker).exists()
    })
}

fn printed(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}
