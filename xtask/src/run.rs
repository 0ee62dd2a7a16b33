//! Running cargo, and failing.

use std::fmt;
use std::path::Path;
use std::process::Command;

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

/// Runs cargo with these arguments, as the toolchain that runs this task.
pub(crate) fn cargo(arguments: &[&str]) -> Result {
    execute(Command::new(env!("CARGO")).args(arguments))
}

/// The same from another directory, and so without this workspace's `.cargo/config.toml`.
pub(crate) fn cargo_in(directory: &Path, arguments: &[&str]) -> Result {
    execute(Command::new(env!("CARGO")).args(arguments).current_dir(directory))
}

/// The same with a variable set.
pub(crate) fn cargo_with(variable: &str, value: &str, arguments: &[&str]) -> Result {
    execute(Command::new(env!("CARGO")).args(arguments).env(variable, value))
}

fn execute(command: &mut Command) -> Result {
    let words: Vec<_> = command
        .get_args()
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    say(&format!("+ cargo {}", words.join(" ")));
    let status = command.status().map_err(Failed::because)?;
    if status.success() {
        Ok(())
    } else {
        Err(Failed(format!("cargo {}: {status}", words.join(" "))))
    }
}
