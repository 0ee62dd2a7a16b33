//! Who may approve, sign and vouch: `CertificateApproval`, `CertificateSigning`, `ClusterTrustBundleAttest`, and what
//! nobody may ask for (`CertificateSubjectRestriction`).

use auth::Attributes;
use pki::CertificateRequest;
use schema::cursor::Ref;

use super::{Operation, Request};
use crate::Answer;

const GROUP: &str = "certificates.k8s.io";
const REQUESTS: &str = "certificatesigningrequests";
const CLIENT_SIGNER: &str = "kubernetes.io/kube-apiserver-client";
const MASTERS: &str = "system:masters";

/// Approval is a right per signer.
///
/// # Errors
/// 403
pub(super) fn approval(request: &Request<'_>, csr: Option<Ref<'_>>) -> Answer<()> {
    let (Some(csr), true) = (csr, updates(request, "approval")) else {
        return Ok(());
    };
    let signer = csr.path("spec.signerName").str();
    require(request, csr, "approve", signer, || {
        format!("user not permitted to approve requests with signerName {signer:?}")
    })
}

/// So is signing, which is whatever changes the certificate or the conditions.
///
/// # Errors
/// 403
pub(super) fn signing(request: &Request<'_>, csr: Option<Ref<'_>>) -> Answer<()> {
    let (Some(csr), Some(old), true) = (csr, request.old, updates(request, "status")) else {
        return Ok(());
    };
    let same = |path: &str| csr.path(path) == old.path(path);
    if same("status.certificate") && same("status.conditions") {
        return Ok(());
    }
    let signer = old.path("spec.signerName").str();
    require(request, csr, "sign", signer, || {
        format!("user not permitted to sign requests with signerName {signer:?}")
    })
}

fn updates(request: &Request<'_>, path: &str) -> bool {
    request.is_of(GROUP, REQUESTS) && request.op.subresource == path && request.operation == Operation::Update
}

/// Trust that is meant for one signer's certificates is given by who may vouch for it.
///
/// # Errors
/// 403
pub(super) fn attest(request: &Request<'_>, bundle: Option<Ref<'_>>) -> Answer<()> {
    let Some(bundle) = bundle.filter(|_| request.is(GROUP, "clustertrustbundles")) else {
        return Ok(());
    };
    let signer = bundle.path("spec.signerName").str();
    if signer.is_empty() {
        return Ok(());
    }
    require(request, bundle, "attest", signer, || {
        format!("user not permitted to attest for signerName {signer:?}")
    })
}

/// Refuses who has no right to a signer, by its name or by all names of its domain (`example.com/*`).
fn require(
    request: &Request<'_>,
    object: Ref<'_>,
    verb: &str,
    signer: &str,
    why: impl Fn() -> String,
) -> Answer<()> {
    let domain = signer.split('/').next().unwrap_or_default();
    let state = request.op.state;
    let allowed = [signer, &format!("{domain}/*")].iter().any(|name| {
        let asked = Attributes {
            version: "*",
            name,
            ..Attributes::of(&request.op.call.user, verb, GROUP, "signers")
        };
        state.authz.decide(state, &asked).allowed()
    });
    if allowed {
        Ok(())
    } else {
        Err(request.forbidden(Some(object), &why()))
    }
}

/// Nobody becomes an administrator by a certificate request.
///
/// # Errors
/// 403
pub(super) fn subject(request: &Request<'_>, csr: Option<Ref<'_>>) -> Answer<()> {
    let creates = request.is(GROUP, REQUESTS) && request.operation == Operation::Create;
    let Some(csr) = csr.filter(|csr| creates && csr.path("spec.signerName").str() == CLIENT_SIGNER) else {
        return Ok(());
    };
    let pem = match csr.path("spec.request").value() {
        Some(schema::tree::Value::Bytes(pem)) => &**pem,
        _ => &[],
    };
    let asked = CertificateRequest::from_pem(pem);
    let asked =
        asked.map_err(|error| request.forbidden(Some(csr), &format!("unable to parse csr: {error}")))?;
    if asked.organizations.iter().any(|name| name == MASTERS) {
        let why = format!("use of {CLIENT_SIGNER} signer with {MASTERS} group is not allowed");
        return Err(request.forbidden(Some(csr), &why));
    }
    Ok(())
}
