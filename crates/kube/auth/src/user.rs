//! Who asks.

use std::collections::BTreeMap;

/// A user as authentication found it (`authentication.k8s.io/v1` `UserInfo`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserInfo {
    /// `system:serviceaccount:default:builder`, `system:admin` …
    pub name: String,
    /// What tells users of the same name apart over time; empty when not known.
    pub uid: String,
    /// `system:authenticated`, `system:masters` …
    pub groups: Vec<String>,
    /// What the authenticator adds: bound pod and node of a token, certificate fingerprints.
    pub extra: BTreeMap<String, Vec<String>>,
}

impl UserInfo {
    /// The group that may do everything, whatever RBAC says.
    pub const MASTERS: &str = "system:masters";
    /// The group of all that have said who they are.
    pub const AUTHENTICATED: &str = "system:authenticated";
    /// The group of the others.
    pub const UNAUTHENTICATED: &str = "system:unauthenticated";
    /// The name of a user who has not said who they are.
    pub const ANONYMOUS: &str = "system:anonymous";

    /// Who asks without saying who they are.
    pub fn anonymous() -> Self {
        Self {
            name: Self::ANONYMOUS.to_owned(),
            groups: vec![Self::UNAUTHENTICATED.to_owned()],
            ..Self::default()
        }
    }

    /// A ServiceAccount's user, in its groups.
    pub fn service_account(namespace: &str, name: &str, uid: &str) -> Self {
        Self {
            name: format!("system:serviceaccount:{namespace}:{name}"),
            uid: uid.to_owned(),
            groups: Self::service_account_groups(namespace).to_vec(),
            ..Self::default()
        }
    }

    /// The groups of a ServiceAccount of this namespace.
    pub fn service_account_groups(namespace: &str) -> [String; 2] {
        [
            "system:serviceaccounts".to_owned(),
            format!("system:serviceaccounts:{namespace}"),
        ]
    }

    /// Namespace and name, if the user's name is a ServiceAccount's.
    pub fn as_service_account(&self) -> Option<(&str, &str)> {
        self.name
            .strip_prefix("system:serviceaccount:")?
            .split_once(':')
            .filter(|(namespace, name)| !namespace.is_empty() && !name.is_empty() && !name.contains(':'))
    }

    /// Whether the user belongs to a group.
    pub fn in_group(&self, group: &str) -> bool {
        self.groups.iter().any(|each| each == group)
    }

    /// The same user in `system:authenticated`, where everybody is who is not anonymous.
    #[must_use]
    pub fn authenticated(mut self) -> Self {
        let told = self.in_group(Self::AUTHENTICATED) || self.in_group(Self::UNAUTHENTICATED);
        if !told && self.name != Self::ANONYMOUS {
            self.groups.push(Self::AUTHENTICATED.to_owned());
        }
        self
    }
}
