//! The flow schemas and priority levels of a new cluster (upstream's `flowcontrol/bootstrap`), as two tables.

use serde_json::{Value, json};

use super::objects::Object;

const GROUP: &str = "flowcontrol.apiserver.k8s.io";

/// Name, shares, percent of them that others may use, and queues with hand size; without queues what finds no seat is
/// refused.
type Level = (&'static str, i32, i32, Option<(i32, i32)>);

/// The level whose requests never wait.
pub(crate) const EXEMPT: &str = "exempt";

const LEVELS: [Level; 7] = [
    ("catch-all", 5, 0, None),
    ("global-default", 20, 50, Some((128, 6))),
    ("leader-election", 10, 0, Some((16, 4))),
    ("node-high", 40, 25, Some((64, 6))),
    ("system", 30, 33, Some((64, 6))),
    ("workload-high", 40, 50, Some((128, 6))),
    ("workload-low", 100, 90, Some((128, 6))),
];

/// Requests that may wait in one queue.
const QUEUE_LENGTH: i32 = 50;

/// Whom a schema is about.
#[derive(Clone, Copy)]
enum Subject {
    Group(&'static str),
    User(&'static str),
    /// Every account of `kube-system`.
    SystemAccounts,
}

/// What a schema is about.
#[derive(Clone, Copy)]
enum Rules {
    Everything,
    Probes,
    Leases,
    /// Nodes and their leases.
    Nodes,
}

/// Name, level, precedence, what tells flows apart, subjects, rules.
type Schema = (
    &'static str,
    &'static str,
    i32,
    Option<&'static str>,
    &'static [Subject],
    Rules,
);

const BY_USER: Option<&str> = Some("ByUser");
const BY_NAMESPACE: Option<&str> = Some("ByNamespace");
const EVERYBODY: &[Subject] = &[
    Subject::Group("system:unauthenticated"),
    Subject::Group("system:authenticated"),
];
const NODES: &[Subject] = &[Subject::Group("system:nodes")];
const CONTROLLERS: &[Subject] = &[Subject::User("system:kube-controller-manager")];
const SCHEDULER: &[Subject] = &[Subject::User("system:kube-scheduler")];
const LEADERS: &[Subject] = &[
    Subject::User("system:kube-controller-manager"),
    Subject::User("system:kube-scheduler"),
    Subject::SystemAccounts,
];

#[rustfmt::skip]
const SCHEMAS: [Schema; 11] = [
    ("exempt", EXEMPT, 1, None, &[Subject::Group("system:masters")], Rules::Everything),
    ("probes", EXEMPT, 2, None, EVERYBODY, Rules::Probes),
    ("system-leader-election", "leader-election", 100, BY_USER, LEADERS, Rules::Leases),
    ("system-node-high", "node-high", 400, BY_USER, NODES, Rules::Nodes),
    ("system-nodes", "system", 500, BY_USER, NODES, Rules::Everything),
    ("kube-controller-manager", "workload-high", 800, BY_NAMESPACE, CONTROLLERS, Rules::Everything),
    ("kube-scheduler", "workload-high", 800, BY_NAMESPACE, SCHEDULER, Rules::Everything),
    ("kube-system-service-accounts", "workload-high", 900, BY_NAMESPACE, &[Subject::SystemAccounts], Rules::Everything),
    ("service-accounts", "workload-low", 9000, BY_USER, &[Subject::Group("system:serviceaccounts")], Rules::Everything),
    ("global-default", "global-default", 9900, BY_USER, EVERYBODY, Rules::Everything),
    ("catch-all", "catch-all", 10000, BY_USER, EVERYBODY, Rules::Everything),
];

/// Those that a server puts back when they are gone.
pub(crate) const MANDATORY: [&str; 2] = ["exempt", "catch-all"];

/// All of them, those first that others refer to.
pub(super) fn all(now: &str) -> Vec<Object> {
    let exempt = object(
        "prioritylevelconfigurations",
        EXEMPT,
        json!({ "type": "Exempt", "exempt": { "nominalConcurrencyShares": 0, "lendablePercent": 0 } }),
        None,
    );
    let levels = LEVELS.iter().map(level);
    let schemas = SCHEMAS.iter().map(|row| schema(row, now));
    [exempt].into_iter().chain(levels).chain(schemas).collect()
}

fn object(plural: &'static str, name: &'static str, spec: Value, status: Option<Value>) -> Object {
    let metadata = json!({
        "name": name,
        "generation": 1,
        "annotations": { "apf.kubernetes.io/autoupdate-spec": "true" },
    });
    Object {
        group: GROUP,
        plural,
        namespace: "",
        name: name.into(),
        json: json!({ "metadata": metadata, "spec": spec, "status": status.unwrap_or_else(|| json!({})) }),
    }
}

fn level((name, shares, lendable, queues): &Level) -> Object {
    let response = match queues {
        None => json!({ "type": "Reject" }),
        Some((queues, hand)) => json!({
            "type": "Queue",
            "queuing": { "queues": queues, "handSize": hand, "queueLengthLimit": QUEUE_LENGTH },
        }),
    };
    let limited = json!({
        "nominalConcurrencyShares": shares,
        "lendablePercent": lendable,
        "limitResponse": response,
    });
    let spec = json!({ "type": "Limited", "limited": limited });
    object("prioritylevelconfigurations", name, spec, None)
}

fn schema((name, level, precedence, distinguisher, subjects, rules): &Schema, now: &str) -> Object {
    let mut rule = rules.json();
    rule["subjects"] = subjects.iter().map(|subject| subject.json()).collect();
    let mut spec = json!({
        "priorityLevelConfiguration": { "name": level },
        "matchingPrecedence": precedence,
        "rules": [rule],
    });
    if let Some(kind) = distinguisher {
        spec["distinguisherMethod"] = json!({ "type": kind });
    }
    let status = json!({ "conditions": [dangling(level, true, now)] });
    object("flowschemas", name, spec, Some(status))
}

/// Whether a schema's level is there, as a condition of its status.
pub(crate) fn dangling(level: &str, found: bool, now: &str) -> Value {
    let (status, reason, rest) = if found {
        ("False", "Found", "it exists")
    } else {
        ("True", "NotFound", "there is no such object")
    };
    json!({
        "type": "Dangling",
        "status": status,
        "lastTransitionTime": now,
        "reason": reason,
        "message": format!(
            "This FlowSchema references the PriorityLevelConfiguration object named \"{level}\" {} {rest}",
            if found { "and" } else { "but" }
        ),
    })
}

impl Subject {
    fn json(self) -> Value {
        match self {
            Self::Group(name) => json!({ "kind": "Group", "group": { "name": name } }),
            Self::User(name) => json!({ "kind": "User", "user": { "name": name } }),
            Self::SystemAccounts => json!({
                "kind": "ServiceAccount",
                "serviceAccount": { "name": "*", "namespace": "kube-system" },
            }),
        }
    }
}

impl Rules {
    fn json(self) -> Value {
        let resources = |verbs: &[&str], group: &str, resources: &[&str], cluster: bool| {
            let mut rule = json!({
                "verbs": verbs, "apiGroups": [group], "resources": resources, "namespaces": ["*"],
            });
            if cluster {
                rule["clusterScope"] = json!(true);
            }
            rule
        };
        let leases = "coordination.k8s.io";
        match self {
            Self::Everything => json!({
                "resourceRules": [resources(&["*"], "*", &["*"], true)],
                "nonResourceRules": [{ "verbs": ["*"], "nonResourceURLs": ["*"] }],
            }),
            Self::Probes => json!({
                "nonResourceRules": [{ "verbs": ["get"], "nonResourceURLs": ["/healthz", "/readyz", "/livez"] }],
            }),
            Self::Leases => json!({
                "resourceRules": [resources(&["get", "create", "update"], leases, &["leases"], false)],
            }),
            Self::Nodes => json!({
                "resourceRules": [
                    resources(&["*"], "", &["nodes", "nodes/status"], true),
                    resources(&["*"], leases, &["leases"], false),
                ],
            }),
        }
    }
}
