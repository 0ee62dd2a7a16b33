//! JSONPath as `kubectl` and printer columns speak it (`client-go/util/jsonpath`): names, indexes, slices, wildcards,
//! recursive descent, unions and filters.
//!
//! Paths come from definitions and are parsed once; values are found without copying.

use schema::row::Types;
use schema::tree::Value;

use crate::view::View;

/// A path that is no path; the text says where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ParseError(String);

/// A parsed path.
#[derive(Clone, Debug, PartialEq)]
pub struct JsonPath {
    steps: Vec<Step>,
}

/// Steps nest only in filters, whose paths have none.
#[derive(Clone, Debug, PartialEq)]
enum Step {
    /// `.name`, `['name']`
    Member(String),
    /// `[1]`, `[1:3]`, `[-1:]`, `[::2]`
    Slice(Slice),
    /// `.*`, `[*]`
    Every,
    /// `..`
    Below,
    /// `[0,2]`, `['a','b']`
    Union(Vec<Self>),
    /// `[?(@.type=="Ready")]`
    Filter(Operand, Comparison, Operand),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Slice {
    from: Option<i64>,
    to: Option<i64>,
    step: i64,
    /// `[1]`: one item, which must be there.
    single: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparison {
    Exists,
    Equal,
    Unequal,
    Less,
    AtMost,
    More,
    AtLeast,
}

#[derive(Clone, Debug, PartialEq)]
enum Operand {
    Path(JsonPath),
    Value(Value),
}

/// What is longer is no column.
const MAX_STEPS: usize = 100;

impl JsonPath {
    /// Reads a path, with or without the braces around it.
    ///
    /// # Errors
    /// A text that is no path.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let inner = text.strip_prefix('{').and_then(|text| text.strip_suffix('}'));
        let mut parser = Parser {
            rest: inner.unwrap_or(text).trim(),
        };
        let path = parser.path()?;
        match parser.rest {
            "" => Ok(path),
            rest => Err(ParseError(format!("unrecognized character in path: {rest}"))),
        }
    }

    /// What stands at the path, in order; what is missing is left out.
    pub fn find<'a>(&self, types: &'a Types, root: View<'a>) -> Vec<View<'a>> {
        let mut found = vec![root];
        for step in &self.steps {
            let mut next = Vec::new();
            for at in found {
                step.follow(types, root, at, &mut next);
            }
            found = next;
        }
        found
    }

    /// The members of a path that has nothing else (`.spec.replicas`).
    pub fn members(&self) -> Option<Vec<&str>> {
        self.steps.iter().map(Step::name).collect()
    }
}

impl Step {
    fn name(&self) -> Option<&str> {
        match self {
            Self::Member(name) => Some(name),
            _ => None,
        }
    }

    fn follow<'a>(&self, types: &'a Types, root: View<'a>, at: View<'a>, out: &mut Vec<View<'a>>) {
        match self {
            Self::Member(name) => out.extend(at.member(types, name)),
            Self::Slice(slice) => {
                if let View::List(items) = at {
                    out.extend(slice.of(items).map(View::from));
                }
            }
            Self::Every => children(types, at, out),
            Self::Below => below(types, at, out),
            Self::Union(steps) => steps.iter().for_each(|step| step.follow(types, root, at, out)),
            Self::Filter(left, comparison, right) => {
                let mut items = Vec::new();
                if let View::List(list) = at {
                    items.extend(list.iter().map(View::from));
                }
                out.extend(
                    items
                        .into_iter()
                        .filter(|item| comparison.holds(types, left, right, *item)),
                );
            }
        }
    }
}

fn children<'a>(types: &'a Types, at: View<'a>, out: &mut Vec<View<'a>>) {
    match at {
        View::List(items) => out.extend(items.iter().map(View::from)),
        _ => at.each(types, |_, member| out.push(member)),
    }
}

fn below<'a>(types: &'a Types, at: View<'a>, out: &mut Vec<View<'a>>) {
    out.push(at);
    let mut inside = Vec::new();
    children(types, at, &mut inside);
    inside.into_iter().for_each(|child| below(types, child, out));
}

impl Slice {
    fn of(self, items: &[Value]) -> impl Iterator<Item = &Value> {
        let length = i64::try_from(items.len()).unwrap_or(i64::MAX);
        let place = |at: i64| if at < 0 { at + length } else { at };
        let from = place(self.from.unwrap_or(0)).max(if self.single { i64::MIN } else { 0 });
        let to = if self.single {
            from + 1
        } else {
            place(self.to.unwrap_or(length)).min(length)
        };
        let step = usize::try_from(self.step).unwrap_or(1).max(1);
        let range = usize::try_from(from).ok().zip(usize::try_from(to).ok());
        let chosen = range
            .and_then(|(from, to)| items.get(from..to))
            .unwrap_or_default();
        chosen.iter().step_by(step)
    }
}

