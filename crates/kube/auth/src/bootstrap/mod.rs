//! What RBAC a new cluster starts with: upstream's roles and bindings as facts (`facts/policy.txt`).
//!
//! A line `role [NAMESPACE/]NAME` begins a role; `+LABEL` says into which of `admin`, `edit`, `view` it is
//! aggregated, `<LABEL` that it is the aggregate. Its rules follow, each behind a tab: verbs (`READ`, `WRITE` and
//! `ALL` stand for the usual ones), then paths, or API groups (`core` is the nameless one), resources and names.
//! A line `bind [NAMESPACE/]NAME [@ROLE] SUBJECT…` is a binding, to the role of its own name unless told otherwise.
//!
//! The objects come out as JSON as the API takes it, aggregates with the rules of their parts, so that they can be
//! stored before any controller runs.

mod reconcile;

use serde_json::{Value, json};

use crate::objects::PolicyRule;

pub use reconcile::reconcile;

const FACTS: &str = include_str!("../../facts/policy.txt");

const LABEL: &str = "kubernetes.io/bootstrapping";
const AUTO_UPDATE: &str = "rbac.authorization.kubernetes.io/autoupdate";
const AGGREGATE: &str = "rbac.authorization.k8s.io/aggregate-to-";

/// An RBAC object of a new cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// `clusterroles`, `roles`, `clusterrolebindings`, `rolebindings`
    pub resource: &'static str,
    /// Empty for cluster-scoped ones
    pub namespace: &'static str,
    /// `metadata.name`
    pub name: &'static str,
    /// The object, without kind and version
    pub json: Value,
}

/// All RBAC objects of a new cluster, roles before bindings.
pub fn objects() -> Vec<Object> {
    let roles = roles();
    let bindings = lines("bind ").map(|(head, _)| binding(head));
    roles
        .iter()
        .map(|role| role.object(&roles))
        .chain(bindings)
        .collect()
}

/// Lines that begin with a word, with the lines behind a tab that follow each.
fn lines(word: &'static str) -> impl Iterator<Item = (&'static str, Vec<&'static str>)> {
    let all: Vec<&str> = FACTS.lines().collect();
    (0..all.len()).filter_map(move |at| {
        let head = all[at].strip_prefix(word)?;
        let below = all[at + 1..].iter().map_while(|line| line.strip_prefix('\t'));
        Some((head, below.collect()))
    })
}

struct RoleFacts {
    namespace: &'static str,
    name: &'static str,
    into: Vec<&'static str>,
    of: Vec<&'static str>,
    rules: Vec<PolicyRule>,
}

fn roles() -> Vec<RoleFacts> {
    lines("role ")
        .map(|(head, rules)| {
            let (place, rest) = head.split_once(' ').unwrap_or((head, ""));
            let (namespace, name) = split_place(place);
            let marked = |mark: char| {
                rest.split(' ')
                    .filter_map(move |word| word.strip_prefix(mark))
                    .collect()
            };
            RoleFacts {
                namespace,
                name,
                into: marked('+'),
                of: marked('<'),
                rules: rules.into_iter().map(rule).collect(),
            }
        })
        .collect()
}

fn split_place(place: &'static str) -> (&'static str, &'static str) {
    place.split_once('/').unwrap_or(("", place))
}

fn list(words: &str) -> Vec<Box<str>> {
    words
        .split(',')
        .map(|word| if word == "core" { "".into() } else { word.into() })
        .collect()
}

fn rule(line: &str) -> PolicyRule {
    let mut words = line.split(' ');
    let verbs = list(match words.next().unwrap_or_default() {
        "ALL" => "create,delete,deletecollection,get,list,patch,update,watch",
        "READ" => "get,list,watch",
        "WRITE" => "create,delete,deletecollection,patch,update",
        verbs => verbs,
    });
    let (first, resources, names) = (words.next().unwrap_or_default(), words.next(), words.next());
    match resources {
        Some(resources) => PolicyRule {
            verbs,
            api_groups: list(first),
            resources: list(resources),
            resource_names: names.map(list).unwrap_or_default(),
            ..PolicyRule::default()
        },
        None => PolicyRule {
            verbs,
            non_resource_urls: list(first),
            ..PolicyRule::default()
        },
    }
}

impl RoleFacts {
    fn object(&self, all: &[Self]) -> Object {
        let mut json = metadata(self.namespace, self.name);
        for label in &self.into {
            json["metadata"]["labels"][format!("{AGGREGATE}{label}")] = "true".into();
        }
        if !self.of.is_empty() {
            let selector = |label: &&str| json!({"matchLabels": {format!("{AGGREGATE}{label}"): "true"}});
            json["aggregationRule"] = json!({
                "clusterRoleSelectors": self.of.iter().map(selector).collect::<Vec<_>>()
            });
        }
        json["rules"] = json!(self.aggregate(all));
        Object {
            resource: if self.namespace.is_empty() {
                "clusterroles"
            } else {
                "roles"
            },
            namespace: self.namespace,
            name: self.name,
            json,
        }
    }

    /// The role's own rules and those of all that are aggregated into it, through aggregates in between.
    fn aggregate(&self, all: &[Self]) -> Vec<PolicyRule> {
        let parts = all
            .iter()
            .filter(|role| role.into.iter().any(|label| self.of.contains(label)));
        let mut rules = self.rules.clone();
        for rule in parts.flat_map(|part| part.aggregate(all)) {
            if !rules.contains(&rule) {
                rules.push(rule);
            }
        }
        rules
    }
}

