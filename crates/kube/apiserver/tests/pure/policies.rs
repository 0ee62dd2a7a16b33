//! Admission policies through the whole server: what they refuse, warn of and change.

use serde_json::{Value, json};

use crate::door::{Door, Got};

const GROUP: &str = "/apis/admissionregistration.k8s.io/v1";

fn rules() -> Value {
    json!({"resourceRules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"], "resources": ["configmaps"]}]})
}

fn put(door: &Door, plural: &str, name: &str, spec: &Value) -> Got {
    let object = json!({"metadata": {"name": name}, "spec": spec});
    door.send("POST", &format!("{GROUP}/{plural}"), &object.to_string())
}

/// A validating policy and its binding.
fn policy(door: &Door, mut spec: Value, mut binding: Value) {
    spec["matchConstraints"] = rules();
    let got = put(door, "validatingadmissionpolicies", "p", &spec);
    assert_eq!(got.code, 201, "{}", got.text);
    binding["policyName"] = "p".into();
    let got = put(door, "validatingadmissionpolicybindings", "b", &binding);
    assert_eq!(got.code, 201, "{}", got.text);
}

fn config(door: &Door, name: &str, data: &Value) -> Got {
    let object = json!({"metadata": {"name": name}, "data": data});
    door.send(
        "POST",
        "/api/v1/namespaces/default/configmaps",
        &object.to_string(),
    )
}

#[test]
fn what_a_policy_refuses_is_refused_in_its_words() {
    let door = Door::open();
    policy(
        &door,
        json!({"validations": [{"expression": "!has(object.data) || object.data.a != 'x'", "message": "no x"}]}),
        json!({"validationActions": ["Deny"]}),
    );
    let got = config(&door, "one", &json!({"a": "x"}));
    let why = "ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no x";
    assert_eq!(got.code, 422, "{}", got.text);
    assert_eq!(got.message(), format!("configmaps \"one\" is forbidden: {why}"));
    assert_eq!(got.at("/reason"), "Invalid");
    assert_eq!(got.at("/details/causes/0/message"), why);
    assert_eq!(config(&door, "one", &json!({"a": "y"})).code, 201);
}

#[test]
fn what_expressions_see() {
    let truths = [
        "object.metadata.name == 'one' && object.kind == 'ConfigMap' && object.apiVersion == 'v1'",
        "oldObject == null",
        "request.operation == 'CREATE' && request.resource.resource == 'configmaps'",
        "request.namespace == 'default' && request.kind.kind == 'ConfigMap'",
        "namespaceObject.metadata.name == 'default'",
        "variables.a == 'v' && variables.b == 'vv'",
        "authorizer.group('').resource('secrets').namespace('default').check('get').allowed()",
        "authorizer.requestResource.check('create').allowed()",
        "!authorizer.serviceAccount('default', 'nobody').group('').resource('secrets').check('get').allowed()",
        "has(request.userInfo.username)",
    ];
    let door = Door::open();
    let validations: Vec<Value> = truths.iter().map(|truth| json!({"expression": truth})).collect();
    policy(
        &door,
        json!({
            "variables": [
                {"name": "a", "expression": "object.data.a"},
                {"name": "b", "expression": "variables.a + variables.a"},
                {"name": "unused", "expression": "object.none"}
            ],
            "validations": validations
        }),
        json!({"validationActions": ["Deny"]}),
    );
    let got = config(&door, "one", &json!({"a": "v"}));
    assert_eq!(got.code, 201, "{}", got.text);
}

#[test]
fn warnings_conditions_and_failures() {
    let door = Door::open();
    policy(
        &door,
        json!({
            "matchConditions": [{"name": "named", "expression": "object.metadata.name.startsWith('w')"}],
            "validations": [{"expression": "object.data.a == 'y'", "messageExpression": "'got ' + object.data.a"}]
        }),
        json!({"validationActions": ["Warn"]}),
    );
    let got = config(&door, "w1", &json!({"a": "x"}));
    assert_eq!(got.code, 201, "{}", got.text);
    let warning = "Validation failed for ValidatingAdmissionPolicy 'p' with binding 'b': got x";
    assert!(
        got.warnings.iter().any(|it| it.contains(warning)),
        "{:?}",
        got.warnings
    );
    assert!(config(&door, "other", &json!({"a": "x"})).warnings.is_empty());
    let got = config(&door, "w2", &json!({"b": "x"}));
    let fault = "expression 'object.data.a == 'y'' resulted in error: no such key: a";
    assert!(
        got.warnings.iter().any(|it| it.contains(fault)),
        "{:?}",
        got.warnings
    );
}

