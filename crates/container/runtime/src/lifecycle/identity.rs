//! What the launcher writes for a starting process, whose own rights do not reach that far: id
//! maps and clock offsets.

use std::fmt::Write;
use std::fs;
use std::io;

use crate::launcher::LaunchError;
use crate::spec::{Linux, LinuxIdMapping};

/// Maps the ids of the process's new user namespace (user_namespaces(7)).
pub(super) fn map_ids(pid: i32, linux: &Linux) -> Result<(), LaunchError> {
    let maps = [("uid_map", &linux.uid_mappings), ("gid_map", &linux.gid_mappings)];
    for (file, mappings) in maps {
        write(pid, file, id_map(mappings))?;
    }
    Ok(())
}

/// Sets the clocks of the process's new time namespace (time_namespaces(7)).
pub(super) fn set_clocks(pid: i32, linux: &Linux) -> Result<(), LaunchError> {
    let mut text = String::new();
    for (clock, offset) in &linux.time_offsets {
        // Writing to a String does not fail.
        let _ = writeln!(text, "{clock} {} {}", offset.secs, offset.nanosecs);
    }
    if text.is_empty() {
        Ok(())
    } else {
        write(pid, "timens_offsets", text)
    }
}

/// The kernel takes a map in one write.
fn id_map(mappings: &[LinuxIdMapping]) -> String {
    mappings.iter().fold(String::new(), |mut text, map| {
        // Writing to a String does not fail.
        let _ = writeln!(text, "{} {} {}", map.container_id, map.host_id, map.size);
        text
    })
}

fn write(pid: i32, file: &str, text: String) -> Result<(), LaunchError> {
    let path = format!("/proc/{pid}/{file}");
    fs::write(&path, text).map_err(|source| {
        LaunchError::Served(io::Error::new(source.kind(), format!("writing {path}: {source}")).into())
    })
}
