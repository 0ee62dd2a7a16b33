//! `HEALTHCHECK`.

use super::Read;
use crate::dockerfile::arguments::Arguments;
use crate::dockerfile::flags::Flags;
use crate::dockerfile::instruction::Healthcheck;
use crate::golang;

pub(super) fn healthcheck(arguments: &Arguments, flags: &Flags) -> Read<Healthcheck> {
    let (kind, command) = arguments.list.split_first().ok_or_else(String::new)?;
    let test = match (kind.to_uppercase().as_str(), command) {
        ("NONE", []) => {
            return Ok(Healthcheck {
                test: vec!["NONE".to_owned()],
                ..Healthcheck::default()
            });
        }
        ("NONE", _) => return Err("HEALTHCHECK NONE takes no arguments".to_owned()),
        ("CMD", []) => return Err("Missing command after HEALTHCHECK CMD".to_owned()),
        ("CMD", command) => {
            let form = if arguments.json { "CMD" } else { "CMD-SHELL" };
            std::iter::once(form.to_owned())
                .chain(command.iter().cloned())
                .collect()
        }
        (other, _) => {
            return Err(format!(
                "Unknown type {} in HEALTHCHECK (try CMD)",
                golang::quote(other)
            ));
        }
    };
    Ok(Healthcheck {
        test,
        interval: interval(flags, "interval")?,
        timeout: interval(flags, "timeout")?,
        start_period: interval(flags, "start-period")?,
        start_interval: interval(flags, "start-interval")?,
        retries: retries(flags)?,
    })
}

/// Upstream's shortest interval: one millisecond.
const MINIMUM_INTERVAL: i64 = 1_000_000;

fn interval(flags: &Flags, name: &str) -> Read<i64> {
    match flags
        .get(name)
        .filter(|value| !value.is_empty())
        .map(golang::parse_duration)
        .transpose()?
    {
        Some(value) if value != 0 && value < MINIMUM_INTERVAL => Err(format!(
            "Interval {} cannot be less than 1ms",
            golang::quote(name)
        )),
        value => Ok(value.unwrap_or(0)),
    }
}

fn retries(flags: &Flags) -> Read<i32> {
    match flags
        .get("retries")
        .filter(|value| !value.is_empty())
        .map(golang::parse_i32)
        .transpose()?
    {
        Some(count) if count < 0 => Err(format!("--retries cannot be negative ({count})")),
        count => Ok(count.unwrap_or(0)),
    }
}
