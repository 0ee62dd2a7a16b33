//! Whether they may: `system:masters`, then what nodes are given, then RBAC, over the cache's objects.
//!
//! A [`Policy`] is made of the four RBAC collections when one of them has changed, and shared by all requests until
//! the next change: a decision locks nothing but one pointer. What belongs to a node is followed only when a node asks.

mod escalation;
mod relations;

use std::sync::{Arc, Mutex, PoisonError};

use auth::{Attributes, Decision, Policy, RoleRef, UserInfo, node};
use schema::object::{Obj, Revision};
use serde::de::DeserializeOwned;

use crate::server::State;
use crate::{Answer, RequestInfo};

pub(crate) use escalation::check as check_escalation;
use relations::Relations;

const ROLES: [&str; 2] = ["/registry/clusterroles/", "/registry/roles/"];
const BINDINGS: [&str; 2] = ["/registry/clusterrolebindings/", "/registry/rolebindings/"];

/// The policy, and which state of the collections it was made of.
#[derive(Debug, Default)]
pub(crate) struct Authz {
    known: Mutex<Known>,
    relations: Relations,
}

impl Default for Known {
    fn default() -> Self {
        Self([Revision(0); 4], Arc::default())
    }
}

#[derive(Debug)]
struct Known([Revision; 4], Arc<Policy>);

impl Authz {
    /// Refuses a request that its user may not make.
    ///
    /// # Errors
    /// 403
    pub(crate) fn check(&self, state: &State, user: &UserInfo, info: &RequestInfo) -> Answer<()> {
        self.require(state, &attributes(user, info))
    }

    /// Refuses what is not allowed.
    ///
    /// # Errors
    /// 403 with upstream's text
    pub(crate) fn require(&self, state: &State, asked: &Attributes<'_>) -> Answer<()> {
        match self.decide(state, asked) {
            Decision::Allow(_) => Ok(()),
            Decision::NoOpinion(reason) => Err(asked.forbidden(&reason).into()),
        }
    }

    /// Whether something is allowed, and why: the first authorizer that allows it, or what all had to say.
    pub(crate) fn decide(&self, state: &State, asked: &Attributes<'_>) -> Decision {
        if asked.user.in_group(UserInfo::MASTERS) {
            return Decision::Allow(String::new());
        }
        let policy = self.policy(state);
        if node::node_of(asked.user).is_none() {
            return policy.authorize(asked);
        }
        match (self.of_node(state, &policy, asked), policy.authorize(asked)) {
            (allowed @ Decision::Allow(_), _) | (_, allowed @ Decision::Allow(_)) => allowed,
            (Decision::NoOpinion(one), Decision::NoOpinion(other)) => {
                let said = [one, other].into_iter().filter(|reason| !reason.is_empty());
                Decision::NoOpinion(said.collect::<Vec<_>>().join("\n"))
            }
        }
    }

    fn of_node(&self, state: &State, policy: &Policy, asked: &Attributes<'_>) -> Decision {
        let role = RoleRef {
            kind: "ClusterRole".to_owned(),
            name: node::ROLE.to_owned(),
        };
        let rules = policy.role("", &role).map(Arc::clone).unwrap_or_default();
        node::authorize(asked, &rules.rules, |node, kind, namespace, name| {
            self.relations.related(&state.cache, node, kind, namespace, name)
        })
    }

    /// The policy as the cache has it.
    pub(crate) fn policy(&self, state: &State) -> Arc<Policy> {
        let changed = state
            .cache
            .all_changed([ROLES[0], ROLES[1], BINDINGS[0], BINDINGS[1]]);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.0 != changed {
            *known = Known(changed, Arc::new(made(state)));
        }
        known.1.clone()
    }
}

fn made(state: &State) -> Policy {
    let mut policy = Policy::default();
    for prefix in ROLES {
        for object in state.cache.snapshot(prefix).iter() {
            policy.set_role(&object.meta.namespace, &object.meta.name, read(object));
        }
    }
    for prefix in BINDINGS {
        for object in state.cache.snapshot(prefix).iter() {
            policy.set_binding(&object.meta.namespace, &object.meta.name, read(object));
        }
    }
    policy
}

/// What is stored was validated; an object that cannot be read all the same gives nobody a right.
fn read<T: DeserializeOwned>(object: &Obj) -> Option<T> {
    serde_json::from_slice(object.body())
        .inspect_err(|error| tracing::warn!(key = %object.key, %error, "an object cannot be read"))
        .ok()
}

/// A request as rights see it.
pub(crate) fn attributes<'a>(user: &'a UserInfo, info: &'a RequestInfo) -> Attributes<'a> {
    if !info.is_resource {
        return Attributes::of_path(user, info.verb.name(), &info.path);
    }
    Attributes {
        version: &info.version,
        subresource: &info.subresource,
        namespace: &info.namespace,
        name: &info.name,
        field_selector: &info.field_selector,
        ..Attributes::of(user, info.verb.name(), &info.group, &info.resource)
    }
}
