//! One line of output as one entry of a log file, and back.
//!
//! CRI: `TIME STREAM TAG CONTENT`, tag `F` for a whole line and `P` for a part of one.
//! Docker json-file: an object with `log` (ending in a newline unless it is a part), `stream`,
//! perhaps `attrs`, and `time`; escaped as Docker escapes, so that a byte-wise comparison of two
//! engines' files holds. Bytes that are not UTF-8 become U+FFFD there, as they do in Docker.

use super::lines::Ending;
use crate::protocol::Format;

/// Which of a process's streams a line came from. A terminal's output counts as standard output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum StreamName {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

impl StreamName {
    /// As both formats spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }
}

impl std::str::FromStr for StreamName {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        [Self::Stdout, Self::Stderr]
            .into_iter()
            .find(|name| name.as_str() == text)
            .ok_or(())
    }
}

/// A log entry, read back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// RFC 3339, as written.
    pub time: String,
    /// Where the line came from.
    pub stream: StreamName,
    /// Whether a newline ended it.
    pub whole: bool,
    /// The line, without the newline.
    pub content: Vec<u8>,
}

/// Appends an entry, its newline included.
pub(super) fn put(
    out: &mut Vec<u8>,
    format: &Format,
    time: &str,
    stream: StreamName,
    line: &[u8],
    ending: Ending,
) {
    match format {
        Format::Cri {} => put_cri(out, time, stream, line, ending),
        Format::Json { attributes } => put_json(out, &attributes.0, time, stream, line, ending),
    }
}

fn put_cri(out: &mut Vec<u8>, time: &str, stream: StreamName, line: &[u8], ending: Ending) {
    let tag = if ending == Ending::Newline { "F" } else { "P" };
    for part in [time, stream.as_str(), tag] {
        out.extend_from_slice(part.as_bytes());
        out.push(b' ');
    }
    out.extend_from_slice(line);
    out.push(b'\n');
}

fn put_json(
    out: &mut Vec<u8>,
    attributes: &[u8],
    time: &str,
    stream: StreamName,
    line: &[u8],
    ending: Ending,
) {
    out.extend_from_slice(b"{\"log\":\"");
    escape(out, line);
    if ending == Ending::Newline {
        out.extend_from_slice(b"\\n");
    }
    out.extend_from_slice(b"\",\"stream\":\"");
    out.extend_from_slice(stream.as_str().as_bytes());
    out.push(b'"');
    if !attributes.is_empty() {
        out.extend_from_slice(b",\"attrs\":");
        out.extend_from_slice(attributes);
    }
    out.extend_from_slice(b",\"time\":\"");
    out.extend_from_slice(time.as_bytes());
    out.extend_from_slice(b"\"}\n");
}

/// Docker's escaping: two-character forms for `"`, `\`, newline and carriage return only; other
/// control characters, `<`, `>`, `&`, U+2028 and U+2029 as `\u`.
fn escape(out: &mut Vec<u8>, bytes: &[u8]) {
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            escape_character(out, character);
        }
        // Docker replaces each byte of an invalid sequence, not the sequence.
        for _ in chunk.invalid() {
            out.extend_from_slice(b"\\ufffd");
        }
    }
}

fn escape_character(out: &mut Vec<u8>, character: char) {
    match character {
        '"' => out.extend_from_slice(b"\\\""),
        '\\' => out.extend_from_slice(b"\\\\"),
        '\n' => out.extend_from_slice(b"\\n"),
        '\r' => out.extend_from_slice(b"\\r"),
        '\0'..='\x1f' | '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
            out.extend_from_slice(format!("\\u{:04x}", u32::from(character)).as_bytes());
        }
        other => out.extend_from_slice(other.encode_utf8(&mut [0; 4]).as_bytes()),
    }
}

/// Reads one line of a log file, without its newline. `None` if it is not an entry.
pub fn parse(format: &Format, line: &[u8]) -> Option<Entry> {
    match format {
        Format::Cri {} => parse_cri(line),
        Format::Json { attributes } => parse_json(line, &attributes.0),
    }
}

fn parse_cri(line: &[u8]) -> Option<Entry> {
    let mut parts = line.splitn(4, |byte| *byte == b' ');
    let mut word = || std::str::from_utf8(parts.next()?).ok();
    let (time, stream, tags) = (word()?.to_owned(), word()?.parse().ok()?, word()?);
    // The tags are a list separated by colons, of which only the first is defined.
    let whole = match tags.split(':').next() {
        Some("F") => true,
        Some("P") => false,
        _ => return None,
    };
    Some(Entry {
        time,
        stream,
        whole,
        content: parts.next()?.to_vec(),
    })
}

