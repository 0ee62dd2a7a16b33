//! Texts: length, pattern, format.

use schema::field::Error;

use super::{Spot, Walk};
use crate::format::Check;
use crate::node::Node;

impl Walk<'_> {
    pub(super) fn text(&mut self, node: &Node, text: &str, spot: &Spot<'_>) {
        self.spelled(node, text, spot);
        if let Some(format) = node.format
            && let Check::Text(check) = format.check
            && !check(text)
        {
            self.type_invalid(spot, format.name, text);
        }
        self.matched += 1 + usize::from(node.format.is_some());
    }

    /// The first of the three that is wrong is told.
    fn spelled(&mut self, node: &Node, text: &str, spot: &Spot<'_>) {
        let bounded = node.length.min.is_some() || node.length.max.is_some();
        let length = if bounded { text.chars().count() } else { 0 };
        let length = i64::try_from(length).unwrap_or(i64::MAX);
        if let Some(max) = node.length.max.filter(|max| length > *max) {
            let max = usize::try_from(max).unwrap_or(0);
            return self.push(Error::too_long(&self.path(spot), max));
        }
        if let Some(min) = node.length.min.filter(|min| length < *min) {
            return self.invalid(spot, text, &format!("should be at least {min} chars long"));
        }
        if let Some(pattern) = &node.pattern
            && !pattern.is_match(text)
        {
            self.invalid(spot, text, &format!("should match '{}'", pattern.text));
        }
    }
}
