//! `[sig-api-machinery] ValidatingAdmissionPolicy [Privileged:ClusterAdmin]`

use client::Resource;
use serde_json::{Value, json};

use super::{DEPLOYMENTS, REPLICA_SETS, workload};
use crate::node::{NAMESPACES, Node, WIDGETS};

static POLICIES: Resource = Resource::new(
    "admissionregistration.k8s.io",
    "v1",
    "validatingadmissionpolicies",
    "ValidatingAdmissionPolicy",
    false,
);
static BINDINGS: Resource = Resource::new(
    "admissionregistration.k8s.io",
    "v1",
    "validatingadmissionpolicybindings",
    "ValidatingAdmissionPolicyBinding",
    false,
);

fn started() -> Node {
    let node = Node::start(1);
    node.create(
        &NAMESPACES,
        "",
        &json!({"metadata": {"name": "v", "labels": {"unique": "true"}}}),
    );
    node.settle();
    node
}

fn rules(group: &str, version: &str, resource: &str) -> Value {
    json!({
        "namespaceSelector": {"matchLabels": {"unique": "true"}},
        "resourceRules": [{"operations": ["CREATE", "UPDATE"], "apiGroups": [group], "apiVersions": [version], "resources": [resource]}],
    })
}

fn policy(name: &str, constraints: &Value, more: &Value) -> Value {
    let mut policy = json!({"metadata": {"name": name}, "spec": {"matchConstraints": constraints}});
    for (member, value) in more.as_object().unwrap() {
        policy["spec"][member] = value.clone();
    }
    policy
}

fn bind(node: &Node, policy: &str) {
    let binding = json!({"metadata": {"name": "binding.example.com"}, "spec": {
        "policyName": policy, "validationActions": ["Deny"],
        "matchResources": {"namespaceSelector": {"matchLabels": {"unique": "true"}}},
    }});
    node.create(&BINDINGS, "", &binding);
}

/// should validate against a Deployment [Conformance]
#[test]
fn should_validate_against_a_deployment() {
    let node = started();
    let validations = json!({"validations": [{
        "expression": "object.spec.replicas > 1",
        "messageExpression": "'wants replicas > 1, got ' + object.spec.replicas",
    }]});
    node.create(
        &POLICIES,
        "",
        &policy("p", &rules("apps", "v1", "deployments"), &validations),
    );
    bind(&node, "p");
    let refused = node
        .try_create(&DEPLOYMENTS, "v", &workload("marker-deployment", 1))
        .unwrap_err();
    assert_eq!(
        (refused.code(), refused.to_string().as_str()),
        (
            Some(422),
            "deployments.apps \"marker-deployment\" is forbidden: ValidatingAdmissionPolicy 'p' with binding \
             'binding.example.com' denied request: failed expression: object.spec.replicas > 1"
        ),
        "the message's expression fails"
    );
    node.create(&DEPLOYMENTS, "v", &workload("replicated", 2));
    node.create(&REPLICA_SETS, "v", &workload("non-replicated", 1));
}

/// should allow expressions to refer variables. [Conformance]
#[test]
fn should_allow_expressions_to_refer_variables() {
    let node = started();
    let spec = json!({
        "variables": [
            {"name": "replicas", "expression": "object.spec.replicas"},
            {"name": "oddReplicas", "expression": "variables.replicas % 2 == 1"},
        ],
        "validations": [
            {"expression": "variables.replicas > 1"},
            {"expression": "variables.oddReplicas"},
        ],
    });
    node.create(
        &POLICIES,
        "",
        &policy("p", &rules("apps", "v1", "deployments"), &spec),
    );
    bind(&node, "p");
    for (replicas, denied) in [(1, true), (2, true), (3, false)] {
        let made = node.try_create(&DEPLOYMENTS, "v", &workload(&format!("d{replicas}"), replicas));
        assert_eq!(made.is_err(), denied, "{replicas}");
    }
    node.create(&REPLICA_SETS, "v", &workload("non-replicated", 1));
}

/// The warnings of a policy, once its types are checked.
fn warnings(node: &Node, name: &str) -> Vec<(String, String)> {
    node.until("types are checked", |node| {
        node.get(&POLICIES, "", name).unwrap()["status"]["typeChecking"].is_object()
    });
    let policy = node.get(&POLICIES, "", name).unwrap();
    assert_eq!(
        policy["status"]["observedGeneration"],
        policy["metadata"]["generation"]
    );
    let text = |warning: &Value, member: &str| warning[member].as_str().unwrap().to_owned();
    let all = policy["status"]["typeChecking"]["expressionWarnings"]
        .as_array()
        .cloned();
    let all = all.unwrap_or_default();
    all.iter()
        .map(|each| (text(each, "fieldRef"), text(each, "warning")))
        .collect()
}

