//! Running cargo and other programs, and failing.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::{fmt, iter};

/// Why a task failed, in a sentence.
#[derive(Debug)]
pub(crate) struct Failed(pub(crate) String);

pub(crate) type Result = std::result::Result<(), Failed>;

impl Failed {
    pub(crate) fn because(error: impl fmt::Display) -> Self {
        Self(error.to_string())
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[expect(clippy::print_stderr, reason = "a task talks to whoever runs it")]
pub(crate) fn say(line: &str) {
    eprintln!("{line}");
}

#[expect(clippy::print_stdout, reason = "what a task was asked for")]
pub(crate) fn print(line: &str) {
    println!("{line}");
}

/// Runs cargo with these arguments, as the toolchain that runs this task.
pub(crate) fn cargo(arguments: &[&str]) -> Result {
    execute(plain_cargo().args(arguments))
}

/// Cargo as if it were typed: without what `cargo xtask` was told of this package, for which some build scripts ask, and
/// then build again what `cargo nextest run` had built.
pub(crate) fn plain_cargo() -> Command {
    let mut command = Command::new(env!("CARGO"));
    let told = std::env::vars_os().map(|(name, _)| name);
    let ours = ["CARGO_MANIFEST_", "CARGO_PKG_"]
        .map(OsStr::new)
        .map(OsStr::as_encoded_bytes);
    for name in told.filter(|name| ours.iter().any(|ours| name.as_encoded_bytes().starts_with(ours))) {
        command.env_remove(name);
    }
    command
}

/// The same from another directory, and so without this workspace's `.cargo/config.toml`.
pub(crate) fn cargo_in(directory: &Path, arguments: &[&str]) -> Result {
    execute(plain_cargo().args(arguments).current_dir(directory))
}

/// The same with a variable set.
pub(crate) fn cargo_with(variable: &str, value: &str, arguments: &[&str]) -> Result {
    execute(plain_cargo().args(arguments).env(variable, value))
}

/// Runs a program to its end.
pub(crate) fn execute(command: &mut Command) -> Result {
    let words = words(command);
    say(&format!("+ {words}"));
    let status = command.status().map_err(Failed::because)?;
    if status.success() {
        Ok(())
    } else {
        Err(Failed(format!("{words}: {status}")))
    }
}

/// What a program says on its standard output.
pub(crate) fn output(command: &mut Command) -> std::result::Result<String, Failed> {
    let words = words(command);
    let told = command.stderr(Stdio::inherit()).output();
    let told = told.map_err(|error| Failed(format!("{words}: {error}")))?;
    if !told.status.success() {
        return Err(Failed(format!("{words}: {}", told.status)));
    }
    String::from_utf8(told.stdout).map_err(Failed::because)
}

/// A command as it would be typed; cargo by its name.
fn words(command: &Command) -> String {
    let program = command.get_program();
    let program = Path::new(program).file_name().unwrap_or(program);
    let words = iter::once(program).chain(command.get_args());
    words.map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ")
}
