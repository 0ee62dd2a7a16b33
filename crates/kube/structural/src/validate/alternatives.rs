//! `allOf`, `anyOf`, `oneOf` and `not`: several schemas for one value.

use std::mem;

use schema::field::Errors;
use schema::json::go_quote;

use super::{Spot, Walk};
use crate::node::Node;
use crate::view::View;

/// What one schema says of a value, and how many checks the value passed.
type Attempt = (Errors, usize);

impl Walk<'_> {
    /// What one alternative says, without telling.
    fn attempt(&mut self, node: &Node, value: View<'_>, old: Option<View<'_>>, spot: &Spot<'_>) -> Attempt {
        let errors = mem::take(&mut self.errors);
        let matched = mem::take(&mut self.matched);
        self.value(node, value, old, spot);
        let told = mem::replace(&mut self.errors, errors);
        (told, mem::replace(&mut self.matched, matched))
    }

    fn merge(&mut self, (errors, matched): Attempt) {
        errors.into_iter().for_each(|error| self.push(error));
        self.matched += matched;
    }

    pub(super) fn alternatives(
        &mut self,
        node: &Node,
        value: View<'_>,
        old: Option<View<'_>>,
        spot: &Spot<'_>,
    ) {
        if !node.any_of.is_empty() {
            self.any_of(node, value, old, spot);
        }
        if !node.one_of.is_empty() {
            self.one_of(node, value, old, spot);
        }
        let mut valid = 0;
        for each in &node.all_of {
            let attempt = self.attempt(each, value, old, spot);
            valid += usize::from(attempt.0.is_empty());
            self.merge(attempt);
        }
        if valid != node.all_of.len() {
            let none = if valid == 0 { ". None validated" } else { "" };
            self.loose(format!(
                "{} must validate all the schemas (allOf){none}",
                go_quote(&spot.text())
            ));
        }
        if let Some(not) = &node.not
            && self.attempt(not, value, old, spot).0.is_empty()
        {
            self.loose(format!(
                "{} must not validate the schema (not)",
                go_quote(&spot.text())
            ));
        }
        self.matched += 2;
    }

    fn any_of(&mut self, node: &Node, value: View<'_>, old: Option<View<'_>>, spot: &Spot<'_>) {
        let mut best: Option<Attempt> = None;
        for each in &node.any_of {
            let attempt = self.attempt(each, value, old, spot);
            if attempt.0.is_empty() {
                return self.merge(attempt);
            }
            if best.as_ref().is_none_or(|best| attempt.1 > best.1) {
                best = Some(attempt);
            }
        }
        self.loose(format!(
            "{} must validate at least one schema (anyOf)",
            go_quote(&spot.text())
        ));
        best.into_iter().for_each(|best| self.merge(best));
    }

    fn one_of(&mut self, node: &Node, value: View<'_>, old: Option<View<'_>>, spot: &Spot<'_>) {
        let (mut best, mut valid): (Option<Attempt>, Vec<Attempt>) = (None, Vec::new());
        for each in &node.one_of {
            let attempt = self.attempt(each, value, old, spot);
            if attempt.0.is_empty() {
                valid.push(attempt);
                best = None;
            } else if valid.is_empty() && best.as_ref().is_none_or(|best| attempt.1 > best.1) {
                best = Some(attempt);
            }
        }
        let found = match valid.len() {
            1 => return valid.into_iter().for_each(|only| self.merge(only)),
            0 => "Found none valid".to_owned(),
            several => format!("Found {several} valid alternatives"),
        };
        let at = go_quote(&spot.text());
        self.loose(format!(
            "{at} must validate one and only one schema (oneOf). {found}"
        ));
        best.into_iter().for_each(|best| self.merge(best));
    }
}
