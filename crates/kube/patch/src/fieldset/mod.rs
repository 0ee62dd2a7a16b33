//! Sets of fields: what a manager owns (structured-merge-diff `fieldpath.Set`).
//!
//! A set is a tree of path steps, each list of steps sorted, so that every operation is one walk over two
//! sorted lists. Steps borrow their names from the table of types, from the object, or from the text of
//! managed fields: a set lives only while a write is worked on, and most writes allocate no name at all.

mod codec;
mod element;

use std::cmp::Ordering;
use std::fmt::Write;

pub use codec::DecodeError;
pub use element::{Element, Scalar};

/// A set of fields.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldSet<'a> {
    nodes: Vec<Node<'a>>,
}

/// A step that is in the set itself, or on the way to others that are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Node<'a> {
    pub(crate) element: Element<'a>,
    /// The field at this step is in the set.
    pub(crate) member: bool,
    /// Those below it.
    pub(crate) children: FieldSet<'a>,
}

impl Node<'_> {
    fn is_empty(&self) -> bool {
        !self.member && self.children.is_empty()
    }
}

impl<'a> FieldSet<'a> {
    /// The set of one path of names; nothing for none, because nobody owns an object.
    pub fn path(names: &[&'a str]) -> Self {
        let mut set = Self::default();
        for (below, name) in names.iter().rev().enumerate() {
            let node = Node {
                element: Element::Field((*name).into()),
                member: below == 0,
                children: set,
            };
            set = Self { nodes: vec![node] };
        }
        set
    }

    /// Whether no field is in the set.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    pub(crate) fn nodes(&self) -> &[Node<'a>] {
        &self.nodes
    }

    /// Adds a step, in any order; nothing if neither it nor anything below it is in the set. The set is one
    /// only after [`Self::settle`].
    pub(crate) fn push(&mut self, element: Element<'a>, member: bool, children: Self) {
        if member || !children.is_empty() {
            self.nodes.push(Node {
                element,
                member,
                children,
            });
        }
    }

    /// Sorts what was pushed and joins steps that were pushed twice.
    pub(crate) fn settle(&mut self) {
        if self.nodes.is_sorted_by(|a, b| a.element < b.element) {
            return;
        }
        self.nodes.sort_by(|a, b| a.element.cmp(&b.element));
        self.nodes.dedup_by(|later, kept| {
            let same = later.element == kept.element;
            if same {
                kept.member |= later.member;
                let (kept_children, later_children) = (
                    std::mem::take(&mut kept.children),
                    std::mem::take(&mut later.children),
                );
                kept.children = kept_children.union(later_children);
            }
            same
        });
    }

    /// What is below a step.
    pub(crate) fn below(&self, element: &Element<'_>) -> Option<&Node<'a>> {
        let at = self
            .nodes
            .binary_search_by(|node| node.element.cmp(element))
            .ok()?;
        Some(&self.nodes[at])
    }

    /// Whether the field at a path is in the set.
    pub fn contains(&self, path: &[Element<'_>]) -> bool {
        let [step, rest @ ..] = path else { return false };
        let Some(node) = self.below(step) else {
            return false;
        };
        if rest.is_empty() {
            node.member
        } else {
            node.children.contains(rest)
        }
    }

    /// What is in one of the two.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        if self.is_empty() {
            return other;
        }
        let mut out = Vec::with_capacity(self.nodes.len().max(other.nodes.len()));
        let (mut ours, mut theirs) = (
            self.nodes.into_iter().peekable(),
            other.nodes.into_iter().peekable(),
        );
        while let (Some(one), Some(two)) = (ours.peek(), theirs.peek()) {
            match one.element.cmp(&two.element) {
                Ordering::Less => out.extend(ours.next()),
                Ordering::Greater => out.extend(theirs.next()),
                Ordering::Equal => {
                    if let (Some(one), Some(two)) = (ours.next(), theirs.next()) {
                        out.push(Node {
                            element: one.element,
                            member: one.member || two.member,
                            children: one.children.union(two.children),
                        });
                    }
                }
            }
        }
        out.extend(ours);
        out.extend(theirs);
        Self { nodes: out }
    }

    /// What is in both.
    #[must_use]
    pub fn intersection(&self, other: &FieldSet<'_>) -> Self {
        let mut out = Self::default();
        for node in &self.nodes {
            if let Some(theirs) = other.below(&node.element) {
                let children = node.children.intersection(&theirs.children);
                out.push(node.element.clone(), node.member && theirs.member, children);
            }
        }
        out
    }

    /// Whether the two have a field in common.
    pub fn intersects(&self, other: &FieldSet<'_>) -> bool {
        self.nodes.iter().any(|node| {
            other.below(&node.element).is_some_and(|theirs| {
                (node.member && theirs.member) || node.children.intersects(&theirs.children)
            })
        })
    }

    /// Takes out what is in `other`. What is below a field of `other` stays.
    pub fn subtract(&mut self, other: &FieldSet<'_>) {
        self.take_out(other, false);
    }

    /// Takes out what is in `other`, and all that is below it.
    pub fn subtract_deep(&mut self, other: &FieldSet<'_>) {
        self.take_out(other, true);
    }

