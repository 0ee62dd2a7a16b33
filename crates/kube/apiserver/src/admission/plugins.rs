//! The plugins that are compiled in, in upstream's order (`pkg/kubeapiserver/options/plugins.go`): those that are on by
//! default, and `NodeRestriction`, which every distribution turns on. `NamespaceLifecycle` comes before them and asks
//! the store; policies, webhooks and quotas come after them and wait for others.

use schema::cursor::Ref;
use schema::tree::Struct;

use super::{
    Request, certificates, ingress_class, limit_ranger, node_restriction, node_taint, pod_security,
    pod_topology, priority, runtime_class, service_account, storage, tolerations,
};
use crate::Answer;

/// Changes what is written. There is no object in a deletion.
type Mutate = fn(&Request<'_>, Option<&mut Struct>) -> Answer<()>;

/// Judges what would be stored.
type Validate = fn(&Request<'_>, Option<Ref<'_>>) -> Answer<()>;

/// One plugin, under upstream's name.
pub(super) struct Plugin {
    pub(super) mutate: Option<Mutate>,
    pub(super) validate: Option<Validate>,
}

const fn changes(mutate: Mutate) -> Plugin {
    Plugin {
        mutate: Some(mutate),
        validate: None,
    }
}

const fn judges(validate: Validate) -> Plugin {
    Plugin {
        mutate: None,
        validate: Some(validate),
    }
}

const fn both(mutate: Mutate, validate: Validate) -> Plugin {
    Plugin {
        mutate: Some(mutate),
        validate: Some(validate),
    }
}

/// Upstream's names and order.
pub(super) const PLUGINS: &[(&str, Plugin)] = &[
    ("LimitRanger", both(limit_ranger::mutate, limit_ranger::validate)),
    (
        "ServiceAccount",
        both(service_account::mutate, service_account::validate),
    ),
    ("NodeRestriction", changes(node_restriction::judge)),
    ("TaintNodesByCondition", changes(node_taint::mutate)),
    ("PodSecurity", judges(pod_security::validate)),
    ("Priority", both(priority::mutate, priority::validate)),
    ("DefaultTolerationSeconds", changes(tolerations::mutate)),
    ("DefaultStorageClass", changes(storage::set_default_class)),
    ("StorageObjectInUseProtection", changes(storage::protect)),
    ("PersistentVolumeClaimResize", judges(storage::validate_resize)),
    (
        "RuntimeClass",
        both(runtime_class::mutate, runtime_class::validate),
    ),
    ("CertificateApproval", judges(certificates::approval)),
    ("CertificateSigning", judges(certificates::signing)),
    ("ClusterTrustBundleAttest", judges(certificates::attest)),
    ("CertificateSubjectRestriction", judges(certificates::subject)),
    ("DefaultIngressClass", changes(ingress_class::mutate)),
    ("PodTopologyLabels", changes(pod_topology::mutate)),
];
