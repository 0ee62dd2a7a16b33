//! A CertificateSigningRequest as its controllers see it, and upstream's rules for kubelets' requests
//! (`pkg/apis/certificates/helpers.go`).

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pki::CertificateRequest;
use schema::object::Obj;
use serde::Deserialize;

use crate::driver::Failed;
use crate::object::read;

pub(super) const KUBELET_CLIENT: &str = "kubernetes.io/kube-apiserver-client-kubelet";
pub(super) const KUBELET_SERVING: &str = "kubernetes.io/kubelet-serving";
pub(super) const CLIENT: &str = "kubernetes.io/kube-apiserver-client";
pub(super) const LEGACY: &str = "kubernetes.io/legacy-unknown";

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct SigningRequest {
    pub(super) spec: Spec,
    pub(super) status: Status,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Spec {
    /// PEM in base64.
    request: String,
    pub(super) signer_name: String,
    pub(super) usages: Vec<String>,
    pub(super) expiration_seconds: Option<u32>,
    pub(super) username: String,
    pub(super) uid: String,
    pub(super) groups: Vec<String>,
    pub(super) extra: BTreeMap<String, Vec<String>>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Status {
    pub(super) certificate: String,
    pub(super) conditions: Vec<Condition>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Condition {
    #[serde(rename = "type")]
    kind: String,
    status: String,
    last_update_time: String,
}

impl Condition {
    /// When it was last set, if it says.
    pub(super) fn updated(&self) -> Option<jiff::Timestamp> {
        self.last_update_time.parse().ok()
    }
}

impl SigningRequest {
    pub(super) fn read(object: &Obj) -> Result<Self, Failed> {
        read(object)
    }

    /// The request's PEM.
    pub(super) fn pem(&self) -> Result<Vec<u8>, Failed> {
        STANDARD
            .decode(&self.spec.request)
            .map_err(|error| Failed::Unread(error.to_string()))
    }

    /// A condition that is there. Approval and denial are true whatever their status says, as upstream reads them.
    pub(super) fn condition(&self, kind: &str) -> Option<&Condition> {
        self.status.conditions.iter().find(|each| each.kind == kind)
    }

    pub(super) fn is_undecided(&self) -> bool {
        let decided = ["Approved", "Denied"]
            .iter()
            .any(|kind| self.condition(kind).is_some());
        self.status.certificate.is_empty() && !decided
    }

    pub(super) fn is_to_be_signed(&self) -> bool {
        let failed = self
            .condition("Failed")
            .is_some_and(|failed| failed.status == "True");
        let approved = self.condition("Approved").is_some() && self.condition("Denied").is_none();
        self.status.certificate.is_empty() && approved && !failed
    }

    pub(super) fn usages(&self) -> BTreeSet<&str> {
        self.spec.usages.iter().map(String::as_str).collect()
    }
}

/// What is wrong with a kubelet's request for a client certificate.
pub(super) fn kubelet_client(request: &CertificateRequest, usages: &BTreeSet<&str>) -> Result<(), String> {
    let wrong = |text: &str| Err(text.to_owned());
    if request.organizations != ["system:nodes"] {
        return wrong("subject organization is not system:nodes");
    }
    if request.dns_names().next().is_some() {
        return wrong("DNS subjectAltNames are not allowed");
    }
    if !request.emails.is_empty() {
        return wrong("Email subjectAltNames are not allowed");
    }
    if request.addresses().next().is_some() {
        return wrong("IP subjectAltNames are not allowed");
    }
    if !request.uris.is_empty() {
        return wrong("URI subjectAltNames are not allowed");
    }
    if !request.common_name.starts_with("system:node:") {
        return wrong("subject common name does not begin with system:node:");
    }
    for_purpose(usages, "client auth")
}

/// What is wrong with a kubelet's request for a serving certificate.
pub(super) fn kubelet_serving(request: &CertificateRequest, usages: &BTreeSet<&str>) -> Result<(), String> {
    let wrong = |text: &str| Err(text.to_owned());
    if request.organizations != ["system:nodes"] {
        return wrong("subject organization is not system:nodes");
    }
    if request.names.is_empty() {
        return wrong("DNS or IP subjectAltName is required");
    }
    if !request.emails.is_empty() {
        return wrong("Email subjectAltNames are not allowed");
    }
    if !request.uris.is_empty() {
        return wrong("URI subjectAltNames are not allowed");
    }
    for_purpose(usages, "server auth")?;
    if !request.common_name.starts_with("system:node:") {
        return wrong("subject common name does not begin with system:node:");
    }
    Ok(())
}

/// A purpose, digital signatures, and key encipherment or not.
fn for_purpose(usages: &BTreeSet<&str>, purpose: &str) -> Result<(), String> {
    let needed = BTreeSet::from([purpose, "digital signature"]);
    let mut with_encipherment = needed.clone();
    with_encipherment.insert("key encipherment");
    if *usages == needed || *usages == with_encipherment {
        return Ok(());
    }
    let mut names: Vec<&str> = with_encipherment.into_iter().collect();
    names.sort_unstable();
    Err(format!("usages did not match [{}]", names.join(" ")))
}

/// What is wrong with the usages of a client certificate.
pub(super) fn any_client(usages: &[String]) -> Result<(), String> {
    let odd = usages
        .iter()
        .find(|usage| !["digital signature", "key encipherment", "client auth"].contains(&usage.as_str()));
    match odd {
        Some(usage) => Err(format!("invalid usage for client certificate: {usage}")),
        None if usages.iter().any(|usage| usage == "client auth") => Ok(()),
        None => Err("missing required usage for client certificate: client auth".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> CertificateRequest {
        CertificateRequest {
            common_name: "system:node:n1".to_owned(),
            organizations: vec!["system:nodes".to_owned()],
            names: Vec::new(),
            emails: Vec::new(),
            uris: Vec::new(),
        }
    }

    #[test]
    fn a_kubelet_asks_for_itself_and_for_its_purpose() {
        let client = BTreeSet::from(["digital signature", "client auth"]);
        assert_eq!(kubelet_client(&request(), &client), Ok(()));
        let named = CertificateRequest {
            names: vec![pki::SubjectName::Dns("n1".to_owned())],
            ..request()
        };
        assert_eq!(
            kubelet_client(&named, &client).unwrap_err(),
            "DNS subjectAltNames are not allowed"
        );
        assert_eq!(
            kubelet_serving(&named, &client).unwrap_err(),
            "usages did not match [digital signature key encipherment server auth]"
        );
        let serving = BTreeSet::from(["digital signature", "key encipherment", "server auth"]);
        assert_eq!(kubelet_serving(&named, &serving), Ok(()));
        assert_eq!(
            kubelet_serving(&request(), &serving).unwrap_err(),
            "DNS or IP subjectAltName is required"
        );
        let other = CertificateRequest {
            common_name: "someone".to_owned(),
            ..request()
        };
        assert_eq!(
            kubelet_client(&other, &client).unwrap_err(),
            "subject common name does not begin with system:node:"
        );
    }

    #[test]
    fn a_client_asks_for_nothing_but_a_clients_usages() {
        let usages = |all: &[&str]| all.iter().map(|usage| (*usage).to_owned()).collect::<Vec<_>>();
        assert_eq!(any_client(&usages(&["client auth", "digital signature"])), Ok(()));
        let cases = [
            (
                &["digital signature"][..],
                "missing required usage for client certificate: client auth",
            ),
            (
                &["client auth", "cert sign"],
                "invalid usage for client certificate: cert sign",
            ),
        ];
        for (all, text) in cases {
            assert_eq!(any_client(&usages(all)).unwrap_err(), text);
        }
    }
}
