//! PAX records: `LENGTH KEY=VALUE\n`, where LENGTH counts the whole record.

use super::header::{Entry, Misfits};
use super::sparse::{self, Said};
use crate::archive::Fault;

/// Extended attributes, as every tar of Linux writes them.
const XATTR: &str = "SCHILY.xattr.";

/// Lays records over an entry, and answers what they say of holes. Keys that say nothing about a file here are skipped.
pub(super) fn apply(records: &[u8], entry: &mut Entry) -> Result<Said, Fault> {
    let (mut rest, mut said) = (records, Said::default());
    while !rest.is_empty() {
        let (key, value, after) = next(rest).ok_or(Fault::Header)?;
        match key.strip_prefix(sparse::KEY) {
            Some(key) => said.set(key, value)?,
            None => set(key, value, entry)?,
        }
        rest = after;
    }
    Ok(said)
}

/// The first record, and what follows it.
fn next(records: &[u8]) -> Option<(&str, &[u8], &[u8])> {
    let blank = records.iter().take(20).position(|byte| *byte == b' ')?;
    let length: usize = std::str::from_utf8(&records[..blank]).ok()?.parse().ok()?;
    let record = records.get(blank + 1..length)?.strip_suffix(b"\n")?;
    let equals = record.iter().position(|byte| *byte == b'=')?;
    let key = std::str::from_utf8(&record[..equals]).ok()?;
    Some((key, &record[equals + 1..], &records[length..]))
}

fn set(key: &str, value: &[u8], entry: &mut Entry) -> Result<(), Fault> {
    match key {
        "path" => entry.name = name(value)?,
        "linkpath" => entry.link = name(value)?,
        "uid" => entry.uid = number(value)?,
        "gid" => entry.gid = number(value)?,
        "size" => entry.size = number(value)?,
        "mtime" => entry.mtime = time(value)?,
        _ => {
            if let Some(attribute) = key.strip_prefix(XATTR) {
                entry.xattrs.push((attribute.to_owned(), value.to_vec()));
            }
        }
    }
    Ok(())
}

/// A name ends where C ends it; in a record nothing else may follow.
fn name(value: &[u8]) -> Result<Vec<u8>, Fault> {
    if value.contains(&0) {
        Err(Fault::Header)
    } else {
        Ok(value.to_vec())
    }
}

fn number<T: std::str::FromStr>(value: &[u8]) -> Result<T, Fault> {
    let text = std::str::from_utf8(value).map_err(|_| Fault::Header)?;
    text.parse().map_err(|_| Fault::Header)
}

/// Seconds with a fraction of any length; what is before 1970 counts down.
fn time(value: &[u8]) -> Result<(i64, u32), Fault> {
    let text = std::str::from_utf8(value).map_err(|_| Fault::Header)?;
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
    let whole: i64 = number(seconds.as_bytes())?;
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Fault::Header);
    }
    let digits: String = fraction.chars().chain(std::iter::repeat('0')).take(9).collect();
    let nanoseconds: u32 = number(digits.as_bytes())?;
    if seconds.starts_with('-') && nanoseconds > 0 {
        let before = whole.checked_sub(1).ok_or(Fault::Header)?;
        return Ok((before, 1_000_000_000 - nanoseconds));
    }
    Ok((whole, nanoseconds))
}

/// The records that an entry needs beside its header, in a fixed order.
pub(super) fn records(entry: &Entry, misfits: Misfits) -> Vec<u8> {
    let mut records = Vec::new();
    let mut put = |needed: bool, key: &str, value: &[u8]| {
        if needed {
            records.extend(record(key, value));
        }
    };
    put(misfits.gid, "gid", entry.gid.to_string().as_bytes());
    put(misfits.link, "linkpath", &entry.link);
    put(misfits.mtime, "mtime", entry.mtime.0.to_string().as_bytes());
    put(misfits.name, "path", &entry.name);
    put(misfits.size, "size", entry.size.to_string().as_bytes());
    put(misfits.uid, "uid", entry.uid.to_string().as_bytes());
    for (attribute, value) in &entry.xattrs {
        put(true, &format!("{XATTR}{attribute}"), value);
    }
    records
}

fn record(key: &str, value: &[u8]) -> Vec<u8> {
    // Blank, equals sign and newline, and then as many digits as the whole has.
    let body = key.len() + value.len() + 3;
    let mut length = body + digits(body);
    length = body + digits(length);
    [format!("{length} {key}=").as_bytes(), value, b"\n"].concat()
}

fn digits(number: usize) -> usize {
    number.to_string().len()
}
