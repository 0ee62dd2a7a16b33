//! `[sig-api-machinery] MutatingAdmissionPolicy [Privileged:ClusterAdmin]`, and how policies are asked again.

use client::Resource;
use serde_json::{Value, json};

use super::{DEPLOYMENTS, workload};
use crate::node::{MAPS, Node};

static POLICIES: Resource = Resource::new(
    "admissionregistration.k8s.io",
    "v1",
    "mutatingadmissionpolicies",
    "MutatingAdmissionPolicy",
    false,
);
static BINDINGS: Resource = Resource::new(
    "admissionregistration.k8s.io",
    "v1",
    "mutatingadmissionpolicybindings",
    "MutatingAdmissionPolicyBinding",
    false,
);

fn rules(group: &str, resource: &str) -> Value {
    json!({"resourceRules": [{"operations": ["CREATE"], "apiGroups": [group], "apiVersions": ["v1"], "resources": [resource]}]})
}

fn apply(expression: &str) -> Value {
    json!({"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": expression}})
}

fn patch(expression: &str) -> Value {
    json!({"patchType": "JSONPatch", "jsonPatch": {"expression": expression}})
}

/// A policy on ConfigMaps, and its binding.
fn bound(node: &Node, name: &str, spec: &Value) {
    let mut policy = json!({"metadata": {"name": name}, "spec": {"matchConstraints": rules("", "configmaps"), "reinvocationPolicy": "Never"}});
    for (member, value) in spec.as_object().unwrap() {
        policy["spec"][member] = value.clone();
    }
    node.create(&POLICIES, "", &policy);
    node.create(
        &BINDINGS,
        "",
        &json!({"metadata": {"name": name}, "spec": {"policyName": name}}),
    );
}

fn annotates(node: &Node) {
    let spec = json!({"mutations": [apply("Object{metadata: Object.metadata{annotations: {'mutated-by': 'admission-policy'}}}")],
        "matchConstraints": rules("apps", "deployments")});
    bound(node, "p", &spec);
}

/// should mutate a Deployment [Conformance]
#[test]
fn should_mutate_a_deployment() {
    let node = Node::start(1);
    annotates(&node);
    let made: Value = node
        .create(&DEPLOYMENTS, "default", &workload("test-deployment", 2))
        .read()
        .unwrap();
    assert_eq!(made["metadata"]["annotations"]["mutated-by"], "admission-policy");
}

/// should mutate a Deployment with annotations [Conformance]
#[test]
fn should_mutate_a_deployment_with_annotations() {
    let node = Node::start(1);
    annotates(&node);
    let mut object = workload("test-deployment", 2);
    object["metadata"]["annotations"] = json!({"my-foo-annotation": "myAnnotationValue"});
    let made: Value = node.create(&DEPLOYMENTS, "default", &object).read().unwrap();
    assert_eq!(
        made["metadata"]["annotations"],
        json!({"mutated-by": "admission-policy", "my-foo-annotation": "myAnnotationValue"})
    );
}

/// should support MutatingAdmissionPolicy API operations [Conformance]
#[test]
fn should_support_mutating_admission_policy_api_operations() {
    let template = json!({"spec": {
        "reinvocationPolicy": "Never", "matchConstraints": rules("apps", "deployments"),
        "mutations": [apply("Object{metadata: Object.metadata{annotations: {'a': 'b'}}}")],
    }});
    Node::start(1).supports(
        &POLICIES,
        &template,
        &json!({"spec": {"failurePolicy": "Ignore"}}),
    );
}

/// should support MutatingAdmissionPolicyBinding API operations [Conformance]
#[test]
fn should_support_mutating_admission_policy_binding_api_operations() {
    let template = json!({"spec": {"policyName": "policy.example.com"}});
    let change = json!({"spec": {"matchResources": {"objectSelector": {"matchLabels": {"a": "b"}}}}});
    Node::start(1).supports(&BINDINGS, &template, &change);
}

fn data(node: &Node, name: &str, data: &Value) -> Value {
    let made: Value = node
        .create(
            &MAPS,
            "default",
            &json!({"metadata": {"name": name}, "data": data}),
        )
        .read()
        .unwrap();
    made["data"].clone()
}

/// Counts how often it ran, in the text of one entry.
fn count(entry: &str) -> Value {
    patch(&format!(
        "[JSONPatch{{op: 'add', path: '/data/{entry}', value: '{entry}' in object.data ? object.data.{entry} + 'x' : 'x'}}]"
    ))
}

#[test]
fn policies_that_ask_for_it_are_asked_again_and_others_are_not() {
    let node = Node::start(1);
    bound(&node, "a-once", &json!({"mutations": [count("once")]}));
    bound(
        &node,
        "b-again",
        &json!({"mutations": [count("again")], "reinvocationPolicy": "IfNeeded"}),
    );
    bound(&node, "c-last", &json!({"mutations": [count("last")]}));
    assert_eq!(
        data(&node, "m", &json!({"k": "v"})),
        json!({"k": "v", "once": "x", "again": "xx", "last": "x"})
    );
}

