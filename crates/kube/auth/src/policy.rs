//! RBAC: which rules a user has, and whether one of them allows a request.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::objects::{Binding, PolicyRule, Role, RoleRef, Subject};
use crate::{Attributes, Decision, UserInfo};

/// A role that is bound and is not there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}.rbac.authorization.k8s.io {:?} not found", role.kind.to_lowercase(), role.name)]
pub struct NotFound {
    /// What the binding names.
    pub role: RoleRef,
}

/// The rules that a user has in a namespace.
#[derive(Debug, Default)]
pub struct Rules {
    /// All rules, as far as their roles are there
    pub rules: Vec<PolicyRule>,
    /// Roles that are not there
    pub missing: Vec<NotFound>,
}

type Roles = BTreeMap<Box<str>, Arc<Role>>;
type Bindings = BTreeMap<Box<str>, Arc<Binding>>;

/// All RBAC objects, by namespace (empty for cluster-scoped ones) and name. Clones share the objects.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    roles: BTreeMap<Box<str>, Roles>,
    bindings: BTreeMap<Box<str>, Bindings>,
}

fn put<T>(
    all: &mut BTreeMap<Box<str>, BTreeMap<Box<str>, Arc<T>>>,
    namespace: &str,
    name: &str,
    to: Option<T>,
) {
    let of_namespace = all.entry(namespace.into()).or_default();
    match to {
        Some(object) => of_namespace.insert(name.into(), Arc::new(object)),
        None => of_namespace.remove(name),
    };
    if of_namespace.is_empty() {
        all.remove(namespace);
    }
}

impl Policy {
    /// Sets or removes a Role, or with an empty namespace a ClusterRole.
    pub fn set_role(&mut self, namespace: &str, name: &str, role: Option<Role>) {
        put(&mut self.roles, namespace, name, role);
    }

    /// Sets or removes a RoleBinding, or with an empty namespace a ClusterRoleBinding.
    pub fn set_binding(&mut self, namespace: &str, name: &str, binding: Option<Binding>) {
        put(&mut self.bindings, namespace, name, binding);
    }

    /// The role that a binding of this namespace refers to.
    ///
    /// # Errors
    /// [`NotFound`]
    pub fn role(&self, namespace: &str, role: &RoleRef) -> Result<&Arc<Role>, NotFound> {
        let namespace = if role.kind == "ClusterRole" { "" } else { namespace };
        self.roles
            .get(namespace)
            .and_then(|roles| roles.get(role.name.as_str()))
            .ok_or_else(|| NotFound { role: role.clone() })
    }

    /// Whether the user may. Members of `system:masters` may everything, whatever the policy says.
    pub fn authorize(&self, asked: &Attributes<'_>) -> Decision {
        if asked.user.in_group(UserInfo::MASTERS) {
            return Decision::Allow(String::new());
        }
        let mut missing = Vec::new();
        for bound in self.bound(asked.user, asked.namespace) {
            match self.role(bound.namespace, &bound.binding.role_ref) {
                Ok(role) if role.rules.iter().any(|rule| rule.allows(asked)) => {
                    return Decision::Allow(format!("RBAC: allowed by {}", bound.describe()));
                }
                Ok(_) => {}
                Err(error) => missing.push(error),
            }
        }
        Decision::NoOpinion(reason(&missing))
    }

    /// All rules that a user has in a namespace, those for the whole cluster included.
    pub fn rules(&self, user: &UserInfo, namespace: &str) -> Rules {
        let mut rules = Rules::default();
        for bound in self.bound(user, namespace) {
            match self.role(bound.namespace, &bound.binding.role_ref) {
                Ok(role) => rules.rules.extend(role.rules.iter().cloned()),
                Err(error) => rules.missing.push(error),
            }
        }
        rules
    }

    /// The bindings that concern a user: the cluster's first.
    fn bound<'a>(&'a self, user: &'a UserInfo, namespace: &'a str) -> impl Iterator<Item = Bound<'a>> {
        let own = Some(namespace).filter(|namespace| !namespace.is_empty());
        let namespaces = std::iter::once("").chain(own);
        namespaces.flat_map(move |namespace| {
            let bindings = self.bindings.get(namespace).into_iter().flatten();
            bindings.filter_map(move |(name, binding)| {
                Some(Bound {
                    namespace,
                    name,
                    binding,
                    subject: binding.subject(user, namespace)?,
                })
            })
        })
    }
}

/// Why nothing was found that allows it: nothing to say, unless a role is missing.
fn reason(missing: &[NotFound]) -> String {
    if missing.is_empty() {
        String::new()
    } else {
        format!("RBAC: {}", aggregate(missing))
    }
}

/// Several errors as one text, as upstream's aggregate has it: each thing once, in brackets if there is more than one.
pub fn aggregate(missing: &[NotFound]) -> String {
    let mut texts: Vec<String> = Vec::new();
    for error in missing {
        let text = error.to_string();
        if !texts.contains(&text) {
            texts.push(text);
        }
    }
    match texts.as_slice() {
        [one] => one.clone(),
        texts => format!("[{}]", texts.join(", ")),
    }
}

/// A binding with the subject by which it concerns a user.
struct Bound<'a> {
    namespace: &'a str,
    name: &'a str,
    binding: &'a Binding,
    subject: &'a Subject,
}