fn parse_json(line: &[u8], attributes: &[u8]) -> Option<Entry> {
    let line = line.strip_prefix(b"{\"log\":\"")?;
    let (mut content, line) = unescape(line)?;
    let line = line.strip_prefix(b",\"stream\":\"")?;
    let (stream, line) = unescape(line)?;
    let line = match attributes {
        [] => line,
        some => line.strip_prefix(b",\"attrs\":")?.strip_prefix(some)?,
    };
    let (time, rest) = unescape(line.strip_prefix(b",\"time\":\"")?)?;
    if rest != b"}" {
        return None;
    }
    let whole = content.pop_if(|last| *last == b'\n').is_some();
    let stream = std::str::from_utf8(&stream).ok()?.parse().ok()?;
    Some(Entry {
        time: String::from_utf8(time).ok()?,
        stream,
        whole,
        content,
    })
}

/// A JSON string's value from behind its opening quote, and what follows its closing one.
fn unescape(mut line: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut out = Vec::new();
    loop {
        let at = line.iter().position(|byte| matches!(byte, b'"' | b'\\'))?;
        out.extend_from_slice(&line[..at]);
        if line[at] == b'"' {
            return Some((out, &line[at + 1..]));
        }
        let (simple, skip) = match line.get(at + 1)? {
            b'n' => (Some('\n'), 2),
            b'r' => (Some('\r'), 2),
            b'u' => (hex(line.get(at + 2..at + 6)?), 6),
            other => (Some(char::from(*other)), 2),
        };
        out.extend_from_slice(simple?.encode_utf8(&mut [0; 4]).as_bytes());
        line = &line[at + skip..];
    }
}

fn hex(digits: &[u8]) -> Option<char> {
    char::from_u32(u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TIME: &str = "2026-11-21T04:00:00.5Z";

    fn entry(format: &Format, line: &[u8], ending: Ending) -> Vec<u8> {
        let mut out = Vec::new();
        put(&mut out, format, TIME, StreamName::Stderr, line, ending);
        out
    }

    #[test]
    fn docker_s_exact_bytes() {
        let plain = Format::Json {
            attributes: "".into(),
        };
        assert_eq!(
            String::from_utf8(entry(
                &plain,
                b"a\t<\"\\>\r\x7f\xff\xfe\xe2\x80\xa8 \xc3\xa9",
                Ending::Newline
            ))
            .unwrap(),
            "{\"log\":\"a\\u0009\\u003c\\\"\\\\\\u003e\\r\u{7f}\\ufffd\\ufffd\\u2028 é\\n\",\"stream\":\"stderr\",\"time\":\"2026-11-21T04:00:00.5Z\"}\n"
        );
        let labelled = Format::Json {
            attributes: r#"{"a":"b"}"#.into(),
        };
        assert_eq!(
            entry(&labelled, b"x", Ending::Partial),
            br#"{"log":"x","stream":"stderr","attrs":{"a":"b"},"time":"2026-11-21T04:00:00.5Z"}"#
                .iter()
                .chain(b"\n")
                .copied()
                .collect::<Vec<u8>>()
        );
    }

    #[test]
    fn cri_s_exact_bytes() {
        assert_eq!(
            entry(&Format::Cri {}, b" a b", Ending::Newline),
            b"2026-11-21T04:00:00.5Z stderr F  a b\n"
        );
        assert_eq!(
            entry(&Format::Cri {}, b"", Ending::Partial),
            b"2026-11-21T04:00:00.5Z stderr P \n"
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn parsing_undoes_formatting(text in "\\PC*[\\x00-\\x09\\x0b-\\x20<>&\"\\\\]*\u{2028}?", bytes: Vec<u8>, whole: bool) {
            let ending = if whole { Ending::Newline } else { Ending::Partial };
            let expected = |content: &[u8]| Entry { time: TIME.into(), stream: StreamName::Stderr, whole, content: content.to_vec() };
            let json = Format::Json { attributes: "".into() };
            let trim = |entry: Vec<u8>| entry[..entry.len() - 1].to_vec();
            prop_assert_eq!(parse(&json, &trim(entry(&json, text.as_bytes(), ending))), Some(expected(text.as_bytes())));
            prop_assume!(!bytes.contains(&b'\n'));
            prop_assert_eq!(parse(&Format::Cri {}, &trim(entry(&Format::Cri {}, &bytes, ending))), Some(expected(&bytes)));
            // Foreign bytes must not panic a reader.
            drop((parse(&json, &bytes), parse(&Format::Cri {}, &bytes)));
        }
    }
}