#[test]
fn parameters_are_found() {
    let door = Door::open();
    assert_eq!(config(&door, "limits", &json!({"most": "2"})).code, 201);
    policy(
        &door,
        json!({
            "paramKind": {"apiVersion": "v1", "kind": "ConfigMap"},
            "validations": [{"expression": "params == null || size(object.data) <= int(params.data.most)"}]
        }),
        json!({
            "validationActions": ["Deny"],
            "paramRef": {"name": "limits", "parameterNotFoundAction": "Deny"}
        }),
    );
    assert_eq!(config(&door, "two", &json!({"a": "1", "b": "2"})).code, 201);
    let got = config(&door, "three", &json!({"a": "1", "b": "2", "c": "3"}));
    assert_eq!(got.code, 422);
    assert!(
        got.message().contains("failed expression: params == null"),
        "{}",
        got.message()
    );
    assert_eq!(
        door.send("DELETE", "/api/v1/namespaces/default/configmaps/limits", "")
            .code,
        200
    );
    let got = config(&door, "four", &json!({"a": "1"}));
    let why =
        "failed to configure binding: no params found for policy binding with `Deny` parameterNotFoundAction";
    assert!(got.message().contains(why), "{}", got.message());
}

#[test]
fn bad_policies_are_refused() {
    let door = Door::open();
    let cases = [
        (
            json!({"validations": [{"expression": "object.x <"}]}),
            "spec.validations[0].expression",
            "compilation failed: ERROR: <input>:1:11: Syntax error: mismatched input '<EOF>' expecting",
        ),
        (
            json!({"validations": [{"expression": "1"}]}),
            "spec.validations[0].expression",
            "must evaluate to bool but got int",
        ),
        (
            json!({"validations": [{"expression": "params.x"}]}),
            "spec.validations[0].expression",
            "undeclared reference to 'params' (in container '')",
        ),
        (
            json!({}),
            "spec.validations",
            "validations or auditAnnotations must contain at least one item",
        ),
        (
            json!({"validations": [{"expression": "true", "messageExpression": "1"}]}),
            "spec.validations[0].messageExpression",
            "must evaluate to string but got int",
        ),
    ];
    for (mut spec, field, text) in cases {
        spec["matchConstraints"] = rules();
        let got = put(&door, "validatingadmissionpolicies", "p", &spec);
        assert_eq!(got.code, 422, "{}", got.text);
        assert_eq!(got.at("/details/causes/0/field"), field);
        let message = got.at("/details/causes/0/message").to_string();
        assert!(got.message().contains(text), "{message}");
    }
}

#[test]
fn objects_are_changed() {
    let door = Door::open();
    let spec = json!({
        "matchConstraints": rules(),
        "reinvocationPolicy": "Never",
        "mutations": [
            {"patchType": "ApplyConfiguration", "applyConfiguration": {"expression":
                "Object{metadata: Object.metadata{labels: {'seen': object.metadata.name}}}"}},
            {"patchType": "JSONPatch", "jsonPatch": {"expression":
                "[JSONPatch{op: 'add', path: '/data/' + jsonpatch.escapeKey('a'), value: 'added'}]"}}
        ]
    });
    let got = put(&door, "mutatingadmissionpolicies", "m", &spec);
    assert_eq!(got.code, 201, "{}", got.text);
    let got = put(
        &door,
        "mutatingadmissionpolicybindings",
        "b",
        &json!({"policyName": "m"}),
    );
    assert_eq!(got.code, 201, "{}", got.text);
    let got = config(&door, "one", &json!({"b": "x"}));
    assert_eq!(got.code, 201, "{}", got.text);
    assert_eq!(got.at("/metadata/labels/seen"), "one");
    assert_eq!(got.at("/data"), json!({"a": "added", "b": "x"}));
}

#[test]
fn policies_judge_configurations_of_webhooks_and_not_each_other() {
    let door = Door::open();
    let all = json!({"resourceRules": [{
        "apiGroups": ["admissionregistration.k8s.io"], "apiVersions": ["*"], "operations": ["*"], "resources": ["*"],
    }]});
    let deny = json!({"matchConstraints": all, "validations": [{"expression": "false"}]});
    assert_eq!(put(&door, "validatingadmissionpolicies", "p", &deny).code, 201);
    let binding = json!({"policyName": "p", "validationActions": ["Deny"]});
    assert_eq!(
        put(&door, "validatingadmissionpolicybindings", "b", &binding).code,
        201
    );
    let webhooks = json!({"metadata": {"name": "w"}, "webhooks": []});
    let path = format!("{GROUP}/validatingwebhookconfigurations");
    assert_eq!(door.send("POST", &path, &webhooks.to_string()).code, 422);
    let policies = format!("{GROUP}/validatingadmissionpolicies/p");
    assert_eq!(door.send("DELETE", &policies, "").code, 200);
}
