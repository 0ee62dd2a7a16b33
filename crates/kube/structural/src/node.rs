//! One schema of a custom resource, parsed once: `JSONSchemaProps` as the walkers want it.
//!
//! Structure (types, properties, extensions) and value validation (bounds, patterns, `allOf` …) are in one node, as
//! they are in the document; upstream's two shapes of it, structural and OpenAPI, differ in nothing that is kept here.

use std::sync::OnceLock;

use regexp::Regexp;
use schema::cursor::Ref;
use schema::json::parse;
use schema::tree::Value;

use crate::format::Format;
use crate::rule::Rule;

/// A set of JSON types.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JsonTypes(u8);

const TYPES: [&str; 6] = ["array", "boolean", "integer", "number", "object", "string"];

impl JsonTypes {
    /// The type of this name; none for another word.
    pub fn of(name: &str) -> Self {
        let at = TYPES.iter().position(|known| *known == name);
        Self(at.map_or(0, |at| 1 << at))
    }

    const INT_OR_STRING: Self = Self(1 << 2 | 1 << 5);

    /// Whether anything may stand here.
    pub fn is_any(self) -> bool {
        self.0 == 0
    }

    /// Whether a type is in the set.
    pub fn has(self, name: &str) -> bool {
        self.0 & Self::of(name).0 != 0
    }

    /// `integer,string`
    pub fn names(self) -> String {
        let named = TYPES.iter().enumerate().filter(|(at, _)| self.0 >> at & 1 == 1);
        named.map(|(_, name)| *name).collect::<Vec<_>>().join(",")
    }
}

/// A bound of a number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bound {
    /// The number.
    pub at: f64,
    /// Whether the number itself is out of bounds.
    pub exclusive: bool,
}

/// Bounds of a size: of a text in characters, of a list in items, of an object in members.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Size {
    /// At least.
    pub min: Option<i64>,
    /// At most.
    pub max: Option<i64>,
}

impl Size {
    fn of(schema: Ref<'_>, min: &str, max: &str) -> Self {
        Self {
            min: schema.at(min).integer(),
            max: schema.at(max).integer(),
        }
    }
}

/// What may stand in members that no property names.
#[derive(Clone, Debug, Default)]
pub enum Additional {
    /// The schema does not say.
    #[default]
    Unsaid,
    /// `true`: anything.
    Anything,
    /// `false`: there may be none.
    Nothing,
    /// Values of this schema: the object is a map.
    Of(Box<Node>),
}

/// `x-kubernetes-list-type`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ListType {
    /// One value.
    #[default]
    Atomic,
    /// Unique items.
    Set,
    /// Objects with unique keys.
    Map,
}

/// A regular expression and its text.
#[derive(Clone, Debug)]
pub struct Pattern {
    /// As the schema has it.
    pub text: String,
    /// Compiled when it is first asked; nothing if it is no expression, which validation of the definition refuses.
    compiled: OnceLock<Option<Regexp>>,
}

impl Pattern {
    /// Whether a text has a match in it.
    pub fn is_match(&self, text: &str) -> bool {
        let compiled = self.compiled.get_or_init(|| Regexp::new(&self.text).ok());
        compiled.as_ref().is_some_and(|regexp| regexp.is_match(text))
    }
}

/// A schema.
#[derive(Clone, Debug, Default)]
pub struct Node {
    /// `type`; both types where `x-kubernetes-int-or-string` is set.
    pub types: JsonTypes,
    /// `nullable`
    pub nullable: bool,
    /// `format`, where it is one that is checked.
    pub format: Option<Format>,
    /// `minimum`
    pub minimum: Option<Bound>,
    /// `maximum`
    pub maximum: Option<Bound>,
    /// `multipleOf`
    pub multiple_of: Option<f64>,
    /// `minLength`, `maxLength`
    pub length: Size,
    /// `minItems`, `maxItems`
    pub count: Size,
    /// `minProperties`, `maxProperties`
    pub breadth: Size,
    /// `pattern`
    pub pattern: Option<Pattern>,
    /// `enum`
    pub values: Vec<Value>,
    /// `required`
    pub required: Vec<Box<str>>,
    /// `properties`, by name
    pub properties: Vec<(Box<str>, Self)>,
    /// `additionalProperties`
    pub additional: Additional,
    /// `items`
    pub items: Option<Box<Self>>,
    /// `allOf`
    pub all_of: Vec<Self>,
    /// `anyOf`
    pub any_of: Vec<Self>,
    /// `oneOf`
    pub one_of: Vec<Self>,
    /// `not`
    pub not: Option<Box<Self>>,
    /// `default`: the value and its text
    pub default: Option<(Value, Box<str>)>,
    /// `x-kubernetes-list-type`
    pub list: ListType,
    /// `x-kubernetes-list-map-keys`
    pub keys: Vec<Box<str>>,
    /// `x-kubernetes-map-type: atomic`
    pub atomic: bool,
    /// `x-kubernetes-embedded-resource`
    pub embedded: bool,
    /// `x-kubernetes-preserve-unknown-fields`
    pub open: bool,
    /// `x-kubernetes-int-or-string`
    pub int_or_string: bool,
    /// `x-kubernetes-validations`
    pub rules: Vec<Rule>,
}

