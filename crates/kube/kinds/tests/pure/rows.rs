//! The functions of a row never panic, and a row agrees with itself.

use std::time::SystemTime;

use kinds::{Context, Strategy, User, strategy};
use proptest::prelude::*;
use schema::BUILTIN;
use schema::cursor::{self, Ref};
use schema::field::Errors;
use schema::json::{Options, decode};
use schema::resource::{ResourceDef, builtin, type_of_kind};
use schema::row::TypeId;
use schema::tree::{Struct, Value};

use super::{arbitrary, samples};

fn context(subresource: &'static str) -> Context<'static> {
    Context {
        types: &BUILTIN,
        now: SystemTime::UNIX_EPOCH,
        version: "v1",
        namespace: "default",
        name: "n",
        subresource,
        user: User::default(),
    }
}

/// A resource's row, and the type of its stored version.
fn row(def: &ResourceDef) -> (&'static Strategy, TypeId) {
    let stored = &def.storage_version;
    let ty = type_of_kind(&stored.group, &stored.version, &def.kind).unwrap();
    (strategy(&def.group, &def.plural), ty)
}

fn texts(errors: &Errors) -> Vec<String> {
    errors.iter().map(ToString::to_string).collect()
}

/// A sample as the server makes it: with defaults, a uid, and prepared.
fn sample(def: &ResourceDef) -> Option<Struct> {
    let (name, members) = samples::of(&def.group, &def.plural)?;
    let (strategy, ty) = row(def);
    let json = format!(r#"{{"metadata":{{"name":"{name}","namespace":"default"}},{members}}}"#);
    let mut object = decode(&BUILTIN, ty, json.as_bytes(), Options::default())
        .ok()?
        .object;
    schema::defaults::apply(&BUILTIN, &mut object);
    (strategy.default)(&BUILTIN, &mut object);
    cursor::set(&BUILTIN, &mut object, "metadata.uid", Value::str("u"));
    (strategy.prepare_create)(&context(""), &mut object);
    Some(object)
}

#[test]
fn what_upstream_takes_is_taken() {
    let mut seen = 0;
    for def in builtin() {
        // The core group's events are stored for both groups, and have their own sample.
        let Some(object) = sample(def).filter(|_| def.group != "events.k8s.io") else {
            continue;
        };
        let (strategy, _) = row(def);
        let read = Ref::new(&BUILTIN, &object);
        let mut errors = Errors::new();
        (strategy.validate_create)(&context(""), read, &mut errors);
        if def.plural == "services" {
            // Its addresses come from the allocators.
            errors.clear();
        }
        assert_eq!(texts(&errors), [""; 0], "create {}/{}", def.group, def.plural);
        (strategy.validate_update)(&context(""), read, read, &mut errors);
        (strategy.validate_status)(&context("status"), read, read, &mut errors);
        assert_eq!(texts(&errors), [""; 0], "update {}/{}", def.group, def.plural);
        seen += 1;
    }
    assert!(seen > 50, "{seen} samples");
}

#[test]
fn defaults_are_the_same_the_second_time() {
    for def in builtin() {
        let Some(once) = sample(def) else { continue };
        let mut twice = once.clone();
        (row(def).0.default)(&BUILTIN, &mut twice);
        assert!(once == twice, "{}/{}", def.group, def.plural);
    }
}

/// Every function of a row, with trees that nobody would write.
fn drive(strategy: &Strategy, mut new: Struct, mut old: Struct) {
    (strategy.default)(&BUILTIN, &mut new);
    let once = new.clone();
    (strategy.default)(&BUILTIN, &mut new);
    assert!(once == new, "defaults are idempotent");
    (strategy.default)(&BUILTIN, &mut old);
    let (context, mut errors) = (context(""), Errors::new());
    let mut created = new.clone();
    (strategy.prepare_create)(&context, &mut created);
    (strategy.validate_create)(&context, Ref::new(&BUILTIN, &created), &mut errors);
    for prepare in [strategy.prepare_update, strategy.prepare_status] {
        let mut updated = new.clone();
        prepare(&context, &mut updated, &old);
        let [after, before] = [&updated, &old].map(|object| Ref::new(&BUILTIN, object));
        (strategy.validate_update)(&context, after, before, &mut errors);
        (strategy.validate_status)(&context, after, before, &mut errors);
        (strategy.warn)(&context, after, Some(before));
        (strategy.warn)(&context, after, None);
        (strategy.graceful)(&context, after, None);
    }
    for way in strategy.subresources {
        let mut updated = new.clone();
        (way.prepare)(&context, &mut updated, &old);
        let [after, before] = [&updated, &old].map(|object| Ref::new(&BUILTIN, object));
        (way.validate)(&context, after, before, &mut errors);
    }
    errors.iter().for_each(|error| drop(error.to_string()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn no_tree_makes_a_row_panic(seeds in (any::<u64>(), any::<u64>())) {
        for def in builtin() {
            let (strategy, ty) = row(def);
            let [new, old] = [seeds.0, seeds.1].map(|seed| arbitrary::tree(&BUILTIN, ty, false, seed));
            drive(strategy, new, old);
        }
    }

    #[test]
    fn names_are_judged_whatever_they_are(name in ".{0,80}", prefix in any::<bool>()) {
        for def in builtin() {
            (row(def).0.name)(&name, prefix);
        }
    }
}
