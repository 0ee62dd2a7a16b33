//! What is sent, and what is right to be answered.

use super::bodies::{
    block, definition, lists, managers, maps, nested, nesting, nots, policy, properties, protobuf, rule, tree,
};

/// Just below the limit of decoded trees (`schema::MAX_TREE_DEPTH`, 400), counted from the place that is nested.
const DEEP: usize = 385;
/// Beyond every limit.
const TOO_DEEP: usize = 20_000;
/// Just below the limit of YAML documents.
const DEEP_YAML: usize = 58;

pub(super) const JSON: &str = "application/json";
pub(super) const YAML: &str = "application/yaml";
const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";
const JSON_PATCH: &str = "application/json-patch+json";
const MERGE: &str = "application/merge-patch+json";
const STRATEGIC: &str = "application/strategic-merge-patch+json";
const APPLY: &str = "application/apply-patch+yaml";

const MAPS: &str = "/api/v1/namespaces/default/configmaps";
const MAP: &str = "/api/v1/namespaces/default/configmaps/m";
const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
pub(super) const TREES: &str = "/apis/test.example.com/v1/namespaces/default/trees";
const TREE: &str = "/apis/test.example.com/v1/namespaces/default/trees/t";
const REVIEWS: &str = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
const POLICIES: &str = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies";

/// A request, and the codes that are right.
pub(super) struct Attack {
    pub(super) what: &'static str,
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    pub(super) content: &'static str,
    pub(super) body: Vec<u8>,
    pub(super) codes: &'static [u16],
}

