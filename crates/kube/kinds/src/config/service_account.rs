//! `ServiceAccount`: an identity of pods.

use schema::cursor::{self, Ref};
use schema::row::Types;
use schema::tree::{Struct, Value};

use crate::{PLAIN, Strategy};

const MOUNTABLE: &str = "kubernetes.io/enforce-mountable-secrets";

pub(super) const STRATEGY: Strategy = Strategy {
    prepare_create: |context, account| names_only(context.types, account),
    prepare_update: |context, account, _| names_only(context.types, account),
    warn: |_, account, old| warnings(account, old),
    resets: &[],
    ..PLAIN
};

/// A reference to a secret is its name and nothing else.
fn names_only(types: &Types, account: &mut Struct) {
    cursor::each_mut(types, account, "secrets", |reference| {
        let name = Ref::new(types, reference).at("name").str().to_owned();
        *reference = Struct::new(reference.ty);
        if !name.is_empty() {
            cursor::set(types, reference, "name", Value::str(&name));
        }
    });
}

fn warnings(account: Ref<'_>, old: Option<Ref<'_>>) -> Vec<String> {
    let set = |account: Ref<'_>| account.path("metadata.annotations").at(MOUNTABLE).exists();
    let new = set(account) && !old.is_some_and(set);
    let warning = format!(
        "metadata.annotations[{MOUNTABLE}]: deprecated in v1.32+; prefer separate namespaces to isolate access to mounted secrets"
    );
    new.then_some(warning).into_iter().collect()
}
