//! Values of a file with their keys, so that whoever finds one wrong can say where it stands. TOML, YAML and JSON are the
//! same tree; maps keep the order of the file.

use std::cell::RefCell;
use std::fmt;
use std::path::Path;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use toml::de::{DeTable, DeValue};

use super::ConfigError;

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Node {
    Null,
    Bool(bool),
    /// As it is written.
    Number(String),
    Text(String),
    List(Vec<Self>),
    Map(Vec<(String, Self)>),
}

impl Node {
    pub(crate) fn toml(text: &str) -> Result<Self, String> {
        let table = DeTable::parse(text).map_err(|error| error.to_string().trim_end().to_owned())?;
        Ok(Self::table(table.into_inner()))
    }

    pub(crate) fn yaml(text: &str) -> Result<Self, String> {
        if text
            .lines()
            .all(|line| line.trim_start().starts_with('#') || line.trim().is_empty())
        {
            return Ok(Self::Null);
        }
        serde_saphyr::from_str(text).map_err(|error| error.to_string())
    }

    /// The parser keeps tables by the names of their keys; where each stands in the file it remembers.
    fn table(table: DeTable<'_>) -> Self {
        let mut entries: Vec<_> = table.into_iter().collect();
        entries.sort_by_key(|(key, _)| key.span().start);
        let entry = |(key, value): (
            toml::Spanned<std::borrow::Cow<'_, str>>,
            toml::Spanned<DeValue<'_>>,
        )| { (key.into_inner().into_owned(), Self::value(value.into_inner())) };
        Self::Map(entries.into_iter().map(entry).collect())
    }

    fn value(value: DeValue<'_>) -> Self {
        match value {
            DeValue::String(text) => Self::Text(text.into_owned()),
            DeValue::Integer(number) => Self::Number(number.to_string()),
            DeValue::Float(number) => Self::Number(number.to_string()),
            DeValue::Boolean(value) => Self::Bool(value),
            DeValue::Datetime(time) => Self::Text(time.to_string()),
            DeValue::Array(items) => {
                let items = items.into_iter().map(|item| Self::value(item.into_inner()));
                Self::List(items.collect())
            }
            DeValue::Table(table) => Self::table(table),
        }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_none<E>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Number(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Number(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Node, E> {
        Ok(Node::Number(value.to_string()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Node, E> {
        Ok(Node::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Node, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Node::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Node, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = access.next_entry()? {
            entries.push(entry);
        }
        Ok(Node::Map(entries))
    }
}

/// A value and where it stands.
#[derive(Clone)]
pub(crate) struct At<'a> {
    file: &'a Path,
    key: String,
    node: &'a Node,
    warnings: &'a RefCell<Vec<String>>,
}

impl<'a> At<'a> {
    pub(crate) const fn root(file: &'a Path, node: &'a Node, warnings: &'a RefCell<Vec<String>>) -> Self {
        let key = String::new();
        Self {
            file,
            key,
            node,
            warnings,
        }
    }

    pub(crate) fn wrong(&self, problem: impl Into<String>) -> ConfigError {
        ConfigError {
            file: self.file.to_owned(),
            key: self.key.clone(),
            problem: problem.into(),
        }
    }

    pub(crate) fn warn(&self, text: &str) {
        let text = format!("{}: {}: {text}", self.file.display(), self.key);
        self.warnings.borrow_mut().push(text);
    }

    fn inside(&self, key: &str, node: &'a Node) -> Self {
        let key = match self.key.as_str() {
            "" => key.to_owned(),
            outer => format!("{outer}.{key}"),
        };
        Self {
            key,
            node,
            ..self.clone()
        }
    }

    /// The entries of a map; of nothing, none.
    pub(crate) fn entries(&self) -> Result<Vec<(&'a str, Self)>, ConfigError> {
        match self.node {
            Node::Null => Ok(Vec::new()),
            Node::Map(entries) => Ok(entries
                .iter()
                .filter(|(_, node)| *node != Node::Null)
                .map(|(key, node)| (key.as_str(), self.inside(&quoted(key), node)))
                .collect()),
            _ => Err(self.wrong("must be a table of keys and values")),
        }
    }

    /// The entries of a map whose keys are all known; the others are warned about.
    pub(crate) fn fields(&self, known: &[&str]) -> Result<Fields<'a>, ConfigError> {
        let (mut fields, unknown): (Vec<_>, Vec<_>) = self
            .entries()?
            .into_iter()
            .partition(|(key, _)| known.contains(key));
        fields.dedup_by(|later, earlier| later.0 == earlier.0);
        for (_, at) in unknown {
            at.warn(&format!("unknown key, ignored; known are {}", known.join(", ")));
        }
        Ok(Fields(fields))
    }

    pub(crate) fn text(&self) -> Result<&'a str, ConfigError> {
        match self.node {
            Node::Text(text) => Ok(text),
            _ => Err(self.wrong("must be a text in quotes")),
        }
    }

    /// A text, also where YAML made something else of it: passwords are often digits.
    pub(crate) fn scalar(&self) -> Result<String, ConfigError> {
        match self.node {
            Node::Text(text) | Node::Number(text) => Ok(text.clone()),
            Node::Bool(value) => Ok(value.to_string()),
            _ => Err(self.wrong("must be a text")),
        }
    }

    pub(crate) fn boolean(&self) -> Result<bool, ConfigError> {
        match self.node {
            Node::Bool(value) => Ok(*value),
            _ => Err(self.wrong("must be true or false")),
        }
    }

    pub(crate) fn items(&self) -> Result<Vec<Self>, ConfigError> {
        match self.node {
            Node::List(items) => Ok(items
                .iter()
                .enumerate()
                .map(|(at, node)| Self {
                    key: format!("{}[{at}]", self.key),
                    node,
                    ..self.clone()
                })
                .collect()),
            _ => Err(self.wrong("must be a list")),
        }
    }

    /// A list, or one item that stands for itself.
    pub(crate) fn items_or_self(&self) -> Result<Vec<Self>, ConfigError> {
        match self.node {
            Node::List(_) => self.items(),
            _ => Ok(vec![self.clone()]),
        }
    }

    pub(crate) const fn is_list(&self) -> bool {
        matches!(self.node, Node::List(_))
    }
}

/// A map's entries.
pub(crate) struct Fields<'a>(Vec<(&'a str, At<'a>)>);

impl<'a> Fields<'a> {
    pub(crate) fn get(&self, key: &str) -> Option<&At<'a>> {
        self.0.iter().find(|(name, _)| *name == key).map(|(_, at)| at)
    }

    pub(crate) fn boolean(&self, key: &str) -> Result<Option<bool>, ConfigError> {
        self.get(key).map(At::boolean).transpose()
    }

    pub(crate) fn scalar(&self, key: &str) -> Result<Option<String>, ConfigError> {
        let found = self.get(key).map(At::scalar).transpose()?;
        Ok(found.filter(|text| !text.is_empty()))
    }
}

/// A key as it is written between dots.
fn quoted(key: &str) -> String {
    let bare = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-');
    if !key.is_empty() && key.chars().all(bare) {
        key.to_owned()
    } else {
        format!("{key:?}")
    }
}