fn attack(
    what: &'static str,
    (method, path, content): (&'static str, &'static str, &'static str),
    body: impl Into<Vec<u8>>,
    codes: &'static [u16],
) -> Attack {
    let body = body.into();
    Attack {
        what,
        method,
        path,
        content,
        body,
        codes,
    }
}

const OK: &[u16] = &[200, 201];
const BAD: &[u16] = &[400];
/// Deeper than may be: what it is told depends on where the limit is met.
const REFUSED: &[u16] = &[400, 413, 422];
/// Within every limit of depth, and yet nothing that this path takes.
const ANSWERED: &[u16] = &[200, 201, 400, 422];

pub(super) fn documents() -> Vec<Attack> {
    let post = |path, content| ("POST", path, content);
    vec![
        attack(
            "trees",
            post(DEFINITIONS, JSON),
            definition("trees", r#"{"x-kubernetes-preserve-unknown-fields":true}"#),
            OK,
        ),
        attack(
            "a map",
            post(MAPS, JSON),
            r#"{"metadata":{"name":"m"},"data":{"k":"v"}}"#,
            OK,
        ),
        attack("a tree", post(TREES, JSON), tree("t", "1"), OK),
        attack("json maps", post(TREES, JSON), tree("maps", &maps(DEEP)), OK),
        attack("json lists", post(TREES, JSON), tree("lists", &lists(DEEP)), OK),
        attack(
            "too deep maps",
            post(TREES, JSON),
            tree("x", &maps(TOO_DEEP)),
            BAD,
        ),
        attack(
            "too deep lists",
            post(TREES, JSON),
            tree("x", &lists(TOO_DEEP)),
            BAD,
        ),
        attack(
            "unknown fields",
            post(MAPS, JSON),
            format!(r#"{{"metadata":{{"name":"u"}},"x":{}}}"#, maps(DEEP)),
            ANSWERED,
        ),
        attack("open maps", post(MAPS, JSON), r#"{"a":"#.repeat(TOO_DEEP), BAD),
        attack("open lists", post(REVIEWS, JSON), "[".repeat(TOO_DEEP), BAD),
        attack(
            "yaml lists",
            post(REVIEWS, YAML),
            "- ".repeat(DEEP_YAML) + "a",
            ANSWERED,
        ),
        attack(
            "yaml maps",
            post(TREES, YAML),
            format!(
                "{{metadata: {{name: ym}}, spec: {}}}",
                nested("{a: ", "1", "}", DEEP_YAML)
            ),
            OK,
        ),
        attack("yaml blocks", post(TREES, YAML), block("yb", DEEP_YAML), OK),
        attack(
            "yaml keys",
            post(REVIEWS, YAML),
            "? ".repeat(DEEP_YAML) + "a",
            ANSWERED,
        ),
        attack(
            "too deep yaml lists",
            post(REVIEWS, YAML),
            "- ".repeat(TOO_DEEP) + "a",
            BAD,
        ),
        attack(
            "too deep yaml maps",
            post(TREES, YAML),
            nested("{a: ", "1", "}", TOO_DEEP),
            BAD,
        ),
        attack("too deep yaml blocks", post(TREES, YAML), block("x", 1_500), BAD),
        attack(
            "json schemas",
            post(DEFINITIONS, JSON),
            definition("nots", &nots(DEEP)),
            ANSWERED,
        ),
        attack(
            "json properties",
            post(DEFINITIONS, JSON),
            definition("properties", &properties(DEEP / 2)),
            ANSWERED,
        ),
        attack(
            "too deep schemas",
            post(DEFINITIONS, JSON),
            definition("deep", &nots(TOO_DEEP)),
            BAD,
        ),
        attack(
            "protobuf schemas",
            post(DEFINITIONS, PROTOBUF),
            protobuf(180),
            ANSWERED,
        ),
        attack(
            "too deep protobuf schemas",
            post(DEFINITIONS, PROTOBUF),
            protobuf(TOO_DEEP),
            REFUSED,
        ),
    ]
}

pub(super) fn patches() -> Vec<Attack> {
    let patch = |path, content| ("PATCH", path, content);
    let spec = |value: &str| format!(r#"{{"spec":{{"y":{value}}}}}"#);
    let add = |value: &str| format!(r#"[{{"op":"add","path":"/spec/z","value":{value}}}]"#);
    let apply = |value: &str| tree("t", value);
    vec![
        attack("merge", patch(TREE, MERGE), spec(&maps(DEEP)), OK),
        attack("merge again", patch(TREE, MERGE), spec(&maps(DEEP - 1)), OK),
        attack("merge lists", patch(TREE, MERGE), spec(&lists(DEEP)), OK),
        attack(
            "too deep merge",
            patch(TREE, MERGE),
            spec(&maps(TOO_DEEP)),
            REFUSED,
        ),
        attack(
            "merge of what is typed",
            patch(MAP, MERGE),
            spec(&maps(DEEP)),
            ANSWERED,
        ),
        attack("strategic", patch(MAP, STRATEGIC), spec(&maps(DEEP)), ANSWERED),
        attack(
            "strategic directives",
            patch(MAP, STRATEGIC),
            nested(r#"{"metadata":"#, r#"{"$patch":"replace"}"#, "}", DEEP),
            ANSWERED,
        ),
        attack(
            "too deep strategic",
            patch(MAP, STRATEGIC),
            spec(&maps(TOO_DEEP)),
            REFUSED,
        ),
        attack("json patch", patch(TREE, JSON_PATCH), add(&maps(DEEP)), OK),
        attack("json patch lists", patch(TREE, JSON_PATCH), add(&lists(DEEP)), OK),
        attack(
            "too deep json patch",
            patch(TREE, JSON_PATCH),
            add(&maps(TOO_DEEP)),
            REFUSED,
        ),
        attack(
            "json patch that nests",
            patch(TREE, JSON_PATCH),
            nesting(3_000),
            REFUSED,
        ),
        attack(
            "json patch paths",
            patch(TREE, JSON_PATCH),
            format!(r#"[{{"op":"remove","path":"{}"}}]"#, "/a".repeat(TOO_DEEP)),
            REFUSED,
        ),
        attack(
            "apply",
            patch(
                "/apis/test.example.com/v1/namespaces/default/trees/t?fieldManager=a&force=true",
                APPLY,
            ),
            apply(&maps(DEEP_YAML - 4)),
            OK,
        ),
        attack(
            "too deep apply",
            patch(
                "/apis/test.example.com/v1/namespaces/default/trees/t?fieldManager=a&force=true",
                APPLY,
            ),
            apply(&maps(DEEP)),
            REFUSED,
        ),
        attack("deep managers", ("PUT", MAP, JSON), managers(DEEP), ANSWERED),
        attack(
            "too deep managers",
            ("PUT", MAP, JSON),
            managers(TOO_DEEP),
            REFUSED,
        ),
    ]
}

pub(super) fn expressions() -> Vec<Attack> {
    let deep = [
        ("parentheses", nested("(", "true", ")", TOO_DEEP)),
        ("not not", nested("!", "true", "", TOO_DEEP)),
        ("lists in lists", nested("[", "1", "]", TOO_DEEP)),
        ("choices", nested("true?", "true", ":false", TOO_DEEP)),
        ("members", format!("object{}", ".a".repeat(TOO_DEEP))),
        ("macros", nested("[1].all(x,", "true", ")", 400)),
    ];
    let post = |path| ("POST", path, JSON);
    let rules = deep
        .clone()
        .map(|(what, text)| attack(what, post(DEFINITIONS), rule(&text), &[201, 422]));
    let policies = deep.map(|(what, text)| attack(what, post(POLICIES), policy(&text), &[201, 422]));
    rules.into_iter().chain(policies).collect()
}
