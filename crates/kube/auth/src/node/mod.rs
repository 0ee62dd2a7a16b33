//! What kubelets may: read what the pods of their node need, and write what is theirs (upstream's node authorizer).
//!
//! Kubelets are users `system:node:NAME` of the group `system:nodes`. Some resources are given object by object: whoever
//! asks is told by the [`Graph`] whether the object belongs to the node. All others are given by the role `system:node`,
//! which is bound to nobody for that reason.

mod graph;
mod refs;
mod rules;

pub use graph::{Graph, Kind};
pub use refs::{PodRefs, VolumeRefs};

use crate::{Attributes, Decision, PolicyRule, UserInfo};

/// The group of all kubelets.
pub const NODES: &str = "system:nodes";

/// The role whose rules every kubelet has, apart from what is given object by object.
pub const ROLE: &str = "system:node";

const NAME_PREFIX: &str = "system:node:";

/// The name of the node whose kubelet the user is; empty if it does not say.
pub fn node_of(user: &UserInfo) -> Option<&str> {
    user.name
        .strip_prefix(NAME_PREFIX)
        .filter(|_| user.in_group(NODES))
}

/// Whether a kubelet may; nothing to say of other users. `related` asks the graph.
pub fn authorize(
    asked: &Attributes<'_>,
    role: &[PolicyRule],
    related: impl Fn(&str, Kind, &str, &str) -> bool,
) -> Decision {
    let Some(node) = node_of(asked.user) else {
        return Decision::NoOpinion(String::new());
    };
    if node.is_empty() {
        return Decision::NoOpinion(format!("unknown node for user {:?}", asked.user.name));
    }
    let ruled = if asked.is_resource {
        rules::of(asked.group, asked.resource)
    } else {
        None
    };
    let judged = match ruled {
        Some(rule) => rule(&rules::Request {
            node,
            asked,
            related: &related,
        }),
        None if role.iter().any(|rule| rule.allows(asked)) => Ok(()),
        None => Err(String::new()),
    };
    match judged {
        Ok(()) => Decision::Allow(String::new()),
        Err(why) => Decision::NoOpinion(why),
    }
}

#[cfg(test)]
mod tests;
