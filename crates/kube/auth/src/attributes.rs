//! What is asked of an authorizer, and what it answers.

use std::fmt;

use schema::status::{GroupName, Status};

use crate::UserInfo;

/// A request as rights see it (`authorizer.Attributes`).
#[derive(Clone, Copy, Debug)]
pub struct Attributes<'a> {
    /// Who asks
    pub user: &'a UserInfo,
    /// `get`, `create`, …; for what is no resource the method in lower case
    pub verb: &'a str,
    /// Whether the request is for a resource
    pub is_resource: bool,
    /// API group
    pub group: &'a str,
    /// API version
    pub version: &'a str,
    /// `pods`
    pub resource: &'a str,
    /// `log`; empty for the object itself
    pub subresource: &'a str,
    /// Empty for all namespaces and for what lives in none
    pub namespace: &'a str,
    /// Empty for collections
    pub name: &'a str,
    /// The path, for what is no resource
    pub path: &'a str,
    /// The field selector of a request for many, as it was written
    pub field_selector: &'a str,
}

impl<'a> Attributes<'a> {
    /// A request for a resource, without subresource, namespace and name.
    pub const fn of(user: &'a UserInfo, verb: &'a str, group: &'a str, resource: &'a str) -> Self {
        Self {
            user,
            verb,
            is_resource: true,
            group,
            version: "*",
            resource,
            subresource: "",
            namespace: "",
            name: "",
            path: "",
            field_selector: "",
        }
    }

    /// A request for a path that is no resource's.
    pub const fn of_path(user: &'a UserInfo, verb: &'a str, path: &'a str) -> Self {
        Self {
            is_resource: false,
            version: "",
            path,
            ..Self::of(user, verb, "", "")
        }
    }

    /// `pods/log`
    pub fn combined_resource(&self) -> String {
        match self.subresource {
            "" => self.resource.to_owned(),
            subresource => format!("{}/{subresource}", self.resource),
        }
    }

    /// The answer to who may not: 403 with upstream's text.
    pub fn forbidden(&self, reason: &str) -> Status {
        let why = match reason {
            "" => self.to_string(),
            reason => format!("{self}: {reason}"),
        };
        let resource = GroupName {
            group: self.group,
            name: self.resource,
        };
        Status::forbidden(resource, self.name, &why)
    }
}

/// `User "x" cannot get resource "pods" in API group "" in the namespace "default"`
impl fmt::Display for Attributes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (user, verb) = (&self.user.name, self.verb);
        if !self.is_resource {
            return write!(f, "User {user:?} cannot {verb} path {:?}", self.path);
        }
        let (resource, group) = (self.combined_resource(), self.group);
        write!(
            f,
            "User {user:?} cannot {verb} resource {resource:?} in API group {group:?} "
        )?;
        match self.namespace {
            "" => f.write_str("at the cluster scope"),
            namespace => write!(f, "in the namespace {namespace:?}"),
        }
    }
}

/// What an authorizer says. There is nothing here that refuses what another one allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// They may, and why.
    Allow(String),
    /// Nothing allows it, and why.
    NoOpinion(String),
}

impl Decision {
    /// Whether they may.
    pub fn allowed(&self) -> bool {
        matches!(self, Self::Allow(_))
    }

    /// Why.
    pub fn reason(&self) -> &str {
        match self {
            Self::Allow(reason) | Self::NoOpinion(reason) => reason,
        }
    }
}
