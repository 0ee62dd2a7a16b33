//! What a strict decoder reports besides the value: unknown and duplicate fields with their paths.

use std::fmt;

/// Issues kept for one document; upstream stops collecting here too.
pub(super) const MAX_ISSUES: usize = 100;

/// What is wrong with a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IssueKind {
    /// The type has no such member; its value was dropped.
    Unknown,
    /// The member was given twice; the last one counts.
    Duplicate,
}

/// An unknown or duplicate member. Upstream refuses the object under `fieldValidation=Strict`,
/// warns under `Warn` and says nothing under `Ignore`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issue {
    /// Which of the two.
    pub kind: IssueKind,
    /// `spec.containers[0].foo`
    pub path: String,
}

impl fmt::Display for Issue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self.kind {
            IssueKind::Unknown => "unknown",
            IssueKind::Duplicate => "duplicate",
        };
        write!(f, "{word} field {}", go_quote(&self.path))
    }
}

/// The text a client is refused with under `fieldValidation=Strict`; nothing without issues.
pub fn strict_error(issues: &[Issue]) -> Option<String> {
    let texts: Vec<String> = issues.iter().map(ToString::to_string).collect();
    (!texts.is_empty()).then(|| format!("strict decoding error: {}", texts.join(", ")))
}

/// Go's `unicode.IsPrint`, which Rust has inside its `Debug`. (The letter in front keeps marks,
/// which Rust escapes where they begin a text, as they are.)
fn is_printable(c: char) -> bool {
    c == '\'' || c.is_ascii() || !format!("{:?}", format!("a{c}")).contains('\\')
}

/// Go's `strconv.Quote`.
pub fn go_quote(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{b}' => out.push_str("\\v"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\0'..' ' | '\u{7f}' => out.push_str(&format!("\\x{:02x}", u32::from(c))),
            _ if is_printable(c) => out.push(c),
            _ if u32::from(c) < 0x10000 => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            _ => out.push_str(&format!("\\U{:08x}", u32::from(c))),
        }
    }
    out.push('"');
    out
}
