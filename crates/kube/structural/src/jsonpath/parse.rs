//! The text of a JSONPath.

use schema::tree::Value;

use super::{Comparison, JsonPath, Operand, ParseError, Slice, Step};

/// What is longer is no column.
const MAX_STEPS: usize = 100;

/// What is left of the text.
pub(super) struct Parser<'t> {
    pub(super) rest: &'t str,
}

pub(super) type Parsed<T> = Result<T, ParseError>;

fn wrong<T>(why: impl Into<String>) -> Parsed<T> {
    Err(ParseError(why.into()))
}

impl<'t> Parser<'t> {
    fn eat(&mut self, token: &str) -> bool {
        match self.rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    /// A path, up to what is none of it.
    pub(super) fn path(&mut self) -> Parsed<JsonPath> {
        let _ = self.eat("$") || self.eat("@");
        let mut steps = Vec::new();
        loop {
            if self.eat("..") {
                steps.push(Step::Below);
                if !self.rest.is_empty() && !self.rest.starts_with('[') {
                    steps.extend(self.name()?);
                }
            } else if self.eat(".") {
                steps.extend(self.name()?);
            } else if self.eat("[") {
                steps.push(self.bracket()?);
            } else if steps.is_empty() && self.rest.starts_with(|c: char| c.is_alphanumeric() || c == '_') {
                steps.extend(self.name()?);
            } else {
                return Ok(JsonPath { steps });
            }
            if steps.len() > MAX_STEPS {
                return wrong("the path is too long");
            }
        }
    }

    /// What follows a dot; nothing where the path ends there.
    fn name(&mut self) -> Parsed<Option<Step>> {
        if self.eat("*") {
            return Ok(Some(Step::Every));
        }
        let (mut name, mut escaped, mut end) = (String::new(), false, self.rest.len());
        for (at, c) in self.rest.char_indices() {
            if !escaped && c == '\\' {
                escaped = true;
                continue;
            }
            if !escaped && (c.is_whitespace() || "[].()=!<>,{}".contains(c)) {
                end = at;
                break;
            }
            escaped = false;
            name.push(c);
        }
        self.rest = &self.rest[end..];
        Ok((!name.is_empty()).then_some(Step::Member(name)))
    }

    fn bracket(&mut self) -> Parsed<Step> {
        let inner = self.until_closed()?;
        let inner = inner.trim();
        if let Some(filter) = inner.strip_prefix('?') {
            return filter_of(filter.trim());
        }
        let mut steps = Vec::new();
        for part in split(inner) {
            steps.push(element(part.trim())?);
        }
        match steps.len() {
            1 => Ok(steps.remove(0)),
            _ => Ok(Step::Union(steps)),
        }
    }

    /// The text up to the bracket that closes this one.
    fn until_closed(&mut self) -> Parsed<&'t str> {
        let (mut depth, mut quote) = (0_usize, None);
        for (at, c) in self.rest.char_indices() {
            match (quote, c) {
                (Some(open), c) if c == open => quote = None,
                (Some(_), _) => {}
                (None, '\'' | '"') => quote = Some(c),
                (None, '[') => depth += 1,
                (None, ']') if depth == 0 => {
                    let inner = &self.rest[..at];
                    self.rest = &self.rest[at + 1..];
                    return Ok(inner);
                }
                (None, ']') => depth -= 1,
                _ => {}
            }
        }
        wrong("unterminated array")
    }
}

/// Cuts at commas outside of quotes.
fn split(text: &str) -> Vec<&str> {
    let (mut parts, mut start, mut quote) = (Vec::new(), 0, None);
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '\'' | '"') => quote = Some(c),
            (None, ',') => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

fn unquoted(text: &str) -> Option<&str> {
    let quoted = |quote: char| text.strip_prefix(quote)?.strip_suffix(quote);
    quoted('\'').or_else(|| quoted('"'))
}

fn element(text: &str) -> Parsed<Step> {
    if let Some(name) = unquoted(text) {
        return Ok(Step::Member(name.replace("\\'", "'")));
    }
    if text == "*" {
        return Ok(Step::Every);
    }
    let parts: Vec<&str> = text.split(':').map(str::trim).collect();
    let number = |part: &str| match part {
        "" => Ok(None),
        part => part
            .parse()
            .map(Some)
            .map_err(|_| ParseError(format!("invalid array index {text}"))),
    };
    let mut numbers = Vec::new();
    for part in &parts {
        numbers.push(number(part)?);
    }
    match numbers[..] {
        [Some(at)] => Ok(Step::Slice(Slice {
            from: Some(at),
            to: None,
            step: 1,
            single: true,
        })),
        [from, to] | [from, to, None] => Ok(Step::Slice(Slice {
            from,
            to,
            step: 1,
            single: false,
        })),
        [from, to, Some(step)] if step > 0 => Ok(Step::Slice(Slice {
            from,
            to,
            step,
            single: false,
        })),
        _ => wrong(format!("invalid array index {text}")),
    }
}

fn filter_of(text: &str) -> Parsed<Step> {
    const SIGNS: [(&str, Comparison); 6] = [
        ("==", Comparison::Equal),
        ("!=", Comparison::Unequal),
        ("<=", Comparison::AtMost),
        (">=", Comparison::AtLeast),
        ("<", Comparison::Less),
        (">", Comparison::More),
    ];
    let inner = text.strip_prefix('(').and_then(|text| text.strip_suffix(')'));
    let Some(inner) = inner else {
        return wrong("unterminated filter");
    };
    let sign = SIGNS
        .into_iter()
        .filter_map(|(sign, comparison)| Some((outside(inner, sign)?, sign, comparison)))
        .min_by_key(|(at, sign, _)| (*at, std::cmp::Reverse(sign.len())));
    match sign {
        Some((at, sign, comparison)) => Ok(Step::Filter(
            operand(&inner[..at])?,
            comparison,
            operand(&inner[at + sign.len()..])?,
        )),
        None => Ok(Step::Filter(
            operand(inner)?,
            Comparison::Exists,
            Operand::Value(Value::Null),
        )),
    }
}

/// Where a sign stands outside of quotes.
fn outside(text: &str, sign: &str) -> Option<usize> {
    let mut quote = None;
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(c),
            (None, _) if text[at..].starts_with(sign) => return Some(at),
            _ => {}
        }
    }
    None
}

fn operand(text: &str) -> Parsed<Operand> {
    let text = text.trim();
    if let Some(text) = unquoted(text) {
        return Ok(Operand::Value(Value::str(text)));
    }
    if text.starts_with(['@', '.', '$']) {
        let mut parser = Parser { rest: text };
        let path = parser.path()?;
        return match parser.rest.trim() {
            "" => Ok(Operand::Path(path)),
            rest => wrong(format!("unrecognized character in filter: {rest}")),
        };
    }
    match schema::json::parse(text.as_bytes()) {
        Ok(value) => Ok(Operand::Value(value)),
        Err(_) => wrong(format!("unrecognized identifier {text}")),
    }
}
