//! The resources that a kubelet knows by name.

use client::Resource;

pub(crate) static PODS: Resource = Resource::new("", "v1", "pods", "Pod", true);
pub(crate) static NODES: Resource = Resource::new("", "v1", "nodes", "Node", false);
pub(crate) static SERVICES: Resource = Resource::new("", "v1", "services", "Service", true);
pub(crate) static CONFIG_MAPS: Resource = Resource::new("", "v1", "configmaps", "ConfigMap", true);
pub(crate) static SECRETS: Resource = Resource::new("", "v1", "secrets", "Secret", true);
pub(crate) static RUNTIME_CLASSES: Resource =
    Resource::new("node.k8s.io", "v1", "runtimeclasses", "RuntimeClass", false);
pub(crate) static SERVICE_ACCOUNTS: Resource =
    Resource::new("", "v1", "serviceaccounts", "ServiceAccount", true);
