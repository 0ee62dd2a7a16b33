//! Field selectors: `spec.nodeName=a,status.phase!=Running` (apimachinery `fields.ParseSelector`).

use std::fmt;

use schema::json::pick;
use schema::object::Obj;

/// Why a text is no field selector, or not one for this kind: upstream's sentence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ParseError(pub String);

/// Where the value that a term compares stands in the stored body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// The kind has no such field, or it is not known yet.
    Unresolved,
    Name,
    Namespace,
    /// The first of these paths (joined by `|`) that is there and not empty, else the default.
    Path {
        paths: String,
        absent: String,
    },
}

/// One comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Term {
    pub(super) field: String,
    pub(super) equal: bool,
    pub(super) value: String,
    pub(super) source: Source,
}

impl Term {
    fn matches(&self, object: &Obj) -> bool {
        let same = match &self.source {
            Source::Unresolved => self.value.is_empty(),
            Source::Name => *object.meta.name == *self.value,
            Source::Namespace => *object.meta.namespace == *self.value,
            Source::Path { paths, absent } => value_at(object.body(), paths, absent) == self.value,
        };
        same == self.equal
    }
}

fn value_at(body: &[u8], paths: &str, absent: &str) -> String {
    let read = |path: &str| pick(body, &path.split('.').collect::<Vec<_>>());
    let mut found = paths
        .split('|')
        .filter_map(read)
        .filter(|value| !value.is_empty());
    found
        .next()
        .map_or_else(|| absent.to_owned(), |value| value.into_owned())
}

/// Comparisons that all must hold. The default has none and selects everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldSelector(pub(super) Vec<Term>);

impl FieldSelector {
    /// Reads a selector; which fields there are is not looked at yet.
    ///
    /// # Errors
    /// Upstream's sentence.
    pub fn parse(selector: &str) -> Result<Self, ParseError> {
        let mut parts = terms(selector);
        parts.sort_unstable();
        let parsed = parts.iter().filter(|part| !part.is_empty()).map(|part| {
            term(part)?.ok_or_else(|| {
                ParseError(format!(
                    "invalid selector: '{selector}'; can't understand '{part}'"
                ))
            })
        });
        parsed.collect::<Result<_, _>>().map(Self)
    }

    /// The objects of one name.
    pub fn name(name: &str) -> Self {
        Self(vec![Term {
            field: "metadata.name".to_owned(),
            equal: true,
            value: name.to_owned(),
            source: Source::Name,
        }])
    }

    /// Whether it selects everything.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The value that a field must have, if there is only one.
    pub fn required(&self, field: &str) -> Option<&str> {
        let mut terms = self.0.iter().filter(|term| term.equal && term.field == field);
        terms.next().map(|term| term.value.as_str())
    }

    /// Whether an object is selected.
    pub fn matches(&self, object: &Obj) -> bool {
        self.0.iter().all(|term| term.matches(object))
    }
}

impl fmt::Display for FieldSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, term) in self.0.iter().enumerate() {
            let comma = if at == 0 { "" } else { "," };
            let operator = if term.equal { "=" } else { "!=" };
            write!(f, "{comma}{}{operator}{}", term.field, escape(&term.value))?;
        }
        Ok(())
    }
}

fn escape(value: &str) -> String {
    let escaped = |c: char| {
        let slash = matches!(c, '\\' | ',' | '=').then_some('\\');
        slash.into_iter().chain([c])
    };
    value.chars().flat_map(escaped).collect()
}

/// Cuts at commas that no backslash precedes.
fn terms(selector: &str) -> Vec<&str> {
    let (mut parts, mut start, mut escaped) = (Vec::new(), 0, false);
    for (at, c) in selector.char_indices() {
        if c == ',' && !escaped {
            parts.push(&selector[start..at]);
            start = at + 1;
        }
        escaped = c == '\\' && !escaped;
    }
    parts.push(&selector[start..]);
    parts
}

/// Cuts at the first operator; none if there is none.
fn term(part: &str) -> Result<Option<Term>, ParseError> {
    const OPERATORS: [&str; 3] = ["!=", "==", "="];
    let at_operator = part.char_indices().find_map(|(at, _)| {
        let starts = |operator: &&str| part[at..].starts_with(operator);
        OPERATORS.into_iter().find(starts).map(|operator| (at, operator))
    });
    let Some((at, operator)) = at_operator else {
        return Ok(None);
    };
    Ok(Some(Term {
        field: part[..at].to_owned(),
        equal: operator != "!=",
        value: unescape(&part[at + operator.len()..])?,
        source: Source::Unresolved,
    }))
}

fn unescape(value: &str) -> Result<String, ParseError> {
    let bad_escape = |sequence: &str| {
        ParseError(format!(
            "invalid field selector: invalid escape sequence: {sequence}"
        ))
    };
    let mut out = String::with_capacity(value.len());
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some(c @ ('\\' | ',' | '=')) => out.push(c),
                Some(other) => return Err(bad_escape(&format!("\\{other}"))),
                None => return Err(bad_escape("\\")),
            },
            ',' | '=' => {
                // Go prints the rune as its number.
                let number = u32::from(c);
                let text = format!("invalid field selector: unescaped character in value: {number}");
                return Err(ParseError(text));
            }
            c => out.push(c),
        }
    }
    Ok(out)
}
