//! One line of a log file as an entry.

use std::collections::BTreeMap;

use bytes::Bytes;
use jiff::Timestamp;
use serde::Deserialize;
use supervisor::log::{StreamName, entry};
use supervisor::protocol;

use crate::request::Stream;

/// How a log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Docker's json-file.
    Json,
    /// CRI's.
    Cri,
}

/// One line that a container wrote, or a part of a very long one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogEntry {
    /// Where it was written.
    pub stream: Stream,
    /// When.
    pub time: Timestamp,
    /// What, with the newline unless it is a part of a line.
    pub line: Bytes,
    /// What the log driver adds to each entry (`docker logs --details`).
    pub attributes: BTreeMap<String, String>,
}

/// A line of json-file, whoever wrote it.
#[derive(Deserialize)]
struct JsonLine {
    log: String,
    stream: String,
    #[serde(default)]
    attrs: BTreeMap<String, String>,
    time: Timestamp,
}

impl LogEntry {
    /// Reads a line of a log file, without its newline. None if it is no entry: a line that a
    /// full disk or a power cut has torn is passed over.
    pub(super) fn parse(format: Format, line: &[u8]) -> Option<Self> {
        match format {
            Format::Json => Self::parse_json(line),
            Format::Cri => Self::parse_cri(line),
        }
    }

    fn parse_json(line: &[u8]) -> Option<Self> {
        let line: JsonLine = serde_json::from_slice(line).ok()?;
        let stream = stream(line.stream.parse().ok()?);
        Some(Self {
            stream,
            time: line.time,
            line: line.log.into(),
            attributes: line.attrs,
        })
    }

    fn parse_cri(line: &[u8]) -> Option<Self> {
        let entry = entry::parse(&protocol::Format::Cri {}, line)?;
        let mut line = entry.content;
        line.extend(entry.whole.then_some(b'\n'));
        let time = entry.time.parse().ok()?;
        Some(Self {
            stream: stream(entry.stream),
            time,
            line: line.into(),
            attributes: BTreeMap::new(),
        })
    }
}

fn stream(name: StreamName) -> Stream {
    match name {
        StreamName::Stdout => Stream::Stdout,
        StreamName::Stderr => Stream::Stderr,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parsed(format: Format, line: &str) -> Option<(Stream, String, usize)> {
        let entry = LogEntry::parse(format, line.as_bytes())?;
        Some((
            entry.stream,
            String::from_utf8(entry.line.to_vec()).unwrap(),
            entry.attributes.len(),
        ))
    }

    #[test]
    fn lines_of_both_formats() {
        let time = "2026-11-21T04:00:00.5Z";
        let json = |rest: &str| parsed(Format::Json, &format!(r#"{{"log":{rest},"time":"{time}"}}"#));
        assert_eq!(
            json(r#""a\u003cb\n","stream":"stdout""#),
            Some((Stream::Stdout, "a<b\n".into(), 0))
        );
        assert_eq!(
            json(r#""part","stream":"stderr""#),
            Some((Stream::Stderr, "part".into(), 0))
        );
        let labelled = json(r#""x\n","stream":"stdout","attrs":{"a":"1","b":"2"}"#);
        assert_eq!(labelled, Some((Stream::Stdout, "x\n".into(), 2)));
        assert_eq!(json(r#""x\n","stream":"stdlog""#), None);
        let cri = |rest: &str| parsed(Format::Cri, &format!("{time} {rest}"));
        assert_eq!(cri("stdout F a b"), Some((Stream::Stdout, "a b\n".into(), 0)));
        assert_eq!(cri("stderr P a"), Some((Stream::Stderr, "a".into(), 0)));
        for torn in ["", "{", "{\"log\":\"x", "null"] {
            assert_eq!(
                (parsed(Format::Json, torn), parsed(Format::Cri, torn)),
                (None, None)
            );
        }
    }

    proptest! {
        #[test]
        fn foreign_bytes_never_panic(bytes: Vec<u8>) {
            for format in [Format::Json, Format::Cri] {
                drop(LogEntry::parse(format, &bytes));
            }
        }
    }
}
