//! Which names a definition gets: those that no other one of its group has (`controller/status/naming_controller.go`).

use std::collections::BTreeSet;

use schema::cursor::Ref;
use schema::json::go_quote;

/// What is taken in a group.
#[derive(Debug, Default)]
pub(super) struct Taken {
    resources: BTreeSet<String>,
    kinds: BTreeSet<String>,
}

impl Taken {
    /// Adds what a definition has been given.
    pub(super) fn add(&mut self, accepted: Ref<'_>) {
        let mut insert = |text: &str| {
            if !text.is_empty() {
                self.resources.insert(text.to_owned());
            }
        };
        insert(accepted.at("plural").str());
        insert(accepted.at("singular").str());
        accepted.at("shortNames").strings().for_each(insert);
        for kind in ["kind", "listKind"].map(|name| accepted.at(name).str()) {
            if !kind.is_empty() {
                self.kinds.insert(kind.to_owned());
            }
        }
    }
}

/// What came of a definition's wishes.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Accepted {
    pub(super) plural: String,
    pub(super) singular: String,
    pub(super) kind: String,
    pub(super) list_kind: String,
    pub(super) short_names: Vec<String>,
    pub(super) categories: Vec<String>,
    /// The last wish that was not granted: the reason and the message of the condition.
    pub(super) conflict: Option<(&'static str, String)>,
}

/// The new accepted names: what is wished and free, else what was accepted before. `taken` has the others' names.
pub(super) fn accept(wished: Ref<'_>, before: Ref<'_>, taken: &Taken) -> Accepted {
    let mut conflict = None;
    let mut one = |name: &str, used: &BTreeSet<String>, reason: &'static str| {
        let (wish, had) = (wished.at(name).str(), before.at(name).str());
        if wish == had || !used.contains(wish) {
            return wish.to_owned();
        }
        conflict = Some((reason, in_use(wish)));
        had.to_owned()
    };
    let plural = one("plural", &taken.resources, "PluralConflict");
    let singular = one("singular", &taken.resources, "SingularConflict");
    let short_names = short(wished, before, taken);
    let kind = one("kind", &taken.kinds, "KindConflict");
    let list_kind = one("listKind", &taken.kinds, "ListKindConflict");
    let (short_names, short_conflict) = short_names;
    Accepted {
        plural,
        singular,
        kind,
        list_kind,
        short_names,
        categories: texts(wished.at("categories")),
        conflict: conflict.or(short_conflict.map(|message| ("ShortNamesConflict", message))),
    }
}

fn in_use(name: &str) -> String {
    format!("{} is already in use", go_quote(name))
}

fn texts(list: Ref<'_>) -> Vec<String> {
    list.strings().map(str::to_owned).collect()
}

fn short(wished: Ref<'_>, before: Ref<'_>, taken: &Taken) -> (Vec<String>, Option<String>) {
    let (wishes, had) = (texts(wished.at("shortNames")), texts(before.at("shortNames")));
    let lost = wishes
        .iter()
        .filter(|name| !had.contains(name) && taken.resources.contains(*name));
    let told: Vec<String> = lost.map(|name| in_use(name)).collect();
    match told.as_slice() {
        [] => (wishes, None),
        [one] => (had, Some(one.clone())),
        several => (had, Some(format!("[{}]", several.join(", ")))),
    }
}
