//! What an APIService says.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use openapi::GroupPriority;
use schema::object::Obj;
use serde::Deserialize;

use crate::outbound::Trust;
use crate::outbound::service::Reference;

/// A version that another server serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Remote {
    /// `v1beta1.metrics.k8s.io`
    pub(super) name: String,
    /// `metrics.k8s.io`
    pub(super) group: String,
    /// `v1beta1`
    pub(super) version: String,
    /// The Service it stands behind.
    pub(super) to: Reference,
    /// Whose certificates it may have.
    pub(super) trust: Trust,
    /// Whether it was there when it was last asked: the condition `Available`.
    pub(super) available: bool,
    /// Its place among others.
    pub(super) priority: GroupPriority,
}

impl Remote {
    /// Of an APIService; nothing of one that this server itself serves, or that cannot be read.
    pub(super) fn of(object: &Obj) -> Option<Arc<Self>> {
        let wire: Wire = serde_json::from_slice(object.body()).ok()?;
        let service = wire.spec.service?;
        let available = |condition: &Condition| condition.r#type == "Available" && condition.status == "True";
        Some(Arc::new(Self {
            name: object.meta.name.to_string(),
            group: wire.spec.group,
            version: wire.spec.version,
            to: Reference {
                namespace: service.namespace,
                name: service.name,
                port: service.port.unwrap_or(443),
            },
            trust: trust(wire.spec.insecure_skip_tls_verify, &wire.spec.ca_bundle),
            available: wire.status.conditions.iter().any(available),
            priority: GroupPriority {
                group: wire.spec.group_priority_minimum,
                version: wire.spec.version_priority,
            },
        }))
    }

    /// `/apis/metrics.k8s.io/v1beta1`
    pub(super) fn root(&self) -> String {
        format!("/apis/{}/{}", self.group, self.version)
    }

    /// `metrics.k8s.io/v1beta1`
    pub(super) fn api_version(&self) -> String {
        format!("{}/{}", self.group, self.version)
    }
}

fn trust(anyone: bool, bundle: &str) -> Trust {
    let pem = STANDARD.decode(bundle).unwrap_or_default();
    match (anyone, pem.is_empty()) {
        (true, _) => Trust::Anyone,
        (false, true) => Trust::Host,
        (false, false) => Trust::Authorities(pem.into()),
    }
}

#[derive(Deserialize)]
struct Wire {
    spec: Spec,
    #[serde(default)]
    status: Status,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[derive(Default)]
struct Spec {
    group: String,
    version: String,
    service: Option<Service>,
    #[serde(rename = "insecureSkipTLSVerify")]
    insecure_skip_tls_verify: bool,
    ca_bundle: String,
    group_priority_minimum: i32,
    version_priority: i32,
}

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Service {
    namespace: String,
    name: String,
    port: Option<u16>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Status {
    conditions: Vec<Condition>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Condition {
    r#type: String,
    status: String,
}