impl Bound<'_> {
    fn describe(&self) -> String {
        let (kind, name) = match self.namespace {
            "" => ("ClusterRoleBinding", self.name.to_owned()),
            namespace => ("RoleBinding", format!("{}/{namespace}", self.name)),
        };
        let RoleRef {
            kind: role_kind,
            name: role,
        } = &self.binding.role_ref;
        let subject = self.subject.describe(self.namespace);
        format!("{kind} {name:?} of {role_kind} {role:?} to {subject}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy() -> Policy {
        let mut policy = Policy::default();
        let role = |json: &str| Some(serde_json::from_str::<Role>(json).unwrap());
        let binding = |json: &str| Some(serde_json::from_str::<Binding>(json).unwrap());
        policy.set_role(
            "",
            "reader",
            role(
                r#"{"rules":[{"apiGroups":[""],"resources":["pods","pods/log"],"verbs":["get","list"]},
            {"apiGroups":["apps"],"resources":["*/scale"],"verbs":["*"]},
            {"nonResourceURLs":["/metrics/*"],"verbs":["get"]}]}"#,
            ),
        );
        policy.set_role("n", "named", role(r#"{"rules":[{"apiGroups":[""],"resources":["secrets"],"resourceNames":["s"],"verbs":["get"]}]}"#));
        policy.set_binding("", "b", binding(r#"{"roleRef":{"kind":"ClusterRole","name":"reader"},"subjects":[{"kind":"Group","name":"g"}]}"#));
        policy.set_binding("n", "c", binding(r#"{"roleRef":{"kind":"Role","name":"named"},"subjects":[{"kind":"ServiceAccount","name":"sa"}]}"#));
        policy.set_binding(
            "n",
            "d",
            binding(r#"{"roleRef":{"kind":"Role","name":"gone"},"subjects":[{"kind":"User","name":"u"}]}"#),
        );
        policy
    }

    fn user(name: &str, groups: &[&str]) -> UserInfo {
        UserInfo {
            name: name.to_owned(),
            groups: groups.iter().map(|group| (*group).to_owned()).collect(),
            ..UserInfo::default()
        }
    }

    #[test]
    fn what_a_binding_gives_is_allowed_and_said_by_whom() {
        let policy = policy();
        let (member, account) = (user("u", &["g"]), UserInfo::service_account("n", "sa", ""));
        let pods = Attributes {
            namespace: "n",
            ..Attributes::of(&member, "get", "", "pods")
        };
        let secret = Attributes {
            namespace: "n",
            name: "s",
            ..Attributes::of(&account, "get", "", "secrets")
        };
        let cases = [
            (
                pods,
                r#"RBAC: allowed by ClusterRoleBinding "b" of ClusterRole "reader" to Group "g""#,
            ),
            (
                Attributes {
                    subresource: "log",
                    ..pods
                },
                r#"RBAC: allowed by ClusterRoleBinding "b" of ClusterRole "reader" to Group "g""#,
            ),
            (
                Attributes {
                    subresource: "scale",
                    group: "apps",
                    resource: "deployments",
                    verb: "update",
                    ..pods
                },
                r#"RBAC: allowed by ClusterRoleBinding "b" of ClusterRole "reader" to Group "g""#,
            ),
            (
                secret,
                r#"RBAC: allowed by RoleBinding "c/n" of Role "named" to ServiceAccount "sa/n""#,
            ),
            (
                Attributes::of_path(&member, "get", "/metrics/slis"),
                r#"RBAC: allowed by ClusterRoleBinding "b" of ClusterRole "reader" to Group "g""#,
            ),
        ];
        for (asked, reason) in cases {
            assert_eq!(policy.authorize(&asked), Decision::Allow(reason.to_owned()));
        }
    }

    #[test]
    fn what_nothing_gives_is_not_allowed_and_named() {
        let policy = policy();
        let (member, account) = (user("u", &["g"]), UserInfo::service_account("n", "sa", ""));
        let pods = Attributes {
            namespace: "n",
            name: "p",
            ..Attributes::of(&member, "delete", "", "pods")
        };
        let decision = policy.authorize(&pods);
        assert_eq!(
            decision,
            Decision::NoOpinion(r#"RBAC: role.rbac.authorization.k8s.io "gone" not found"#.to_owned())
        );
        assert_eq!(
            pods.forbidden(decision.reason()).message,
            concat!(
                r#"pods "p" is forbidden: User "u" cannot delete resource "pods" in API group "" in the namespace "n": "#,
                r#"RBAC: role.rbac.authorization.k8s.io "gone" not found"#
            )
        );
        let others = [
            Attributes {
                name: "other",
                ..Attributes::of(&account, "get", "", "secrets")
            },
            Attributes {
                namespace: "n",
                ..Attributes::of(&account, "get", "", "secrets")
            },
            Attributes {
                namespace: "m",
                name: "s",
                ..Attributes::of(&account, "get", "", "secrets")
            },
            Attributes::of_path(&member, "get", "/metrics"),
        ];
        for asked in others {
            assert!(!policy.authorize(&asked).allowed(), "{asked}");
        }
        let path = Attributes::of_path(&member, "get", "/x");
        assert_eq!(
            path.forbidden("").message,
            r#"forbidden: User "u" cannot get path "/x""#
        );
    }

    #[test]
    fn masters_may_everything() {
        let master = user("root", &[UserInfo::MASTERS]);
        let asked = Attributes::of(&master, "delete", "", "nodes");
        assert!(Policy::default().authorize(&asked).allowed());
    }
}
