//! JSONPath as `kubectl` and printer columns speak it (`client-go/util/jsonpath`): names, indexes, slices, wildcards,
//! recursive descent, unions and filters.
//!
//! Paths come from definitions and are parsed once; values are found without copying.

mod parse;

use schema::row::Types;
use schema::tree::Value;

use crate::view::View;
use parse::Parser;

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
                step.follow(types, at, &mut next);
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

    fn follow<'a>(&self, types: &'a Types, at: View<'a>, out: &mut Vec<View<'a>>) {
        match self {
            Self::Member(name) => out.extend(at.member(types, name)),
            Self::Slice(slice) => {
                if let View::List(items) = at {
                    out.extend(slice.of(items).map(View::from));
                }
            }
            Self::Every => children(types, at, out),
            Self::Below => below(types, at, out),
            Self::Union(steps) => steps.iter().for_each(|step| step.follow(types, at, out)),
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
