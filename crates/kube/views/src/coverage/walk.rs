//! One pass over the bytes of a pod along a tree of fields; everything beside the tree is skipped, not built.

use std::fmt::{self, Write};

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::{Node, When};

/// A step of the way to where the walk is.
#[derive(Clone, Copy)]
enum Step {
    Member(&'static str),
    Element(usize),
}

/// A walk that ends at the first refused field.
pub(super) struct Walk {
    root: &'static Node,
    way: Vec<Step>,
    found: Option<String>,
}

impl Walk {
    pub(super) fn of(root: &'static Node) -> Self {
        Self {
            root,
            way: Vec::new(),
            found: None,
        }
    }

    /// The path of the first refused field.
    pub(super) fn over(mut self, bytes: &[u8]) -> Option<String> {
        let mut text = serde_json::Deserializer::from_slice(bytes);
        let root = self.root;
        // A walk is cut off by an error where it found something; any other error is of bytes that are no pod.
        let walked = text.deserialize_any(At {
            node: root,
            walk: &mut self,
        });
        drop(walked);
        self.found
    }

    fn refuse(&mut self) {
        let mut path = String::new();
        for step in &self.way {
            let written = match step {
                Step::Member(name) if path.is_empty() => write!(path, "{name}"),
                Step::Member(name) => write!(path, ".{name}"),
                Step::Element(index) => write!(path, "[{index}]"),
            };
            debug_assert!(written.is_ok(), "a string takes every text");
        }
        self.found = Some(path);
    }

    /// Walks on below `step`; an error where the walk has ended.
    fn below<E: Error>(&mut self, step: Step, on: impl FnOnce(&mut Self) -> Result<(), E>) -> Result<(), E> {
        self.way.push(step);
        on(self)?;
        self.way.pop();
        match self.found {
            Some(_) => Err(E::custom("found")),
            None => Ok(()),
        }
    }
}

/// A value of the pod, and what the tree says of it.
struct At<'w> {
    node: &'static Node,
    walk: &'w mut Walk,
}

impl At<'_> {
    fn judge(self, holds: impl FnOnce(When) -> bool) {
        if let Node::Refused(when) = self.node
            && holds(*when)
        {
            self.walk.refuse();
        }
    }
}

impl<'de> DeserializeSeed<'de> for At<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, value: D) -> Result<(), D::Error> {
        value.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for At<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value of a pod")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E: Error>(self, flag: bool) -> Result<(), E> {
        self.judge(|when| when == When::Set || when == When::Bool(flag));
        Ok(())
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<(), E> {
        self.judge(|when| when == When::Set);
        Ok(())
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        self.judge(|when| when == When::Set);
        Ok(())
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        self.judge(|when| when == When::Set);
        Ok(())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        self.judge(|when| match when {
            When::Set => !text.is_empty(),
            When::Bool(_) => false,
            When::Text(refused) => text == refused,
            When::Prefix(refused) => text.starts_with(refused),
        });
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let Node::Each(element) = self.node else {
            let mut any = false;
            while list.next_element::<IgnoredAny>()?.is_some() {
                any = true;
            }
            self.judge(|when| any && when == When::Set);
            return Ok(());
        };
        let mut index = 0;
        let mut more = true;
        while more {
            self.walk.below(Step::Element(index), |walk| {
                more = list.next_element_seed(At { node: element, walk })?.is_some();
                Ok(())
            })?;
            index += 1;
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let Node::Members(known) = self.node else {
            while members.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
            self.judge(|when| when == When::Set);
            return Ok(());
        };
        while let Some(found) = members.next_key_seed(Name(known))? {
            let Some((name, node)) = found else {
                members.next_value::<IgnoredAny>()?;
                continue;
            };
            self.walk.below(Step::Member(name), |walk| {
                members.next_value_seed(At { node, walk })
            })?;
        }
        Ok(())
    }
}

/// The member of that name, if the tree knows it.
struct Name(&'static [(&'static str, Node)]);

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Option<&'static (&'static str, Node)>;

    fn deserialize<D: Deserializer<'de>>(self, name: D) -> Result<Self::Value, D::Error> {
        name.deserialize_str(self)
    }
}

impl Visitor<'_> for Name {
    type Value = Option<&'static (&'static str, Node)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a field")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Self::Value, E> {
        Ok(self.0.iter().find(|(known, _)| *known == name))
    }
}
