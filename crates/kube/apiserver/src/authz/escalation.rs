//! Nobody gives away by a role or a binding what they do not have (upstream's `rbac/*/policybased`).
//!
//! Whoever writes a role needs all its rules, or the verb `escalate` on it; whoever writes a binding needs all rules of
//! its role, or the verb `bind` on that. It is asked of every write, dry runs too, when the object has its final
//! content; only owners and finalizers, which garbage collection takes away, change without being asked.

use auth::{Attributes, Policy, PolicyRule, RoleRef, UserInfo};
use schema::cursor::Ref;
use schema::status::{GroupName, Status};
use schema::tree::Struct;
use serde::de::DeserializeOwned;

use crate::Answer;
use crate::registry::Op;

const GROUP: &str = "rbac.authorization.k8s.io";

/// What the garbage collector changes, and what a write brings along.
const CHANGED: [&str; 6] = [
    "metadata.ownerReferences",
    "metadata.finalizers",
    "metadata.managedFields",
    "metadata.resourceVersion",
    "kind",
    "apiVersion",
];

/// Judges a role or binding that is about to be written; everything else passes.
///
/// # Errors
/// 403, and 404 for a binding to a role that is not there.
pub(crate) fn check(op: &Op<'_>, object: Ref<'_>, old: Option<Ref<'_>>) -> Answer<()> {
    let def = &op.served.def;
    if def.group != GROUP || op.call.user.in_group(UserInfo::MASTERS) {
        return Ok(());
    }
    let write = Write {
        op,
        object,
        old,
        policy: &op.state.authz.policy(op.state),
    };
    match &*def.plural {
        "roles" | "clusterroles" => write.role(),
        "rolebindings" | "clusterrolebindings" => write.binding(),
        _ => Ok(()),
    }
}

struct Write<'a> {
    op: &'a Op<'a>,
    object: Ref<'a>,
    old: Option<Ref<'a>>,
    policy: &'a Policy,
}

impl Write<'_> {
    fn role(&self) -> Answer<()> {
        if self.may(&self.escalate()) || self.frees_only() {
            return Ok(());
        }
        let rules: Vec<PolicyRule> = parse(self.object.at("rules"))?;
        self.grant(&rules)?;
        let aggregates = |object: Ref<'_>| !object.path("aggregationRule.clusterRoleSelectors").is_empty();
        if aggregates(self.object) || self.old.is_some_and(aggregates) {
            let everything = PolicyRule::everything();
            let holds = self
                .policy
                .may_grant(&self.op.call.user, self.op.namespace, &everything);
            return holds.map_err(|_| {
                self.forbidden("must have cluster-admin privileges to use the aggregationRule")
            });
        }
        Ok(())
    }

    fn binding(&self) -> Answer<()> {
        let role: RoleRef = parse(self.object.at("roleRef"))?;
        if self.frees_only() || self.may(&self.bind(&role)) {
            return Ok(());
        }
        match self.policy.role(self.op.namespace, &role) {
            Ok(found) => self.grant(&found.rules),
            Err(_) if !["Role", "ClusterRole"].contains(&role.kind.as_str()) => {
                Err(Status::internal(format!("unsupported role reference kind: {:?}", role.kind)).into())
            }
            Err(_) => {
                let kind = role.kind.to_lowercase();
                Err(Status::not_found(
                    GroupName {
                        group: GROUP,
                        name: &kind,
                    },
                    &role.name,
                )
                .into())
            }
        }
    }

    /// Whether nothing but what the garbage collector changes is changed.
    fn frees_only(&self) -> bool {
        let same = |old: Ref<'_>| {
            let (Some(new), Some(old)) = (self.object.object(), old.object()) else {
                return false;
            };
            self.without_owners(new) == self.without_owners(old)
        };
        self.old.is_some_and(same)
    }

    fn without_owners(&self, object: &Struct) -> Struct {
        let mut copy = object.clone();
        for path in CHANGED {
            schema::cursor::remove(self.op.types(), &mut copy, path);
        }
        copy
    }

    /// The question whether the user may write this role whatever it gives; a creation names none.
    fn escalate(&self) -> Attributes<'_> {
        let op = self.op;
        Attributes {
            namespace: &op.call.info.namespace,
            name: &op.call.info.name,
            ..Attributes::of(&op.call.user, "escalate", GROUP, &op.served.def.plural)
        }
    }

    fn bind<'a>(&'a self, role: &'a RoleRef) -> Attributes<'a> {
        let resource = match role.kind.as_str() {
            "ClusterRole" => "clusterroles",
            "Role" => "roles",
            _ => "",
        };
        Attributes {
            namespace: self.op.namespace,
            name: &role.name,
            ..Attributes::of(&self.op.call.user, "bind", GROUP, resource)
        }
    }

    fn may(&self, asked: &Attributes<'_>) -> bool {
        !asked.resource.is_empty() && self.op.state.authz.decide(self.op.state, asked).allowed()
    }

    fn grant(&self, rules: &[PolicyRule]) -> Answer<()> {
        let held = self
            .policy
            .may_grant(&self.op.call.user, self.op.namespace, rules);
        held.map_err(|why| self.forbidden(&why))
    }

    fn forbidden(&self, why: &str) -> crate::Refused {
        let name = self.object.path("metadata.name").str();
        Status::forbidden(self.op.served.group_resource(), name, why).into()
    }
}

fn parse<T: DeserializeOwned + Default>(part: Ref<'_>) -> Answer<T> {
    if !part.exists() {
        return Ok(T::default());
    }
    serde_json::from_str(&part.json()).map_err(|error| Status::internal(error).into())
}
