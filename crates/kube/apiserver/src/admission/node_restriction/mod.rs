//! `NodeRestriction` (upstream's plugin of this name): a node speaks for itself and for the pods that run on it, and
//! cannot make itself more attractive than it was made. Which objects it may touch at all is a matter of rights; here is
//! what it may write into them.

mod labels;
mod node;
mod pods;
#[cfg(test)]
mod tests;

use schema::cursor::{self, Ref};
use schema::tree::Struct;

use super::{Operation, Request};
use crate::{Answer, Refused};

const NODES: &str = "system:nodes";
const USER: &str = "system:node:";
const LEASES: &str = "kube-node-lease";

/// A node's write.
struct Judge<'a> {
    request: &'a Request<'a>,
    node: &'a str,
    object: Option<Ref<'a>>,
}

/// Judges what a node writes; nobody else's writes.
///
/// # Errors
/// 403, 404 for a pod that is not there.
pub(super) fn judge(request: &Request<'_>, object: Option<&mut Struct>) -> Answer<()> {
    let user = &request.op.call.user;
    let Some(node) = user.name.strip_prefix(USER).filter(|_| user.in_group(NODES)) else {
        return Ok(());
    };
    let object = object.map(|object| Ref::new(request.types, object));
    let judge = Judge {
        request,
        node,
        object,
    };
    if node.is_empty() {
        let why = format!("could not determine node from user {:?}", user.name);
        return judge.refuse(why);
    }
    judge.write()
}

impl<'a> Judge<'a> {
    fn write(&self) -> Answer<()> {
        let def = &self.request.op.served.def;
        match (&*def.group, &*def.plural) {
            _ if self.request.operation == Operation::Connect => Ok(()),
            ("", "pods") => self.pod(),
            ("", "nodes") => self.node(),
            ("", "persistentvolumeclaims") => self.claim(),
            ("", "serviceaccounts") => self.token(),
            ("coordination.k8s.io", "leases") => self.lease(),
            ("storage.k8s.io", "csinodes") => {
                self.own_name("can only access CSINode with the same name as the requesting node")
            }
            ("resource.k8s.io", "resourceslices") => self.slice(),
            _ => Ok(()),
        }
    }

    fn refuse<T>(&self, why: impl Into<String>) -> Answer<T> {
        Err(self.refused(&why.into()))
    }

    fn refused(&self, why: &str) -> Refused {
        self.request.forbidden(self.object, why)
    }

    /// Refuses unless.
    fn need(&self, fine: bool, why: impl FnOnce() -> String) -> Answer<()> {
        if fine { Ok(()) } else { self.refuse(why()) }
    }

    fn written(&self) -> Ref<'a> {
        let nothing = || {
            self.request
                .old
                .unwrap_or_else(|| Ref::nothing(self.request.types))
        };
        self.object.unwrap_or_else(nothing)
    }

    fn old(&self) -> Ref<'a> {
        self.request
            .old
            .unwrap_or_else(|| Ref::nothing(self.request.types))
    }

    fn own_name(&self, why: &str) -> Answer<()> {
        self.need(self.request.name == self.node, || why.to_owned())
    }

    fn lease(&self) -> Answer<()> {
        self.need(self.request.op.namespace == LEASES, || {
            format!("can only access leases in the {LEASES:?} system namespace")
        })?;
        self.own_name("can only access node lease with the same name as the requesting node")
    }

    fn slice(&self) -> Answer<()> {
        let own = self.written().path("spec.nodeName").str() == self.node;
        self.need(own || self.request.operation != Operation::Create, || {
            "can only create ResourceSlice with the same NodeName as the requesting node".to_owned()
        })
    }

    /// Of a claim a node says how large it has become, and nothing else.
    fn claim(&self) -> Answer<()> {
        let updates = self.request.operation == Operation::Update;
        if self.request.op.subresource != "status" || !updates {
            return self.refuse("may only update PVC status");
        }
        const ITS_OWN: [&str; 6] = [
            "metadata.resourceVersion",
            "metadata.managedFields",
            "status.capacity",
            "status.conditions",
            "status.allocatedResourceStatuses",
            "status.allocatedResources",
        ];
        let rest = |claim: Ref<'_>| {
            let mut claim = claim.object().cloned()?;
            for path in ITS_OWN {
                cursor::remove(self.request.types, &mut claim, path);
            }
            Some(claim)
        };
        self.need(rest(self.written()) == rest(self.old()), || {
            format!(
                "node {:?} is not allowed to update fields other than status.capacity and status.conditions",
                self.node
            )
        })
    }
}