    fn take_out(&mut self, other: &FieldSet<'_>, deep: bool) {
        if other.is_empty() {
            return;
        }
        self.nodes.retain_mut(|node| {
            let Some(theirs) = other.below(&node.element) else {
                return true;
            };
            if deep && theirs.member {
                return false;
            }
            node.member &= !theirs.member;
            node.children.take_out(&theirs.children, deep);
            !node.is_empty()
        });
    }

    /// Every field's path in order: at each step the fields there, then those below them.
    pub(crate) fn paths(&self) -> Vec<Path<'a>> {
        let mut out = Vec::new();
        self.collect(&mut Vec::new(), &mut out);
        out
    }

    fn collect(&self, prefix: &mut Vec<Element<'a>>, out: &mut Vec<Path<'a>>) {
        for node in self.nodes.iter().filter(|node| node.member) {
            let steps = prefix.iter().chain([&node.element]).cloned().collect();
            out.push(Path(steps));
        }
        for node in &self.nodes {
            prefix.push(node.element.clone());
            node.children.collect(prefix, out);
            prefix.pop();
        }
    }

    /// The same set, borrowing nothing.
    pub fn into_owned(self) -> FieldSet<'static> {
        let own = |node: Node<'a>| Node {
            element: node.element.into_owned(),
            member: node.member,
            children: node.children.into_owned(),
        };
        FieldSet {
            nodes: self.nodes.into_iter().map(own).collect(),
        }
    }
}

/// Where a field is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Path<'a>(pub Vec<Element<'a>>);

/// `.spec.containers[name="x"].image`
impl std::fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|step| write!(f, "{step}"))
    }
}

/// One path a line, as upstream's tests and messages show a set.
impl std::fmt::Display for FieldSet<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, path) in self.paths().iter().enumerate() {
            if index > 0 {
                f.write_char('\n')?;
            }
            write!(f, "{path}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn set_of(paths: &BTreeSet<Vec<&'static str>>) -> FieldSet<'static> {
        paths
            .iter()
            .fold(FieldSet::default(), |set, path| set.union(FieldSet::path(path)))
    }

    fn model(set: &FieldSet<'_>) -> BTreeSet<String> {
        set.paths().iter().map(ToString::to_string).collect()
    }

    fn names(paths: &BTreeSet<Vec<&'static str>>) -> BTreeSet<String> {
        paths.iter().map(|path| format!(".{}", path.join("."))).collect()
    }

    fn paths() -> impl Strategy<Value = BTreeSet<Vec<&'static str>>> {
        let name = prop::sample::select(vec!["a", "b", "c"]);
        prop::collection::btree_set(prop::collection::vec(name, 1..4), 0..8)
    }

    proptest! {
        #[test]
        fn sets_are_sets(one in paths(), two in paths()) {
            let (a, b) = (set_of(&one), set_of(&two));
            let (na, nb) = (names(&one), names(&two));
            prop_assert_eq!(model(&a), na.clone());
            prop_assert_eq!(model(&a.clone().union(b.clone())), &na | &nb);
            prop_assert_eq!(model(&a.intersection(&b)), &na & &nb);
            prop_assert_eq!(a.intersects(&b), !na.is_disjoint(&nb));
            let mut rest = a.clone();
            rest.subtract(&b);
            prop_assert_eq!(model(&rest), &na - &nb);
            let mut rest = a.clone();
            rest.subtract_deep(&b);
            let covered = |path: &String| nb.iter().any(|top| path == top || path.starts_with(&format!("{top}.")));
            prop_assert_eq!(model(&rest), na.iter().filter(|path| !covered(path)).cloned().collect());
            let text = a.encode();
            prop_assert_eq!(FieldSet::decode(&text).unwrap(), a.clone());
        }
    }

    #[test]
    fn a_set_prints_as_upstreams() {
        for text in [
            "{}",
            r#"{"f:a":{}}"#,
            r#"{"f:metadata":{"f:labels":{".":{},"f:app":{}}},"f:spec":{"f:containers":{"k:{\"name\":\"x\"}":{".":{},"f:image":{}}}}}"#,
            r#"{"f:ports":{"k:{\"containerPort\":80,\"protocol\":\"TCP\"}":{}},"f:set":{"v:\"a\"":{},"v:1":{},"v:true":{}}}"#,
        ] {
            let set = FieldSet::decode(text).unwrap();
            let mut sorted = text.to_owned();
            if text.contains("f:set") {
                sorted = text.replace(r#""v:\"a\"":{},"v:1":{}"#, r#""v:1":{},"v:\"a\"":{}"#);
            }
            assert_eq!(set.encode(), sorted);
        }
    }

    #[test]
    fn what_is_no_set_is_refused_and_unknown_steps_are_dropped() {
        assert!(FieldSet::decode("1").is_err());
        assert!(FieldSet::decode(r#"{"f:a":1}"#).is_err());
        assert!(FieldSet::decode(r#"{"a":{}}"#).is_err());
        assert!(FieldSet::decode(r#"{"k:{":{}}"#).is_err());
        let set = FieldSet::decode(r#"{"x:new":{"f:b":{}},"f:a":{}}"#).unwrap();
        assert_eq!(set.to_string(), ".a");
    }
}
