//! Pods as templates say (`core/v1 PodTemplateSpec`).

use std::collections::BTreeSet;

use apiserver::cache::Snapshot;
use client::Resource;
use driver::Rng;
use schema::object::Meta;
use serde_json::{Map, Value, json};

use crate::driver::Cx;
use crate::resources::PODS;

/// What generated names end with; no vowels, so no words.
const ALPHABET: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";

/// How many letters that is, and how long a generated name may be.
const RANDOM: usize = 5;
const MAX_GENERATED: usize = 63;

/// A text of the letters that generated names have: each byte stands for one.
pub(crate) fn safe(text: &str) -> String {
    text.bytes().map(letter).collect()
}

fn letter(byte: u8) -> char {
    char::from(ALPHABET[usize::from(byte) % ALPHABET.len()])
}

/// What the names of an owner's objects begin with.
pub(crate) fn prefix(owner: &str) -> String {
    format!("{owner}-")
}

/// The same, cut so far that all of them begin so however long they would be.
pub(crate) fn stem(owner: &str) -> String {
    const SURE: usize = 40;
    prefix(owner).chars().take(SURE).collect()
}

/// A name of an own, after a prefix that is cut where it would be too long.
fn name(prefix: &str, rng: &mut Rng) -> String {
    let mut name: String = prefix.chars().take(MAX_GENERATED - RANDOM).collect();
    for _ in 0..RANDOM {
        let [chance, ..] = rng.next_u64().to_be_bytes();
        name.push(letter(chance));
    }
    name
}

/// Names for pods of a namespace, which no pod there has.
pub(crate) struct Names<'a> {
    namespace: &'a str,
    pods: Snapshot,
    rng: Rng,
    given: BTreeSet<String>,
}

impl<'a> Names<'a> {
    pub(crate) fn new(cx: &Cx, namespace: &'a str) -> Self {
        Self {
            namespace,
            pods: cx.world.objects(&PODS),
            rng: cx.env.rng(),
            given: BTreeSet::new(),
        }
    }

    pub(crate) fn next(&mut self, prefix: &str) -> String {
        loop {
            let name = name(prefix, &mut self.rng);
            let taken = self.pods.get(&format!("{}/{name}", self.namespace)).is_some();
            if !taken && self.given.insert(name.clone()) {
                return name;
            }
        }
    }
}

/// The reference by which an object's controller owns it.
pub(crate) fn controller(resource: &Resource, owner: &Meta) -> Value {
    json!({
        "apiVersion": resource.api_version(), "kind": resource.kind, "name": owner.name, "uid": owner.uid,
        "controller": true, "blockOwnerDeletion": true,
    })
}

/// A pod as a template says. `prefix` is what its name was made from.
pub(crate) fn pod_of(template: &Value, owner: &Value, prefix: &str, name: &str) -> Value {
    let mut meta = Map::new();
    for member in ["labels", "annotations", "finalizers"] {
        if let Some(value) = template["metadata"].get(member) {
            meta.insert(member.to_owned(), value.clone());
        }
    }
    meta.insert("generateName".to_owned(), prefix.into());
    meta.insert("name".to_owned(), name.into());
    meta.insert("ownerReferences".to_owned(), json!([owner]));
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": template["spec"]})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_cut_and_end_by_chance() {
        let mut rng = Rng::from_seed(1);
        let (one, other) = (name("web-", &mut rng), name("web-", &mut rng));
        assert!(
            one.len() == 9 && one.starts_with("web-") && one != other,
            "{one} {other}"
        );
        let long = name(&"a".repeat(100), &mut rng);
        assert_eq!(long.len(), 63);
        assert_eq!(&long[..58], "a".repeat(58));
    }

    #[test]
    fn digits_become_letters() {
        // The bytes of digits are 48 to 57: 21 is the first of them in the alphabet.
        assert_eq!(safe("0123456789"), "456789bcdf");
    }

    #[test]
    fn a_pod_is_its_template_with_an_owner() {
        let template = json!({
            "metadata": {"labels": {"a": "b"}, "annotations": {"c": "d"}, "creationTimestamp": null},
            "spec": {"containers": []},
        });
        let pod = pod_of(&template, &json!({"uid": "u"}), "web-", "web-x");
        let expected = json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {
                "labels": {"a": "b"}, "annotations": {"c": "d"}, "generateName": "web-", "name": "web-x",
                "ownerReferences": [{"uid": "u"}],
            },
            "spec": {"containers": []},
        });
        assert_eq!(pod, expected);
    }
}
