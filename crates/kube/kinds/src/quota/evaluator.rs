//! How the objects of one resource are counted.

use std::time::SystemTime;

use schema::cursor::Ref;

use super::{Amount, Amounts, Scope, claims, pods, services};

/// Resources whose counts had a name before all had `count/…`.
const ALIASES: [&str; 4] = [
    "configmaps",
    "replicationcontrollers",
    "resourcequotas",
    "secrets",
];

/// What the server makes so many of, or never stores, that quotas leave it alone.
const IGNORED: [(&str, &str); 9] = [
    ("", "bindings"),
    ("", "componentstatuses"),
    ("", "events"),
    ("authentication.k8s.io", "selfsubjectreviews"),
    ("authentication.k8s.io", "tokenreviews"),
    ("authorization.k8s.io", "localsubjectaccessreviews"),
    ("authorization.k8s.io", "selfsubjectaccessreviews"),
    ("authorization.k8s.io", "selfsubjectrulesreviews"),
    ("events.k8s.io", "events"),
];

/// The way in which one resource is counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Evaluator {
    /// Pods: what they ask for.
    Pods,
    /// PersistentVolumeClaims: how much storage.
    Claims,
    /// Services: node ports and load balancers.
    Services,
    /// Everything else: how many.
    Count {
        /// `count/deployments.apps`
        name: String,
        /// `secrets`, where there is an older name.
        alias: Option<&'static str>,
    },
}

impl Evaluator {
    /// For a resource; none for what quotas leave alone.
    pub fn of(group: &str, plural: &str) -> Option<Self> {
        if IGNORED.contains(&(group, plural)) {
            return None;
        }
        Some(match (group, plural) {
            ("", "pods") => Self::Pods,
            ("", "persistentvolumeclaims") => Self::Claims,
            ("", "services") => Self::Services,
            ("", _) => Self::Count {
                name: format!("count/{plural}"),
                alias: ALIASES.into_iter().find(|alias| *alias == plural),
            },
            _ => Self::Count {
                name: format!("count/{plural}.{group}"),
                alias: None,
            },
        })
    }

    /// Whether a write can change what is counted. `creates` and `updates` say what it does, and on which path.
    pub fn handles(&self, creates: bool, updates: bool, subresource: &str) -> bool {
        match (self, subresource) {
            (Self::Pods, "resize") => updates,
            (Self::Claims | Self::Services, "") => creates || updates,
            (_, "") => creates,
            _ => false,
        }
    }

    /// Whether a name in a quota is about this resource.
    pub fn counts(&self, wanted: &str) -> bool {
        match self {
            Self::Pods => pods::counts(wanted),
            Self::Claims => claims::counts(wanted),
            Self::Services => services::counts(wanted),
            Self::Count { name, alias } => name == wanted || *alias == Some(wanted),
        }
    }

    /// Whether an object is in all of a quota's scopes. Most resources know none, and are in no scope.
    pub fn in_scope(&self, scopes: &[Scope], object: Ref<'_>) -> bool {
        scopes.iter().all(|scope| match self {
            Self::Pods => scope.has_pod(object),
            Self::Claims => scope.has_claim(object),
            Self::Services | Self::Count { .. } => false,
        })
    }

    /// Whether an object states what a quota needs to know of it. `required`: those names of the quota that are about
    /// this resource.
    ///
    /// # Errors
    /// `must specify …`
    pub fn constraints(&self, required: &[&str], object: Ref<'_>) -> Result<(), String> {
        match self {
            Self::Pods => pods::constraints(required, object),
            Self::Claims | Self::Services | Self::Count { .. } => Ok(()),
        }
    }

    /// What an object counts for.
    pub fn usage(&self, object: Ref<'_>, now: SystemTime) -> Amounts {
        match self {
            Self::Pods => pods::usage(object, now),
            Self::Claims => claims::usage(object),
            Self::Services => services::usage(object),
            Self::Count { name, alias } => {
                let names = alias.iter().copied().chain([name.as_str()]);
                names.map(|name| (name.to_owned(), Amount::count(1))).collect()
            }
        }
    }
}
