//! What a bootstrap object lacks that is there already: an upgraded cluster gets the rules of its new version, and
//! whoever has taken one away by mistake gets it back at the next start (upstream's `pkg/registry/rbac/reconciliation`).
//!
//! Nothing is taken away, and an object whose annotation `autoupdate` says `false` stays as it is.

use serde_json::{Map, Value};

use super::AUTO_UPDATE;
use crate::escalation::lacking;
use crate::objects::PolicyRule;

/// The existing object with what it lacks of the expected one; none if it lacks nothing.
pub fn reconcile(existing: &Value, expected: &Value) -> Option<Value> {
    let update = existing
        .pointer("/metadata/annotations")
        .and_then(|all| all.get(AUTO_UPDATE));
    if update.is_some_and(|update| update == "false") {
        return None;
    }
    let mut object = existing.clone();
    for member in ["labels", "annotations"] {
        merge(&mut object["metadata"], &expected["metadata"], member);
    }
    if expected.get("roleRef").is_some() {
        bind(&mut object, expected);
    } else if expected.get("aggregationRule").is_some() {
        // Its rules are its parts'.
        extend(
            &mut object["aggregationRule"]["clusterRoleSelectors"],
            &expected["aggregationRule"]["clusterRoleSelectors"],
        );
    } else {
        grant(&mut object, expected);
    }
    (object != *existing).then_some(object)
}

/// Adds the entries of a map that are not there.
fn merge(object: &mut Value, expected: &Value, member: &str) {
    let Some(expected) = expected.get(member).and_then(Value::as_object) else {
        return;
    };
    let own = &mut object[member];
    if own.is_null() {
        *own = Map::new().into();
    }
    if let Some(own) = own.as_object_mut() {
        for (key, value) in expected {
            own.entry(key).or_insert_with(|| value.clone());
        }
    }
}

/// Adds the items of a list that are not there.
fn extend(own: &mut Value, expected: &Value) {
    let missing: Vec<Value> = items(expected)
        .filter(|item| !items(own).any(|each| each == *item))
        .cloned()
        .collect();
    append(own, missing);
}

fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

fn append(list: &mut Value, more: Vec<Value>) {
    if more.is_empty() {
        return;
    }
    match list.as_array_mut() {
        Some(list) => list.extend(more),
        None => *list = more.into(),
    }
}

fn grant(role: &mut Value, expected: &Value) {
    let rules = |object: &Value| -> Vec<PolicyRule> {
        serde_json::from_value(object["rules"].clone()).unwrap_or_default()
    };
    let missing = lacking(&rules(role), &rules(expected));
    let missing = missing.iter().filter_map(|rule| serde_json::to_value(rule).ok());
    append(&mut role["rules"], missing.collect());
}

/// A binding to another role cannot be changed into one to this; it is made anew.
fn bind(binding: &mut Value, expected: &Value) {
    if binding["roleRef"] != expected["roleRef"] {
        binding["roleRef"] = expected["roleRef"].clone();
        binding["subjects"] = Value::Array(Vec::new());
    }
    if expected.get("subjects").is_some() {
        extend(&mut binding["subjects"], &expected["subjects"]);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn role(rules: &Value) -> Value {
        json!({"metadata": {"name": "r", "uid": "1", "annotations": {AUTO_UPDATE: "true"}}, "rules": rules})
    }

    #[test]
    fn missing_rules_are_added_and_others_stay() {
        let own = json!({"verbs": ["get"], "apiGroups": [""], "resources": ["pods", "mine"]});
        let wanted = role(&json!([{"verbs": ["get", "list"], "apiGroups": [""], "resources": ["pods"]}]));
        let existing = role(&json!([own]));
        let made = reconcile(&existing, &wanted).unwrap();
        assert_eq!(
            made["rules"],
            json!([own, {"verbs": ["list"], "apiGroups": [""], "resources": ["pods"]}])
        );
        assert_eq!(made["metadata"]["uid"], "1");
        assert_eq!(reconcile(&made, &wanted), None);
    }

    #[test]
    fn what_is_protected_stays() {
        let mut existing = role(&json!([]));
        existing["metadata"]["annotations"][AUTO_UPDATE] = "false".into();
        let wanted = role(&json!([{"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]}]));
        assert_eq!(reconcile(&existing, &wanted), None);
    }

    #[test]
    fn missing_subjects_labels_and_selectors_are_added() {
        let role_ref = json!({"kind": "ClusterRole", "name": "r"});
        let binding =
            |subjects: Value| json!({"metadata": {"name": "b"}, "roleRef": role_ref, "subjects": subjects});
        let (mine, theirs) = (
            json!({"kind": "User", "name": "me"}),
            json!({"kind": "Group", "name": "g"}),
        );
        let made = reconcile(&binding(json!([mine])), &binding(json!([theirs]))).unwrap();
        assert_eq!(made["subjects"], json!([mine, theirs]));
        let aggregate = |labels: Value| json!({"metadata": {"labels": labels}, "aggregationRule": {"clusterRoleSelectors": [{"matchLabels": labels}]}});
        let made = reconcile(
            &aggregate(json!({"a": "own"})),
            &aggregate(json!({"a": "1", "b": "2"})),
        )
        .unwrap();
        assert_eq!(made["metadata"]["labels"], json!({"a": "own", "b": "2"}));
        assert_eq!(items(&made["aggregationRule"]["clusterRoleSelectors"]).count(), 2);
    }
}
