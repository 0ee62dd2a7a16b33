//! The second round of what changes objects (upstream's `admission.ReinvocationContext`).
//!
//! When a policy or a webhook has changed an object, all compiled-in plugins look at it once more, and so do those policies
//! and webhooks that asked for it (`reinvocationPolicy: IfNeeded`) and after which it has changed. There is no third round:
//! whoever changes the object in the second has the last word.

use std::collections::BTreeSet;

use schema::tree::Struct;

/// What a second round needs to know of the first.
#[derive(Debug, Default)]
pub(super) struct Rounds {
    /// Whether this is the second.
    second: bool,
    /// Whether there is to be one.
    wanted: bool,
    /// Those of policies, by policy, binding and parameter.
    policies: Turns<[String; 3]>,
    /// Those of webhooks, by their id.
    webhooks: Turns<String>,
}

impl Rounds {
    /// Begins the second round, if anything was changed in the first.
    pub(super) fn again(&mut self) -> bool {
        self.second = self.wanted;
        self.second
    }

    /// `0` or `1`, as audit annotations count.
    pub(super) fn number(&self) -> u8 {
        u8::from(self.second)
    }

    /// Lets policies take their turns with an object.
    pub(super) fn policies<'r>(&'r mut self, object: Option<&Struct>) -> Round<'r, [String; 3]> {
        Round::begin(self.second, &mut self.wanted, &mut self.policies, object)
    }

    /// Lets webhooks take theirs.
    pub(super) fn webhooks<'r>(&'r mut self, object: Option<&Struct>) -> Round<'r, String> {
        Round::begin(self.second, &mut self.wanted, &mut self.webhooks, object)
    }
}

/// The turns of policies, or of webhooks.
#[derive(Debug)]
struct Turns<K> {
    /// Those that want to be asked again, should the object change after them.
    taken: BTreeSet<K>,
    /// Those after which it has.
    due: BTreeSet<K>,
    /// The object as they left it; kept only if somebody wants to know.
    left: Option<Struct>,
}

impl<K> Default for Turns<K> {
    fn default() -> Self {
        Self {
            taken: BTreeSet::new(),
            due: BTreeSet::new(),
            left: None,
        }
    }
}

/// One of the rounds, for policies or for webhooks.
#[derive(Debug)]
pub(super) struct Round<'r, K> {
    second: bool,
    wanted: &'r mut bool,
    turns: &'r mut Turns<K>,
}

impl<'r, K: Ord> Round<'r, K> {
    fn begin(second: bool, wanted: &'r mut bool, turns: &'r mut Turns<K>, object: Option<&Struct>) -> Self {
        if second && turns.left.as_ref() != object {
            turns.due.append(&mut turns.taken);
        }
        Self {
            second,
            wanted,
            turns,
        }
    }

    /// Whether it is its turn: in the second round only of those that asked for it.
    pub(super) fn is_due(&self, key: &K) -> bool {
        !self.second || self.turns.due.contains(key)
    }

    /// The object has changed: those before are to see it again.
    pub(super) fn changed(&mut self) {
        *self.wanted = true;
        self.turns.due.append(&mut self.turns.taken);
    }

    /// One has had its turn and wants another if the object changes.
    pub(super) fn taken(&mut self, key: K) {
        self.turns.taken.insert(key);
    }

    /// All have had their turns.
    pub(super) fn end(self, object: Option<&Struct>) {
        if !self.second && !self.turns.taken.is_empty() {
            self.turns.left = object.cloned();
        }
    }
}

#[cfg(test)]
mod tests {
    use schema::BUILTIN;

    use super::*;

    fn map(text: &str) -> Struct {
        let (_, version) = schema::resource::by_resource("", "v1", "configmaps").unwrap();
        let decoded = schema::json::decode(&BUILTIN, version.schema, text.as_bytes(), Default::default());
        decoded.unwrap().object
    }

    #[test]
    fn those_who_asked_see_what_came_after_them_once_more() {
        let (before, after) = (map("{}"), map(r#"{"data":{"a":"1"}}"#));
        let mut rounds = Rounds::default();
        let mut round = rounds.webhooks(Some(&before));
        round.taken("early".to_owned());
        round.changed();
        round.taken("late".to_owned());
        round.end(Some(&after));
        assert!(rounds.again());
        let round = rounds.webhooks(Some(&after));
        let due = ["early", "late", "never"].map(|key| round.is_due(&key.to_owned()));
        assert_eq!(due, [true, false, false]);
    }

    #[test]
    fn a_change_in_between_concerns_all_who_asked() {
        let (before, after) = (map("{}"), map(r#"{"data":{"a":"1"}}"#));
        let mut rounds = Rounds::default();
        let mut round = rounds.webhooks(Some(&before));
        round.taken("w".to_owned());
        round.end(Some(&before));
        assert!(!rounds.again(), "nothing was changed");
        rounds.policies(Some(&before)).changed();
        assert!(rounds.again());
        assert!(rounds.webhooks(Some(&after)).is_due(&"w".to_owned()));
    }
}
