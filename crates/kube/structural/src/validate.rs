//! Values against a schema, in upstream's words (`kube-openapi/pkg/validation/validate`).
//!
//! One walk over the tree with the compiled schema beside it; nothing is allocated for a value that is right. On an
//! update the old value walks along, and what is wrong with a part that has not changed is forgiven (KEP-4008).

mod alternatives;
mod number;
mod text;

use schema::field::{BadValue, Error, Errors, Path};
use schema::json::go_quote;
use schema::row::Types;

use crate::node::{Additional, ListType, Node};
use crate::view::View;

/// Errors that one object is told of: an answer is bounded, and repetitions are looked for among all.
const MAX_ERRORS: usize = 500;

/// Validates a value, which stands at `at` in its object (empty for the object itself). `old` is what stood there
/// before, in a tree of the same types.
pub fn validate(
    types: &Types,
    node: &Node,
    value: View<'_>,
    old: Option<View<'_>>,
    at: &str,
    errors: &mut Errors,
) {
    let mut walk = Walk {
        types,
        base: at,
        errors: Vec::new(),
        matched: 0,
    };
    walk.value(node, value, old, &Spot::Root);
    errors.append(&mut walk.errors);
}

/// Where a value is, below where validation began. Its text is written only for an error.
#[derive(Clone, Copy)]
enum Spot<'p> {
    Root,
    Member(&'p Self, &'p str),
    Item(&'p Self, usize),
}

impl Spot<'_> {
    fn text(&self) -> String {
        match self {
            Self::Root => String::new(),
            Self::Member(parent, name) => match parent.text() {
                text if text.is_empty() => (*name).to_owned(),
                text => format!("{text}.{name}"),
            },
            Self::Item(parent, index) => format!("{}[{index}]", parent.text()),
        }
    }
}

struct Walk<'a> {
    types: &'a Types,
    base: &'a str,
    errors: Errors,
    /// How many checks were passed: of several alternatives that all fail, the errors of the one that got furthest
    /// are told.
    matched: usize,
}