impl Node {
    /// Reads a `JSONSchemaProps`.
    pub fn parse(schema: Ref<'_>) -> Self {
        let int_or_string = schema.at("x-kubernetes-int-or-string").bool();
        let types = if int_or_string {
            JsonTypes::INT_OR_STRING
        } else {
            JsonTypes::of(schema.at("type").str())
        };
        Self {
            types,
            nullable: schema.at("nullable").bool(),
            format: Format::of(schema.at("format").str(), types),
            minimum: bound(schema, "minimum", "exclusiveMinimum"),
            maximum: bound(schema, "maximum", "exclusiveMaximum"),
            multiple_of: number(schema.at("multipleOf")),
            length: Size::of(schema, "minLength", "maxLength"),
            count: Size::of(schema, "minItems", "maxItems"),
            breadth: Size::of(schema, "minProperties", "maxProperties"),
            pattern: pattern(schema.at("pattern").str()),
            values: schema
                .at("enum")
                .items()
                .filter_map(raw)
                .map(|(value, _)| value)
                .collect(),
            required: texts(schema.at("required")),
            properties: properties(schema.at("properties")),
            additional: additional(schema.at("additionalProperties")),
            items: one(schema.at("items")),
            all_of: several(schema.at("allOf")),
            any_of: several(schema.at("anyOf")),
            one_of: several(schema.at("oneOf")),
            not: one(schema.at("not")),
            default: raw(schema.at("default")),
            list: list_type(schema.at("x-kubernetes-list-type").str()),
            keys: texts(schema.at("x-kubernetes-list-map-keys")),
            atomic: schema.at("x-kubernetes-map-type").str() == "atomic",
            embedded: schema.at("x-kubernetes-embedded-resource").bool(),
            open: schema.at("x-kubernetes-preserve-unknown-fields").bool(),
            int_or_string,
            rules: schema
                .at("x-kubernetes-validations")
                .items()
                .map(Rule::parse)
                .collect(),
        }
    }

    /// The property of this name.
    pub fn property(&self, name: &str) -> Option<&Self> {
        let at = self
            .properties
            .binary_search_by(|(known, _)| (**known).cmp(name))
            .ok()?;
        Some(&self.properties[at].1)
    }

    /// The schema of a member, be it a property's or that of all members.
    pub fn member(&self, name: &str) -> Option<&Self> {
        self.property(name).or(match &self.additional {
            Additional::Of(values) => Some(values),
            _ => None,
        })
    }

    /// Whether this or a structural node below it is as asked.
    pub fn any(&self, asked: &impl Fn(&Self) -> bool) -> bool {
        let below = |node: &Self| node.any(asked);
        asked(self)
            || self.items.as_deref().is_some_and(below)
            || matches!(&self.additional, Additional::Of(values) if below(values))
            || self.properties.iter().any(|(_, node)| below(node))
    }
}

/// JSON that the definition keeps as text, and that text.
pub(crate) fn raw(at: Ref<'_>) -> Option<(Value, Box<str>)> {
    match at.value()? {
        Value::Raw(raw) => Some((parse(raw.as_str().as_bytes()).ok()?, raw.as_str().into())),
        _ => None,
    }
}

pub(crate) fn number(at: Ref<'_>) -> Option<f64> {
    match at.value()? {
        Value::Float(float) => Some(*float),
        // Bounds are doubles in upstream too.
        #[expect(clippy::cast_precision_loss, reason = "bounds are doubles in upstream too")]
        Value::Int(int) => Some(*int as f64),
        _ => None,
    }
}

fn bound(schema: Ref<'_>, name: &str, exclusive: &str) -> Option<Bound> {
    let exclusive = schema.at(exclusive).bool();
    number(schema.at(name)).map(|at| Bound { at, exclusive })
}

fn pattern(text: &str) -> Option<Pattern> {
    (!text.is_empty()).then(|| Pattern {
        text: text.to_owned(),
        compiled: OnceLock::new(),
    })
}

fn texts(list: Ref<'_>) -> Vec<Box<str>> {
    list.strings().map(Into::into).collect()
}

fn one(at: Ref<'_>) -> Option<Box<Node>> {
    at.object().map(|_| Box::new(Node::parse(at)))
}

fn several(list: Ref<'_>) -> Vec<Node> {
    list.items().map(Node::parse).collect()
}

fn properties(map: Ref<'_>) -> Vec<(Box<str>, Node)> {
    map.entries()
        .map(|(name, schema)| (name.into(), Node::parse(schema)))
        .collect()
}

fn additional(at: Ref<'_>) -> Additional {
    match (at.boolean(), one(at)) {
        (_, Some(values)) => Additional::Of(values),
        (Some(true), None) => Additional::Anything,
        (Some(false), None) => Additional::Nothing,
        (None, None) => Additional::Unsaid,
    }
}

fn list_type(name: &str) -> ListType {
    match name {
        "set" => ListType::Set,
        "map" => ListType::Map,
        _ => ListType::Atomic,
    }
}