fn binding(head: &'static str) -> Object {
    let mut words = head.split(' ');
    let (namespace, name) = split_place(words.next().unwrap_or_default());
    let words: Vec<&str> = words.collect();
    let role = words
        .first()
        .and_then(|word| word.strip_prefix('@'))
        .unwrap_or(name);
    let subjects: Vec<Value> = words.iter().filter_map(|word| subject(word)).collect();
    let (resource, kind) = match namespace {
        "" => ("clusterrolebindings", "ClusterRole"),
        _ => ("rolebindings", "Role"),
    };
    let mut json = metadata(namespace, name);
    json["roleRef"] = json!({"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": role});
    if !subjects.is_empty() {
        json["subjects"] = subjects.into();
    }
    Object {
        resource,
        namespace,
        name,
        json,
    }
}

fn subject(word: &str) -> Option<Value> {
    let group = "rbac.authorization.k8s.io";
    match word.split_once(':')? {
        ("u", name) => Some(json!({"kind": "User", "apiGroup": group, "name": name})),
        ("g", name) => Some(json!({"kind": "Group", "apiGroup": group, "name": name})),
        ("s", place) => place
            .split_once('/')
            .map(|(namespace, name)| json!({"kind": "ServiceAccount", "name": name, "namespace": namespace})),
        _ => None,
    }
}

fn metadata(namespace: &str, name: &str) -> Value {
    let mut json = json!({"metadata": {
        "name": name,
        "labels": {LABEL: "rbac-defaults"},
        "annotations": {AUTO_UPDATE: "true"},
    }});
    if !namespace.is_empty() {
        json["metadata"]["namespace"] = namespace.into();
    }
    json
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Attributes, Binding, Policy, Role, UserInfo};

    fn policy() -> Policy {
        let mut policy = Policy::default();
        for Object {
            resource,
            namespace,
            name,
            json,
        } in objects()
        {
            if resource.ends_with("bindings") {
                policy.set_binding(
                    namespace,
                    name,
                    Some(serde_json::from_value::<Binding>(json).unwrap()),
                );
            } else {
                policy.set_role(
                    namespace,
                    name,
                    Some(serde_json::from_value::<Role>(json).unwrap()),
                );
            }
        }
        policy
    }

    fn may(user: &UserInfo, verb: &str, group: &str, resource: &str) -> bool {
        policy()
            .authorize(&Attributes::of(user, verb, group, resource))
            .allowed()
    }

    #[test]
    fn every_binding_has_its_role() {
        let policy = policy();
        let mut bindings = 0;
        for object in objects()
            .iter()
            .filter(|object| object.resource.ends_with("bindings"))
        {
            let binding: Binding = serde_json::from_value(object.json.clone()).unwrap();
            assert!(
                policy.role(object.namespace, &binding.role_ref).is_ok(),
                "{}",
                object.name
            );
            bindings += 1;
        }
        assert!(bindings > 50, "{bindings}");
    }

    #[test]
    fn aggregates_have_the_rules_of_their_parts() {
        let role = |name: &str| {
            objects()
                .into_iter()
                .find(|object| object.name == name)
                .unwrap()
                .json
        };
        let rules = |name: &str| role(name)["rules"].as_array().unwrap().len();
        assert_eq!(rules("view"), rules("system:aggregate-to-view"));
        assert_eq!(rules("edit"), rules("view") + rules("system:aggregate-to-edit"));
        assert_eq!(rules("admin"), rules("edit") + rules("system:aggregate-to-admin"));
        assert_eq!(
            role("view")["aggregationRule"]["clusterRoleSelectors"][0]["matchLabels"],
            json!({"rbac.authorization.k8s.io/aggregate-to-view": "true"})
        );
    }

    #[test]
    fn the_first_users_have_upstreams_rights() {
        let anyone = UserInfo {
            name: "u".to_owned(),
            ..UserInfo::default()
        }
        .authenticated();
        assert!(may(
            &anyone,
            "create",
            "authorization.k8s.io",
            "selfsubjectaccessreviews"
        ));
        assert!(!may(&anyone, "list", "", "pods"));
        let policy = policy();
        for (path, anonymous_may) in [
            ("/healthz", true),
            ("/version", true),
            ("/api", false),
            ("/metrics", false),
        ] {
            let anonymous = UserInfo::anonymous();
            let asked = Attributes::of_path(&anonymous, "get", path);
            assert_eq!(policy.authorize(&asked).allowed(), anonymous_may, "{path}");
        }
        let discovery = Attributes::of_path(&anyone, "get", "/apis/apps");
        assert!(policy.authorize(&discovery).allowed());
        let scheduler = UserInfo {
            name: "system:kube-scheduler".to_owned(),
            ..UserInfo::default()
        };
        assert!(
            policy
                .authorize(&Attributes {
                    subresource: "binding",
                    ..Attributes::of(&scheduler, "create", "", "pods")
                })
                .allowed()
        );
        let collector = UserInfo::service_account("kube-system", "generic-garbage-collector", "");
        assert!(may(&collector, "delete", "example.com", "widgets"));
    }
}