impl Walk<'_> {
    fn push(&mut self, error: Error) {
        if self.errors.len() < MAX_ERRORS && !self.errors.contains(&error) {
            self.errors.push(error);
        }
    }

    fn path(&self, spot: &Spot<'_>) -> Path {
        match (self.base, spot.text()) {
            ("", text) if text.is_empty() => Path::root(),
            (base, text) if text.is_empty() => Path::new(base),
            ("", text) => Path::new(&text),
            (base, text) => Path::new(&format!("{base}.{text}")),
        }
    }

    /// `Invalid value: …: spec.x in body WORDS`
    fn invalid(&mut self, spot: &Spot<'_>, value: impl Into<BadValue>, words: &str) {
        let detail = format!("{} in body {words}", spot.text());
        self.push(Error::invalid(&self.path(spot), value, detail));
    }

    fn type_invalid(&mut self, spot: &Spot<'_>, wanted: &str, found: &str) {
        let detail = format!(
            "{} in body must be of type {wanted}: {}",
            spot.text(),
            go_quote(found)
        );
        self.push(Error::type_invalid(&self.path(spot), found, detail));
    }

    /// What upstream does not tie to a field.
    fn loose(&mut self, detail: String) {
        let path = if self.base.is_empty() {
            Path::root()
        } else {
            Path::new(self.base)
        };
        self.push(Error::invalid(&path, "", detail));
    }

    fn value(&mut self, node: &Node, value: View<'_>, old: Option<View<'_>>, spot: &Spot<'_>) {
        let before = self.errors.len();
        self.judge(node, value, old, spot);
        if self.errors.len() > before && old.is_some_and(|old| old == value) {
            self.errors.truncate(before);
        }
    }

    fn judge(&mut self, node: &Node, value: View<'_>, old: Option<View<'_>>, spot: &Spot<'_>) {
        if let View::Null = value {
            if !node.types.is_any() && !node.nullable {
                self.type_invalid(spot, &node.types.names(), "null");
            }
            return self.listed(node, value, spot);
        }
        self.of_type(node, value, spot);
        self.alternatives(node, value, old, spot);
        match value {
            View::Text(text) => self.text(node, text, spot),
            View::Int(_) | View::Float(_) => self.number(node, value, spot),
            View::List(items) => self.list(node, items, old, spot),
            _ => {}
        }
        self.listed(node, value, spot);
        if value.is_object() {
            self.object(node, value, old, spot);
        }
        self.matched += 2;
    }

    fn of_type(&mut self, node: &Node, value: View<'_>, spot: &Spot<'_>) {
        let (types, name) = (node.types, value.type_name());
        let format = node.format.map_or("", |format| format.name);
        if types.is_any() && format.is_empty() {
            return;
        }
        self.matched += 1;
        let numeric = types.has("number") || types.has("integer");
        let texts = matches!(value, View::Text(_) | View::List(_));
        let fits = types.has(name) || (name == "integer" && types.has("number"));
        if !texts && !format.is_empty() && !fits {
            return self.type_invalid(spot, format, number::format_of(value));
        }
        let by_format = texts && !numeric && !format.is_empty();
        if !by_format && !fits {
            return self.type_invalid(spot, &types.names(), name);
        }
        self.matched += 1;
    }

    /// `enum`
    fn listed(&mut self, node: &Node, value: View<'_>, spot: &Spot<'_>) {
        self.matched += 1;
        if node.values.is_empty() || node.values.iter().any(|listed| same(View::from(listed), value)) {
            return;
        }
        let texts: Vec<String> = node
            .values
            .iter()
            .map(|listed| match View::from(listed) {
                View::Text(text) => text.to_owned(),
                other => other.json(self.types),
            })
            .collect();
        let supported: Vec<&str> = texts.iter().map(String::as_str).collect();
        self.push(Error::not_supported(
            &self.path(spot),
            value.bad(self.types),
            &supported,
        ));
    }

    fn object(&mut self, node: &Node, value: View<'_>, old: Option<View<'_>>, spot: &Spot<'_>) {
        let types = self.types;
        let breadth = i64::try_from(value.breadth(types)).unwrap_or(i64::MAX);
        if let Some(min) = node.breadth.min.filter(|min| breadth < *min) {
            self.invalid(spot, breadth, &format!("should have at least {min} properties"));
        }
        if let Some(max) = node.breadth.max.filter(|max| breadth > *max) {
            self.too_many(spot, breadth, max);
        }
        let granular = !node.atomic;
        value.each(types, |name, member| {
            let below = Spot::Member(spot, name);
            let before = old.filter(|_| granular).and_then(|old| old.member(types, name));
            // Both sides were given the version that the request speaks: that is no change.
            let before =
                before.filter(|_| !(matches!(spot, Spot::Root) && matches!(name, "kind" | "apiVersion")));
            match (node.property(name), &node.additional) {
                (Some(node), _) => self.value(node, member, before, &below),
                (None, Additional::Of(node)) => self.value(node, member, before, &below),
                (None, Additional::Nothing) => {
                    let detail = format!("{}.{name} in body is a forbidden property", spot.text());
                    self.push(Error::invalid(&self.path(spot), name, detail));
                }
                _ => {}
            }
        });
        for name in &node.required {
            if value.member(types, name).is_none() {
                let below = Spot::Member(spot, name);
                self.push(Error::required(&self.path(&below), ""));
            }
        }
    }

    fn too_many(&mut self, spot: &Spot<'_>, found: i64, max: i64) {
        let size = |number: i64| usize::try_from(number).unwrap_or(0);
        self.push(Error::too_many(&self.path(spot), size(found), size(max)));
    }

    fn list(&mut self, node: &Node, items: &[schema::tree::Value], old: Option<View<'_>>, spot: &Spot<'_>) {
        let size = i64::try_from(items.len()).unwrap_or(i64::MAX);
        if let Some(schema) = &node.items {
            for (at, item) in items.iter().enumerate() {
                let before = old.and_then(|old| correlated(self.types, node, old, item.into()));
                self.value(schema, item.into(), before, &Spot::Item(spot, at));
            }
        }
        if let Some(min) = node.count.min.filter(|min| size < *min) {
            self.invalid(spot, size, &format!("should have at least {min} items"));
        }
        if let Some(max) = node.count.max.filter(|max| size > *max) {
            self.too_many(spot, size, max);
        }
        self.matched += 2;
    }
}

/// Equal as JSON, whichever way the trees hold it.
pub(crate) fn same(listed: View<'_>, value: View<'_>) -> bool {
    #[expect(
        clippy::cast_precision_loss,
        reason = "as upstream converts an integer to the listed number's type"
    )]
    match (listed, value) {
        (View::Float(listed), View::Int(value)) => listed == value as f64,
        _ => listed == value,
    }
}

/// The item of the old list that is this item: of a list that is a map, the one with the same keys.
fn correlated<'a>(types: &'a Types, node: &Node, old: View<'a>, item: View<'a>) -> Option<View<'a>> {
    let (ListType::Map, View::List(before)) = (node.list, old) else {
        return None;
    };
    let same_key = |other: View<'a>, key: &str| match (other.member(types, key), item.member(types, key)) {
        (None, None) => true,
        (Some(one), Some(other)) => one == other,
        _ => false,
    };
    let is_it = |other: &View<'a>| node.keys.iter().all(|key| same_key(*other, key));
    before.iter().map(View::from).find(is_it)
}