#[test]
fn what_a_second_round_sees_is_what_the_first_left() {
    let node = Node::start(1);
    let only_if_late = json!({
        "reinvocationPolicy": "IfNeeded",
        "matchConditions": [{"name": "m", "expression": "object.metadata.name == 'm'"}],
        "mutations": [patch("'late' in object.data ? [JSONPatch{op: 'add', path: '/data/saw', value: object.data.late}] : []")],
    });
    bound(&node, "a-early", &only_if_late);
    bound(
        &node,
        "b-late",
        &json!({"mutations": [patch("[JSONPatch{op: 'add', path: '/data/late', value: 'it'}]")]}),
    );
    assert_eq!(
        data(&node, "m", &json!({"k": "v"})),
        json!({"k": "v", "late": "it", "saw": "it"})
    );
    assert_eq!(
        data(&node, "n", &json!({"k": "v"})),
        json!({"k": "v", "late": "it"}),
        "conditions hold in both"
    );
}

#[test]
fn a_patch_whose_test_is_not_met_changes_nothing() {
    let node = Node::start(1);
    let tested = "[JSONPatch{op: 'test', path: '/data/k', value: 'w'}, JSONPatch{op: 'add', path: '/data/n', value: '1'}]";
    bound(&node, "p", &json!({"mutations": [patch(tested)]}));
    assert_eq!(data(&node, "a", &json!({"k": "v"})), json!({"k": "v"}));
    assert_eq!(data(&node, "b", &json!({"k": "w"})), json!({"k": "w", "n": "1"}));
}

#[test]
fn what_fails_refuses_unless_it_may_be_ignored_and_what_follows_is_done() {
    let node = Node::start(1);
    let mutations = json!([
        patch("[JSONPatch{op: 'remove', path: '/data/none'}]"),
        count("after")
    ]);
    bound(
        &node,
        "p",
        &json!({"mutations": mutations, "failurePolicy": "Ignore"}),
    );
    assert_eq!(
        data(&node, "a", &json!({"k": "v"})),
        json!({"k": "v", "after": "x"})
    );
    let fail = json!({"spec": {"failurePolicy": "Fail"}});
    node.patch(&POLICIES, "", "p", &fail);
    let refused = node
        .try_create(&MAPS, "default", &json!({"metadata": {"name": "b"}, "data": {}}))
        .unwrap_err();
    let status = refused.status().unwrap();
    assert_eq!((status.code, status.reason.as_str()), (403, "Invalid"));
    assert!(
        status
            .message
            .starts_with("policy 'p' with binding 'p' denied request: JSON Patch: "),
        "{}",
        status.message
    );
}

#[test]
fn configurations_change_parts_and_are_named_after_their_places() {
    let node = Node::start(1);
    let cases = [
        (
            "Object{spec: Object.spec{selector: Object.spec.selector{matchLabels: {'a': 'b'}}}}",
            "error applying patch: invalid ApplyConfiguration: may not mutate atomic arrays, maps or structs: .spec.selector",
        ),
        (
            "Object{spec: Object.spec{none: 1}}",
            "error applying patch: failed to convert patch object to typed object: .spec.none: field not declared in schema",
        ),
        (
            "Object{spec: Object.wrong{replicas: 1}}",
            "type mismatch: unexpected type name \"Object.wrong\", expected \"Object.spec\", which matches field name path from root Object type",
        ),
    ];
    for (expression, why) in cases {
        bound(
            &node,
            "p",
            &json!({"mutations": [apply(expression)], "matchConstraints": rules("apps", "deployments")}),
        );
        let refused = node
            .try_create(&DEPLOYMENTS, "default", &workload("d", 1))
            .unwrap_err();
        assert_eq!(
            refused.to_string(),
            format!("policy 'p' with binding 'p' denied request: {why}")
        );
        node.delete(&POLICIES, "", "p", None);
        node.delete(&BINDINGS, "", "p", None);
    }
}

#[test]
fn a_binding_that_cannot_be_judged_is_misconfigured() {
    let node = Node::start(1);
    bound(
        &node,
        "p",
        &json!({"mutations": [count("n")], "paramKind": {"apiVersion": "v1", "kind": "ConfigMap"}}),
    );
    let params = json!({"spec": {"paramRef": {"name": "none", "namespace": "default", "parameterNotFoundAction": "Deny"}}});
    node.patch(&BINDINGS, "", "p", &params);
    let refused = node
        .try_create(&MAPS, "default", &json!({"metadata": {"name": "b"}, "data": {}}))
        .unwrap_err();
    let status = refused.status().unwrap();
    assert_eq!((status.code, status.reason.as_str()), (403, "Forbidden"));
    assert_eq!(
        status.message,
        "policy 'p' with binding 'p' denied request: failed to configure binding: no params found for policy binding with `Deny` parameterNotFoundAction"
    );
}
