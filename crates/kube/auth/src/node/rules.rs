//! The resources that a kubelet is given object by object, each with upstream's refusals.

use super::Kind;
use crate::Attributes;

/// A request of a kubelet.
pub(super) struct Request<'a> {
    /// Its node.
    pub(super) node: &'a str,
    pub(super) asked: &'a Attributes<'a>,
    pub(super) related: &'a dyn Fn(&str, Kind, &str, &str) -> bool,
}

/// May, or why not.
pub(super) type Judged = Result<(), String>;

type Rule = fn(&Request<'_>) -> Judged;

/// Group, resource, and what decides.
const RULES: &[(&str, &str, Rule)] = &[
    ("", "secrets", |request| request.read(Kind::Secret)),
    ("", "configmaps", |request| request.read(Kind::ConfigMap)),
    ("", "persistentvolumeclaims", claim),
    ("", "persistentvolumes", |request| request.get(Kind::Volume)),
    ("resource.k8s.io", "resourceclaims", |request| {
        request.get(Kind::ResourceClaim)
    }),
    ("storage.k8s.io", "volumeattachments", |request| {
        request.get(Kind::VolumeAttachment)
    }),
    ("", "serviceaccounts", account),
    ("coordination.k8s.io", "leases", lease),
    ("storage.k8s.io", "csinodes", csi_node),
    ("resource.k8s.io", "resourceslices", slice),
    ("", "nodes", node),
    ("", "pods", pod),
];

/// The rule of a resource; none for those that the role gives.
pub(super) fn of(group: &str, resource: &str) -> Option<Rule> {
    let found = RULES
        .iter()
        .find(|(of, name, _)| *of == group && *name == resource);
    found.map(|(.., rule)| *rule)
}

fn no(why: &str) -> Judged {
    Err(why.to_owned())
}

impl Request<'_> {
    /// `get` of one object.
    fn get(&self, kind: Kind) -> Judged {
        match (self.asked.verb, self.asked.subresource) {
            ("get", "") => self.has(kind),
            ("get", _) => no("cannot get subresource"),
            _ => no("can only get individual resources of this type"),
        }
    }

    /// `get`, or `list` and `watch` of one object by its name.
    fn read(&self, kind: Kind) -> Judged {
        let asked = self.asked;
        if !["get", "list", "watch"].contains(&asked.verb) {
            return no("can only read resources of this type");
        }
        if !asked.subresource.is_empty() {
            return no("cannot read subresource");
        }
        if asked.namespace.is_empty() {
            return no("can only read namespaced object of this type");
        }
        self.has(kind)
    }

    /// Whether the object is the node's.
    fn has(&self, kind: Kind) -> Judged {
        if self.asked.name.is_empty() {
            return no("No Object name found");
        }
        self.is_related(kind)
    }

    fn is_related(&self, kind: Kind) -> Judged {
        if (self.related)(self.node, kind, self.asked.namespace, self.asked.name) {
            return Ok(());
        }
        Err(format!(
            "no relationship found between node '{}' and this object",
            self.node
        ))
    }

    /// Whether the selector lets nothing but the node's own through. Names of nodes need no escapes, so a selector
    /// with one is not looked at.
    fn selects(&self, field: &str) -> bool {
        let own = |term: &str| {
            let rest = term.trim().strip_prefix(field);
            let value = rest.and_then(|rest| rest.strip_prefix("==").or_else(|| rest.strip_prefix('=')));
            value == Some(self.node)
        };
        let selector = self.asked.field_selector;
        !selector.contains('\\') && selector.split(',').any(own)
    }
}

fn claim(request: &Request<'_>) -> Judged {
    match (request.asked.subresource, request.asked.verb) {
        ("status", "update" | "patch") => request.has(Kind::Claim),
        ("status", _) => no("can only get/update/patch this type"),
        _ => request.get(Kind::Claim),
    }
}

/// Tokens of the accounts of the node's pods, and since v1.34 the accounts themselves.
fn account(request: &Request<'_>) -> Judged {
    let asked = request.asked;
    match (asked.verb, asked.subresource) {
        ("get", "") => request.has(Kind::Account),
        ("create", "token") if !asked.name.is_empty() => request.is_related(Kind::Account),
        ("create", "token") | ("get", _) => no("can only create tokens for individual service accounts"),
        ("create", _) => no("can only create token subresource of serviceaccount"),
        _ => no("can only create tokens for individual service accounts"),
    }
}

const OWN_VERBS: [&str; 5] = ["get", "create", "update", "patch", "delete"];

fn lease(request: &Request<'_>) -> Judged {
    let asked = request.asked;
    if !OWN_VERBS.contains(&asked.verb) {
        return no("can only get, create, update, patch, or delete a node lease");
    }
    if asked.namespace != "kube-node-lease" {
        return no("can only access leases in the \"kube-node-lease\" system namespace");
    }
    // The name of what is created is not known here; admission looks at it.
    if asked.verb != "create" && asked.name != request.node {
        return no("can only access node lease with the same name as the requesting node");
    }
    Ok(())
}

fn csi_node(request: &Request<'_>) -> Judged {
    let asked = request.asked;
    if !OWN_VERBS.contains(&asked.verb) {
        return no("can only get, create, update, patch, or delete a CSINode");
    }
    if !asked.subresource.is_empty() {
        return no("cannot authorize CSINode subresources");
    }
    if asked.verb != "create" && asked.name != request.node {
        return no("can only access CSINode with the same name as the requesting node");
    }
    Ok(())
}

fn slice(request: &Request<'_>) -> Judged {
    if !request.asked.subresource.is_empty() {
        return no("cannot authorize ResourceSlice subresources");
    }
    match request.asked.verb {
        "create" => Ok(()),
        "get" | "update" | "patch" | "delete" => request.has(Kind::ResourceSlice),
        "watch" | "list" | "deletecollection" if request.selects("spec.nodeName") => Ok(()),
        "watch" | "list" | "deletecollection" => {
            no("can only list/watch/deletecollection resourceslices with nodeName field selector")
        }
        _ => no(concat!(
            "only the following verbs are allowed for a ResourceSlice: ",
            "get, watch, list, create, update, patch, delete, deletecollection"
        )),
    }
}

fn node(request: &Request<'_>) -> Judged {
    let (own, asked) = (request.node, request.asked);
    match (asked.subresource, asked.verb) {
        ("", "create" | "update" | "patch") | ("status", "update" | "patch") => Ok(()),
        ("", "get" | "list" | "watch") => match asked.name {
            name if name == own => Ok(()),
            "" => Err(format!(
                "node '{own}' cannot read all nodes, only its own Node object"
            )),
            other => Err(format!(
                "node '{own}' cannot read '{other}', only its own Node object"
            )),
        },
        _ => no(""),
    }
}

fn pod(request: &Request<'_>) -> Judged {
    let asked = request.asked;
    match (asked.subresource, asked.verb) {
        ("", "get") => request.get(Kind::Pod),
        ("", "list" | "watch") if request.selects("spec.nodeName") => Ok(()),
        ("", "list" | "watch") if !asked.name.is_empty() => request.has(Kind::Pod),
        ("", "list" | "watch") => no("can only list/watch pods with spec.nodeName field selector"),
        // Mirror pods; admission sees to it that they are the node's own.
        ("", "create" | "delete") | ("status", "update" | "patch") | ("eviction", "create") => Ok(()),
        _ => no(""),
    }
}
