//! The resources that controllers know by name.

use client::Resource;

pub(crate) static NAMESPACES: Resource = Resource::new("", "v1", "namespaces", "Namespace", false);
pub(crate) static PODS: Resource = Resource::new("", "v1", "pods", "Pod", true);
pub(crate) static NODES: Resource = Resource::new("", "v1", "nodes", "Node", false);
pub(crate) static LEASES: Resource = Resource::new("coordination.k8s.io", "v1", "leases", "Lease", true);
pub(crate) static CONFIG_MAPS: Resource = Resource::new("", "v1", "configmaps", "ConfigMap", true);
pub(crate) static SECRETS: Resource = Resource::new("", "v1", "secrets", "Secret", true);
pub(crate) static SERVICE_ACCOUNTS: Resource =
    Resource::new("", "v1", "serviceaccounts", "ServiceAccount", true);
pub(crate) static QUOTAS: Resource = Resource::new("", "v1", "resourcequotas", "ResourceQuota", true);
pub(crate) static DEPLOYMENTS: Resource = Resource::new("apps", "v1", "deployments", "Deployment", true);
pub(crate) static REPLICA_SETS: Resource = Resource::new("apps", "v1", "replicasets", "ReplicaSet", true);
pub(crate) static JOBS: Resource = Resource::new("batch", "v1", "jobs", "Job", true);
pub(crate) static VOLUMES: Resource = Resource::new("", "v1", "persistentvolumes", "PersistentVolume", false);
pub(crate) static CLAIMS: Resource =
    Resource::new("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim", true);
pub(crate) static ATTRIBUTES_CLASSES: Resource = Resource::new(
    "storage.k8s.io",
    "v1",
    "volumeattributesclasses",
    "VolumeAttributesClass",
    false,
);
pub(crate) static SERVICES: Resource = Resource::new("", "v1", "services", "Service", true);
pub(crate) static ENDPOINTS: Resource = Resource::new("", "v1", "endpoints", "Endpoints", true);
pub(crate) static ENDPOINT_SLICES: Resource =
    Resource::new("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice", true);
pub(crate) static CLUSTER_ROLES: Resource = Resource::new(
    "rbac.authorization.k8s.io",
    "v1",
    "clusterroles",
    "ClusterRole",
    false,
);
pub(crate) static SIGNING_REQUESTS: Resource = Resource::new(
    "certificates.k8s.io",
    "v1",
    "certificatesigningrequests",
    "CertificateSigningRequest",
    false,
);
pub(crate) static DEFINITIONS: Resource = Resource::new(
    "apiextensions.k8s.io",
    "v1",
    "customresourcedefinitions",
    "CustomResourceDefinition",
    false,
);
pub(crate) static VALIDATING_POLICIES: Resource = Resource::new(
    "admissionregistration.k8s.io",
    "v1",
    "validatingadmissionpolicies",
    "ValidatingAdmissionPolicy",
    false,
);
pub(crate) static ACCESS_REVIEWS: Resource = Resource::new(
    "authorization.k8s.io",
    "v1",
    "subjectaccessreviews",
    "SubjectAccessReview",
    false,
);

#[cfg(test)]
mod tests {
    use super::*;
    use apiserver::Resources;

    #[test]
    fn every_name_is_served() {
        let table = Resources::builtin();
        let all = [
            &NAMESPACES,
            &PODS,
            &NODES,
            &LEASES,
            &CONFIG_MAPS,
            &SECRETS,
            &SERVICE_ACCOUNTS,
            &QUOTAS,
            &DEPLOYMENTS,
            &REPLICA_SETS,
            &JOBS,
            &VOLUMES,
            &CLAIMS,
            &ATTRIBUTES_CLASSES,
            &SERVICES,
            &ENDPOINTS,
            &NODES,
            &ENDPOINT_SLICES,
            &CLUSTER_ROLES,
            &SIGNING_REQUESTS,
            &DEFINITIONS,
            &VALIDATING_POLICIES,
            &ACCESS_REVIEWS,
        ];
        for resource in all {
            let served = table.lookup(&resource.group, &resource.version, &resource.plural);
            let served = served.unwrap_or_else(|| panic!("{resource:?}"));
            assert_eq!(*resource, Resource::of(&served.def, &resource.version));
        }
    }
}
