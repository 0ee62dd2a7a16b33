//! Applies by several managers against a model that is a map of keys to values and owners.

use std::collections::{BTreeMap, BTreeSet};

use patch::managed::{Application, ApplyError, apply};
use proptest::prelude::*;
use schema::cursor::Ref;
use schema::json::parse;
use schema::tree::Struct;

use super::{kind, managers, writer};

const MANAGERS: [&str; 3] = ["one", "two", "three"];
const KEYS: [&str; 4] = ["a", "b", "c", "d"];

/// One apply: who, which values for which keys, whether by force.
type Step = (usize, BTreeMap<usize, u8>, bool);

fn step() -> impl Strategy<Value = Step> {
    let config = prop::collection::btree_map(0..KEYS.len(), 0..3_u8, 0..4);
    (0..MANAGERS.len(), config, any::<bool>())
}

/// What a key has, and who owns it.
type Model = BTreeMap<usize, (u8, BTreeSet<usize>)>;

/// The model after an apply, or the keys that conflict.
fn expected(model: &Model, (manager, config, force): &Step) -> Result<Model, BTreeSet<usize>> {
    let differs = |(key, value): &(&usize, &u8)| {
        let held = model.get(*key);
        held.is_some_and(|(old, owners)| old != *value && owners.iter().any(|owner| owner != manager))
    };
    let conflicts: BTreeSet<usize> = config.iter().filter(differs).map(|(key, _)| *key).collect();
    if !force && !conflicts.is_empty() {
        return Err(conflicts);
    }
    let mut next = model.clone();
    for (_, owners) in next.values_mut() {
        owners.remove(manager);
    }
    for (key, value) in config {
        let slot = next.entry(*key).or_insert((*value, BTreeSet::new()));
        if slot.0 != *value {
            *slot = (*value, BTreeSet::new());
        }
        slot.1.insert(*manager);
    }
    next.retain(|_, (_, owners)| !owners.is_empty());
    Ok(next)
}

fn config(step: &Step) -> String {
    let data: Vec<String> = step
        .1
        .iter()
        .map(|(key, value)| format!(r#""{}":"{value}""#, KEYS[*key]))
        .collect();
    let head = r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"c"}"#;
    format!(r#"{head},"data":{{{}}}}}"#, data.join(","))
}

fn perform(live: Option<&Struct>, step: &Step) -> Result<Struct, ApplyError> {
    let config = parse(config(step).as_bytes()).unwrap();
    let application = Application {
        name: "ConfigMap",
        kind: kind("v1", "ConfigMap"),
        live,
        config: &config,
        force: step.2,
    };
    apply(application, &writer(MANAGERS[step.0], "2026-01-01T00:00:00Z")).map(|applied| applied.object)
}

fn holds(object: &Struct, model: &Model) {
    let kind = kind("v1", "ConfigMap");
    let data = Ref::new(kind.types, object).path("data");
    let found: BTreeMap<String, String> = data
        .entries()
        .map(|(key, value)| (key.to_owned(), value.str().to_owned()))
        .collect();
    let wanted = model
        .iter()
        .map(|(key, (value, _))| (KEYS[*key].to_owned(), value.to_string()))
        .collect();
    assert_eq!(found, wanted);
    let managers = managers(kind, object);
    for (at, manager) in MANAGERS.iter().enumerate() {
        let line = managers
            .lines()
            .find(|line| line.starts_with(&format!("{manager} ")))
            .unwrap_or_default();
        for (key, (_, owners)) in model {
            let owns = line.contains(&format!("\"f:{}\":", KEYS[*key]));
            assert_eq!(
                owns,
                owners.contains(&at),
                "{manager} {} in {managers}",
                KEYS[*key]
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn applies_do_what_the_model_does(steps in prop::collection::vec(step(), 1..12)) {
        let (mut live, mut model): (Option<Struct>, Model) = (None, Model::new());
        for step in steps {
            match (perform(live.as_ref(), &step), expected(&model, &step)) {
                (Ok(object), Ok(next)) => {
                    holds(&object, &next);
                    // Without managers the next apply finds an object that nobody managed.
                    if next.is_empty() {
                        return Ok(());
                    }
                    (live, model) = (Some(object), next);
                }
                (Err(ApplyError::Conflicts(found)), Err(keys)) => {
                    let found: BTreeSet<String> = found.iter().map(|conflict| conflict.path.to_string()).collect();
                    let keys = keys.iter().map(|key| format!(".data.{}", KEYS[*key])).collect();
                    prop_assert_eq!(found, keys);
                }
                (found, wanted) => prop_assert!(false, "{found:?} where {wanted:?} was expected"),
            }
        }
    }
}