impl Comparison {
    fn holds(self, types: &Types, left: &Operand, right: &Operand, item: View<'_>) -> bool {
        let (left, right) = (left.of(types, item), right.of(types, item));
        if self == Self::Exists {
            return left.is_some();
        }
        let Some(order) = left.zip(right).and_then(|(left, right)| left.order(&right)) else {
            return false;
        };
        match self {
            Self::Exists => true,
            Self::Equal => order.is_eq(),
            Self::Unequal => order.is_ne(),
            Self::Less => order.is_lt(),
            Self::AtMost => order.is_le(),
            Self::More => order.is_gt(),
            Self::AtLeast => order.is_ge(),
        }
    }
}

/// A value that can be compared.
enum Scalar {
    Text(String),
    Number(f64),
    Bool(bool),
}

impl Scalar {
    fn order(&self, other: &Self) -> Option<std::cmp::Ordering> {
        match (self, other) {
            (Self::Text(one), Self::Text(other)) => Some(one.cmp(other)),
            (Self::Number(one), Self::Number(other)) => one.partial_cmp(other),
            (Self::Bool(one), Self::Bool(other)) => Some(one.cmp(other)),
            _ => None,
        }
    }
}

impl Operand {
    fn of(&self, types: &Types, item: View<'_>) -> Option<Scalar> {
        let found = match self {
            Self::Path(path) => path.find(types, item).first().copied()?,
            Self::Value(value) => View::from(value),
        };
        #[expect(
            clippy::cast_precision_loss,
            reason = "a filter compares numbers of people's size"
        )]
        match found {
            View::Text(text) => Some(Scalar::Text(text.to_owned())),
            View::Int(int) => Some(Scalar::Number(int as f64)),
            View::Float(float) => Some(Scalar::Number(float)),
            View::Bool(value) => Some(Scalar::Bool(value)),
            other => Some(Scalar::Text(other.json(types))),
        }
    }
}

struct Parser<'t> {
    rest: &'t str,
}

type Parsed<T> = Result<T, ParseError>;

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

    fn path(&mut self) -> Parsed<JsonPath> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use schema::BUILTIN;

    const OBJECT: &str = r#"{"spec":{"replicas":3,"items":[{"n":"a","v":1},{"n":"b","v":2},{"n":"c"}],"a.b":"dot"},
        "status":{"conditions":[{"type":"Ready","status":"True"},{"type":"Old","status":"False"}]}}"#;

    #[test]
    fn paths_lead_where_upstreams_lead() {
        let object = schema::json::parse(OBJECT.as_bytes()).unwrap();
        for (path, found) in [
            (".spec.replicas", "3"),
            ("{.spec.replicas}", "3"),
            ("$.spec.replicas", "3"),
            (".spec.items[0].n", "\"a\""),
            (".spec.items[-1].n", "\"c\""),
            (".spec.items[*].v", "1 2"),
            (".spec.items[0:2].n", "\"a\" \"b\""),
            (".spec.items[0,2].n", "\"a\" \"c\""),
            (".spec['replicas']", "3"),
            (".spec.a\\.b", "\"dot\""),
            ("..type", "\"Ready\" \"Old\""),
            (".status.conditions[?(@.type==\"Ready\")].status", "\"True\""),
            (".status.conditions[?(@.type=='Old')].status", "\"False\""),
            (".spec.items[?(@.v>1)].n", "\"b\""),
            (".spec.items[?(@.v)].n", "\"a\" \"b\""),
            (".spec.none.more", ""),
            (".spec.items[7]", ""),
        ] {
            let parsed = JsonPath::parse(path).unwrap();
            let texts: Vec<String> = parsed
                .find(&BUILTIN, View::from(&object))
                .into_iter()
                .map(|view| view.json(&BUILTIN))
                .collect();
            assert_eq!(texts.join(" "), found, "{path}");
        }
        for path in [".a[", ".a[x]", ".a[?(@.b]", ".a)"] {
            assert!(JsonPath::parse(path).is_err(), "{path}");
        }
        assert_eq!(
            JsonPath::parse(".spec.x").unwrap().members().unwrap(),
            ["spec", "x"]
        );
    }
}
