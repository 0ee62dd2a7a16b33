//! The objects of `rbac.authorization.k8s.io/v1`, as far as rights are decided by them.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Attributes, UserInfo};

type Texts = Vec<Box<str>>;

/// `PolicyRule`: verbs on resources, or on paths.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PolicyRule {
    /// What may be done; `*` is everything
    pub verbs: Texts,
    /// Groups of the resources; `*` is all
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub api_groups: Texts,
    /// `pods`, `pods/log`, `*/scale`, `*`
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub resources: Texts,
    /// The objects; empty is all
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub resource_names: Texts,
    /// Paths, perhaps with `*` at the end
    #[serde(rename = "nonResourceURLs", skip_serializing_if = "Vec::is_empty")]
    pub non_resource_urls: Texts,
}

fn has(list: &[Box<str>], wanted: &str) -> bool {
    list.iter().any(|each| **each == *"*" || **each == *wanted)
}

/// Whether a list of resources has `resource/subresource`, by name, as `*`, or as `*/subresource`.
fn has_resource(list: &[Box<str>], combined: &str, subresource: &str) -> bool {
    has(list, combined)
        || (!subresource.is_empty()
            && list
                .iter()
                .any(|each| each.strip_prefix("*/") == Some(subresource)))
}

fn has_name(list: &[Box<str>], name: &str) -> bool {
    list.is_empty() || list.iter().any(|each| **each == *name)
}

/// Whether a path is one of these, or begins as one that ends in `*`.
fn has_path(list: &[Box<str>], path: &str) -> bool {
    list.iter().any(|each| {
        **each == *path
            || each
                .strip_suffix('*')
                .is_some_and(|prefix| path.starts_with(prefix.trim_end_matches('*')))
    })
}

impl PolicyRule {
    /// Whether the rule allows the request.
    pub fn allows(&self, asked: &Attributes<'_>) -> bool {
        if !has(&self.verbs, asked.verb) {
            return false;
        }
        if !asked.is_resource {
            return has_path(&self.non_resource_urls, asked.path);
        }
        has(&self.api_groups, asked.group)
            && has_resource(&self.resources, &asked.combined_resource(), asked.subresource)
            && has_name(&self.resource_names, asked.name)
    }

    /// Whether the rule allows all that a rule of one verb and one resource, or one path, allows.
    pub(crate) fn covers(&self, atom: &Self) -> bool {
        let every = |own: &[Box<str>], atom: &[Box<str>]| atom.iter().all(|each| has(own, each));
        let resource = |each: &str| {
            let subresource = each.split_once('/').map_or("", |(_, subresource)| subresource);
            has_resource(&self.resources, each, subresource)
        };
        let names = self.resource_names.is_empty()
            || (!atom.resource_names.is_empty()
                && atom
                    .resource_names
                    .iter()
                    .all(|name| has_name(&self.resource_names, name)));
        every(&self.verbs, &atom.verbs)
            && every(&self.api_groups, &atom.api_groups)
            && atom.resources.iter().all(|each| resource(each))
            && names
            && atom
                .non_resource_urls
                .iter()
                .all(|path| has_path(&self.non_resource_urls, path))
    }
}

/// As upstream prints a rule that someone lacks: `{APIGroups:[""], Resources:["pods"], Verbs:["get"]}`
impl fmt::Display for PolicyRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let members = [
            ("APIGroups", &self.api_groups),
            ("Resources", &self.resources),
            ("NonResourceURLs", &self.non_resource_urls),
            ("ResourceNames", &self.resource_names),
            ("Verbs", &self.verbs),
        ];
        let parts: Vec<String> = members
            .iter()
            .filter(|(_, texts)| !texts.is_empty())
            .map(|(name, texts)| format!("{name}:{}", quoted(texts)))
            .collect();
        write!(f, "{{{}}}", parts.join(", "))
    }
}

/// Go's `%q` of a list: `["a" "b"]`
pub(crate) fn quoted(texts: &[impl AsRef<str>]) -> String {
    let texts: Vec<String> = texts.iter().map(|text| format!("{:?}", text.as_ref())).collect();
    format!("[{}]", texts.join(" "))
}

/// A role's rules.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Role {
    /// The rules
    pub rules: Vec<PolicyRule>,
}

/// Which role is bound.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct RoleRef {
    /// `ClusterRole`, or `Role` of the binding's namespace
    pub kind: String,
    /// Its name
    pub name: String,
}

/// To whom it is bound.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Subject {
    /// `User`, `Group` or `ServiceAccount`
    pub kind: String,
    /// The name
    pub name: String,
    /// A ServiceAccount's namespace; empty is the binding's
    pub namespace: String,
}

impl Subject {
    fn namespace<'a>(&'a self, of_binding: &'a str) -> &'a str {
        match self.namespace.as_str() {
            "" => of_binding,
            namespace => namespace,
        }
    }

    /// Whether the user is meant.
    fn is(&self, user: &UserInfo, of_binding: &str) -> bool {
        match self.kind.as_str() {
            "User" => user.name == self.name,
            "Group" => user.in_group(&self.name),
            "ServiceAccount" => {
                let namespace = self.namespace(of_binding);
                !namespace.is_empty() && user.as_service_account() == Some((namespace, &self.name))
            }
            _ => false,
        }
    }

    pub(crate) fn describe(&self, of_binding: &str) -> String {
        match self.kind.as_str() {
            "ServiceAccount" => {
                let full = format!("{}/{}", self.name, self.namespace(of_binding));
                format!("{} {full:?}", self.kind)
            }
            kind => format!("{kind} {:?}", self.name),
        }
    }
}

/// `ClusterRoleBinding` or `RoleBinding`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Binding {
    /// What is bound
    pub role_ref: RoleRef,
    /// To whom
    pub subjects: Vec<Subject>,
}

impl Binding {
    /// The first subject that the user is.
    pub(crate) fn subject(&self, user: &UserInfo, namespace: &str) -> Option<&Subject> {
        self.subjects.iter().find(|subject| subject.is(user, namespace))
    }
}
