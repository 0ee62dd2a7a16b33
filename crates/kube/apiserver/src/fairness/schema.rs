//! Flow schemas and priority levels as the server reads them, and which schema a request belongs to
//! (`flowcontrol.apiserver.k8s.io/v1`).

use auth::UserInfo;
use http::HeaderValue;
use serde::Deserialize;

use crate::RequestInfo;

/// A flow schema, ready to be matched.
#[derive(Debug)]
pub(super) struct FlowSchema {
    pub(super) name: String,
    /// For the header that tells clients which one it was.
    pub(super) uid: HeaderValue,
    pub(super) spec: SchemaSpec,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct SchemaSpec {
    pub(super) priority_level_configuration: Named,
    pub(super) matching_precedence: i32,
    distinguisher_method: Option<Distinguisher>,
    rules: Vec<Rules>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Named {
    pub(super) name: String,
    namespace: String,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(tag = "type")]
enum Distinguisher {
    ByUser,
    ByNamespace,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Rules {
    subjects: Vec<Subject>,
    resource_rules: Vec<ResourceRule>,
    non_resource_rules: Vec<PathRule>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Subject {
    user: Option<Named>,
    group: Option<Named>,
    service_account: Option<Named>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ResourceRule {
    verbs: Vec<String>,
    api_groups: Vec<String>,
    resources: Vec<String>,
    namespaces: Vec<String>,
    cluster_scope: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct PathRule {
    verbs: Vec<String>,
    #[serde(rename = "nonResourceURLs")]
    paths: Vec<String>,
}

/// A priority level's specification.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct LevelSpec {
    pub(super) limited: Option<Limited>,
}

#[derive(Debug, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Limited {
    pub(super) nominal_concurrency_shares: u32,
    pub(super) limit_response: LimitResponse,
}

impl Default for Limited {
    fn default() -> Self {
        Self {
            nominal_concurrency_shares: 30,
            limit_response: LimitResponse::default(),
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct LimitResponse {
    pub(super) queuing: Option<Queuing>,
}

impl SchemaSpec {
    /// One that leads to a level and matches nothing by itself.
    pub(super) fn of_level(name: &str) -> Self {
        Self {
            priority_level_configuration: Named {
                name: name.to_owned(),
                ..Named::default()
            },
            ..Self::default()
        }
    }
}

impl Limited {
    /// The level of what no other has, as a new cluster has it.
    pub(super) fn catch_all() -> Self {
        Self {
            nominal_concurrency_shares: 5,
            ..Self::default()
        }
    }
}

/// How many queues, over how many of them one flow may spread, and how many requests one holds.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Queuing {
    pub(super) queues: u32,
    pub(super) hand_size: u32,
    pub(super) queue_length_limit: u32,
}

impl Default for Queuing {
    fn default() -> Self {
        Self {
            queues: 64,
            hand_size: 8,
            queue_length_limit: 50,
        }
    }
}

/// Whether a list of names has this one, or the star for all.
fn has(names: &[String], wanted: &str) -> bool {
    names.iter().any(|name| name == "*" || name == wanted)
}

impl FlowSchema {
    /// Whether a request belongs to it.
    pub(super) fn matches(&self, user: &UserInfo, info: &RequestInfo) -> bool {
        self.spec.rules.iter().any(|rules| {
            rules.subjects.iter().any(|subject| subject.matches(user))
                && if info.is_resource {
                    rules.resource_rules.iter().any(|rule| rule.matches(info))
                } else {
                    rules.non_resource_rules.iter().any(|rule| rule.matches(info))
                }
        })
    }

    /// What tells the flows of the schema apart.
    pub(super) fn distinguisher<'a>(&self, user: &'a UserInfo, info: &'a RequestInfo) -> &'a str {
        match self.spec.distinguisher_method {
            None => "",
            Some(Distinguisher::ByUser) => &user.name,
            Some(Distinguisher::ByNamespace) => &info.namespace,
        }
    }
}

impl Subject {
    fn matches(&self, user: &UserInfo) -> bool {
        if let Some(Named { name, .. }) = &self.user {
            return name == "*" || *name == user.name;
        }
        if let Some(Named { name, .. }) = &self.group {
            return name == "*" || user.in_group(name);
        }
        self.service_account.as_ref().is_some_and(|account| {
            user.as_service_account().is_some_and(|(namespace, name)| {
                namespace == account.namespace && (account.name == "*" || name == account.name)
            })
        })
    }
}

impl ResourceRule {
    fn matches(&self, info: &RequestInfo) -> bool {
        let placed = if info.namespace.is_empty() {
            self.cluster_scope
        } else {
            has(&self.namespaces, &info.namespace)
        };
        placed && has(&self.verbs, info.verb.name()) && has(&self.api_groups, &info.group) && self.names(info)
    }

    fn names(&self, info: &RequestInfo) -> bool {
        if info.subresource.is_empty() {
            return has(&self.resources, &info.resource);
        }
        self.resources.iter().any(|name| {
            name == "*"
                || name
                    .split_once('/')
                    .is_some_and(|(resource, below)| resource == info.resource && below == info.subresource)
        })
    }
}

impl PathRule {
    fn matches(&self, info: &RequestInfo) -> bool {
        let path = |rule: &String| match rule.strip_suffix('*') {
            Some(prefix) => info.path.starts_with(prefix),
            None => *rule == info.path,
        };
        has(&self.verbs, info.verb.name()) && self.paths.iter().any(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Query;
    use http::Method;

    fn schema(rules: serde_json::Value) -> FlowSchema {
        FlowSchema {
            name: "test".to_owned(),
            uid: HeaderValue::from_static("uid"),
            spec: serde_json::from_value(serde_json::json!({
                "distinguisherMethod": {"type": "ByNamespace"}, "rules": [rules],
            }))
            .unwrap(),
        }
    }

    #[test]
    fn requests_belong_to_the_schemas_that_name_them() {
        let pods = schema(serde_json::json!({
            "subjects": [{"kind": "ServiceAccount", "serviceAccount": {"namespace": "a", "name": "*"}}],
            "resourceRules": [{"verbs": ["list"], "apiGroups": [""], "resources": ["pods", "pods/log"], "namespaces": ["b"]}],
            "nonResourceRules": [{"verbs": ["get"], "nonResourceURLs": ["/health/*", "/version"]}],
        }));
        let cases = [
            ("a", "/api/v1/namespaces/b/pods", true),
            ("b", "/api/v1/namespaces/b/pods", false),
            ("a", "/api/v1/namespaces/c/pods", false),
            ("a", "/api/v1/pods", false),
            ("a", "/apis/apps/v1/namespaces/b/deployments", false),
            ("a", "/health/x", true),
            ("a", "/version", true),
            ("a", "/version/x", false),
        ];
        for (namespace, path, expected) in cases {
            let user = UserInfo::service_account(namespace, "n", "");
            let info = RequestInfo::parse(&Method::GET, path, &Query::default()).unwrap();
            assert_eq!(pods.matches(&user, &info), expected, "{namespace} {path}");
        }
    }
}
