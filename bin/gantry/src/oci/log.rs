//! `--log`: where engines that drive an OCI runtime look for the reason of a failure.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::Path;
use std::time::SystemTime;

use clap::ValueEnum;

use crate::failure::Failure;

/// runc's two formats.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Format {
    Text,
    Json,
}

/// The present time as RFC 3339 with nanoseconds.
#[expect(clippy::disallowed_methods, reason = "the command line is where time is read")]
pub(crate) fn now() -> String {
    humantime::format_rfc3339_nanos(SystemTime::now()).to_string()
}

/// Appends the failure. It is printed anyway, so a log that cannot be written loses nothing.
pub(crate) fn write(log: Option<&Path>, format: Format, failure: &Failure) {
    if let Some(path) = log {
        let _ = append(path, format, &failure.message());
    }
}

fn append(path: &Path, format: Format, message: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().append(true).create(true).open(path)?;
    let line = match format {
        Format::Json => serde_json::json!({ "level": "error", "msg": message, "time": now() }).to_string(),
        Format::Text => format!("time={:?} level=error msg={message:?}", now()),
    };
    writeln!(file, "{line}")
}