/// should type check validation expressions
#[test]
fn should_type_check_validation_expressions() {
    let node = started();
    let constraints = rules("apps", "v1", "deployments");
    let right = json!({"validations": [{"expression": "object.spec.replicas > 1"}]});
    node.create(&POLICIES, "", &policy("correct", &constraints, &right));
    assert_eq!(warnings(&node, "correct"), []);
    let wrong = json!({"validations": [{
        "expression": "object.spec.replicas > '1'",
        "messageExpression": "'wants replicas > 1, got ' + object.spec.replicas",
    }]});
    node.create(&POLICIES, "", &policy("confused", &constraints, &wrong));
    let told = warnings(&node, "confused");
    let field = |member: &str| format!("spec.validations[0].{member}");
    assert_eq!(told[0].0, field("expression"));
    assert_eq!(
        told[0].1,
        "apps/v1, Kind=Deployment: ERROR: <input>:1:22: found no matching overload for '_>_' applied to '(int, string)'\n \
         | object.spec.replicas > '1'\n | .....................^\n"
    );
    assert_eq!(told[1].0, field("messageExpression"));
    assert!(
        told[1]
            .1
            .contains("found no matching overload for '_+_' applied to '(string, int)'"),
        "{}",
        told[1].1
    );
    assert_eq!(told.len(), 2);
    let mut repaired = node.get(&POLICIES, "", "confused").unwrap();
    repaired["spec"]["validations"] = right["validations"].clone();
    node.replace(&POLICIES, "", &repaired).unwrap();
    node.until("the new generation is checked", |node| {
        node.get(&POLICIES, "", "confused").unwrap()["status"]["observedGeneration"] == 2
    });
    let status = &node.get(&POLICIES, "", "confused").unwrap()["status"];
    assert_eq!(
        *status,
        json!({"observedGeneration": 2}),
        "as apply leaves what is empty"
    );
}

/// should type check a CRD
#[test]
fn should_type_check_a_crd() {
    let node = started();
    node.define_widgets();
    let spec = json!({"validations": [
        {"expression": "object.spec.x == '1'"},
        {"expression": "object.metadata.name.startsWith('w') && object.metadata.labels.size() < 3"},
    ]});
    node.create(
        &POLICIES,
        "",
        &policy("p", &rules("example.com", "v1", "widgets"), &spec),
    );
    let told = warnings(&node, "p");
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0].0, "spec.validations[0].expression");
    assert!(
        told[0]
            .1
            .starts_with("example.com/v1, Kind=Widget: ERROR: <input>:1:7: undefined field 'spec'"),
        "{}",
        told[0].1
    );
    node.create(&WIDGETS, "v", &json!({"metadata": {"name": "w"}}));
}

/// should support ValidatingAdmissionPolicy API operations [Conformance]
#[test]
fn should_support_validating_admission_policy_api_operations() {
    let constraints = json!({"resourceRules": [{"operations": ["CREATE"], "apiGroups": ["apps"], "apiVersions": ["v1"], "resources": ["deployments"]}]});
    let template = policy(
        "",
        &constraints,
        &json!({"validations": [{"expression": "object.spec.replicas <= 100"}]}),
    );
    let node = Node::start(1);
    node.supports(
        &POLICIES,
        &template,
        &json!({"spec": {"failurePolicy": "Ignore"}}),
    );
    node.create(
        &POLICIES,
        "",
        &policy(
            "s",
            &constraints,
            &json!({"validations": [{"expression": "true"}]}),
        ),
    );
    node.settle();
    let condition = json!({"type": "PatchStatusFailed", "status": "False", "reason": "e2e", "message": "m", "lastTransitionTime": "2026-01-01T00:00:00Z"});
    let patched: Value = node
        .merge(
            &POLICIES,
            ("", "s"),
            "status",
            &json!({"status": {"conditions": [condition]}}),
        )
        .read()
        .unwrap();
    assert_eq!(patched["status"]["conditions"][0], condition);
}

/// should support ValidatingAdmissionPolicyBinding API operations [Conformance]
#[test]
fn should_support_validating_admission_policy_binding_api_operations() {
    let template =
        json!({"spec": {"policyName": "replicalimit-policy.example.com", "validationActions": ["Deny"]}});
    let node = Node::start(1);
    node.supports(
        &BINDINGS,
        &template,
        &json!({"spec": {"validationActions": ["Audit"]}}),
    );
}
