//! How much of the disk may be taken.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What a collection keeps within: a part of the disk, or bytes for what may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Quota {
    /// Hundredths of the disk, whoever fills it.
    Percent(u8),
    /// Bytes of build cache, nameless images and images that can be pulled again together. The whole disk counts
    /// beside it, as if nothing were said.
    Bytes(u64),
}

impl Default for Quota {
    fn default() -> Self {
        Self::Percent(100)
    }
}

/// A text that is no [`Quota`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no quota: it takes 1% to 100% of the disk, or bytes such as 50G, 512MiB or 1000000000")]
pub struct InvalidQuota(String);

/// As docker reads memory and what a prune leaves: a thousand is 1024, with an `i` or without.
const UNITS: [(&str, u64); 17] = [
    ("kib", 1 << 10),
    ("mib", 1 << 20),
    ("gib", 1 << 30),
    ("tib", 1 << 40),
    ("ki", 1 << 10),
    ("mi", 1 << 20),
    ("gi", 1 << 30),
    ("ti", 1 << 40),
    ("kb", 1 << 10),
    ("mb", 1 << 20),
    ("gb", 1 << 30),
    ("tb", 1 << 40),
    ("k", 1 << 10),
    ("m", 1 << 20),
    ("g", 1 << 30),
    ("t", 1 << 40),
    ("b", 1),
];

impl FromStr for Quota {
    type Err = InvalidQuota;

    fn from_str(text: &str) -> Result<Self, InvalidQuota> {
        let invalid = || InvalidQuota(text.to_owned());
        let lower = text.trim().to_lowercase();
        if let Some(percent) = lower.strip_suffix('%') {
            let percent = percent.trim().parse().map_err(|_| invalid())?;
            return match percent {
                1..=100 => Ok(Self::Percent(percent)),
                _ => Err(invalid()),
            };
        }
        let unit = UNITS
            .iter()
            .find_map(|(unit, size)| Some((lower.strip_suffix(unit)?, *size)));
        let (number, size) = unit.unwrap_or((&lower, 1));
        let number: u64 = number.trim().parse().map_err(|_| invalid())?;
        let bytes = number.checked_mul(size).filter(|bytes| *bytes > 0);
        bytes.map(Self::Bytes).ok_or_else(invalid)
    }
}

impl TryFrom<String> for Quota {
    type Error = InvalidQuota;

    fn try_from(text: String) -> Result<Self, InvalidQuota> {
        text.parse()
    }
}

impl From<Quota> for String {
    fn from(quota: Quota) -> Self {
        quota.to_string()
    }
}

impl fmt::Display for Quota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Percent(percent) => write!(f, "{percent}%"),
            Self::Bytes(bytes) => write!(f, "{bytes}"),
        }
    }
}

/// Bytes for people, as docker writes them: `1.234GB`.
#[must_use]
pub fn human(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["B", "kB", "MB", "GB", "TB", "PB"];
    let mut unit = 0;
    let mut scale = 1_u64;
    while bytes / scale >= 1000 && unit + 1 < UNITS.len() {
        scale *= 1000;
        unit += 1;
    }
    if unit == 0 {
        return format!("{bytes}B");
    }
    // Four digits, as docker has them; what is cut off is less than a thousandth.
    let (whole, rest) = (bytes / scale, bytes % scale);
    let digits = 4 - whole.to_string().len().min(3);
    let rest = format!("{:03}", rest / (scale / 1000));
    let rest = rest[..digits].trim_end_matches('0');
    let point = if rest.is_empty() { "" } else { "." };
    format!("{whole}{point}{rest}{}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotas_are_read_and_written() {
        for (text, quota) in [
            ("80%", Quota::Percent(80)),
            ("100 %", Quota::Percent(100)),
            ("1000", Quota::Bytes(1000)),
            ("50G", Quota::Bytes(50 << 30)),
            ("2MiB", Quota::Bytes(2 << 20)),
            ("7b", Quota::Bytes(7)),
        ] {
            assert_eq!(text.parse(), Ok(quota), "{text}");
            assert_eq!(quota.to_string().parse(), Ok(quota));
        }
        for text in [
            "",
            "%",
            "0%",
            "101%",
            "300%",
            "-1",
            "0",
            "1.5G",
            "x",
            "9999999999999T",
        ] {
            assert!(text.parse::<Quota>().is_err(), "{text}");
        }
    }

    #[test]
    fn sizes_are_dockers() {
        for (bytes, text) in [
            (0, "0B"),
            (999, "999B"),
            (1000, "1kB"),
            (1234, "1.234kB"),
            (12_345, "12.34kB"),
            (123_456_789, "123.4MB"),
            (2_500_000_000, "2.5GB"),
        ] {
            assert_eq!(human(bytes), text);
        }
    }
}
