//! What is approved is signed, or told why not.

use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pki::{Authority, CertificateRequest};
use schema::object::Obj;
use serde_json::json;

use super::approve::with_condition;
use super::request::{
    CLIENT, KUBELET_CLIENT, KUBELET_SERVING, LEGACY, SigningRequest, any_client, kubelet_client,
    kubelet_serving,
};
use crate::act::Action;
use crate::driver::Failed;
use crate::object::{editable, target};
use crate::resources::SIGNING_REQUESTS;

/// How long a certificate is valid at most: upstream's `--cluster-signing-duration`.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);

/// And at least.
const SHORTEST: Duration = Duration::from_secs(600);

/// The certificate for a request that is approved, or the condition that says what is wrong with it. Nothing for
/// signers that are not ours.
pub(super) fn sign(
    authority: &Authority,
    object: &Obj,
    request: &SigningRequest,
    now: SystemTime,
) -> Result<Option<Action>, Failed> {
    let pem = request.pem()?;
    let asked = CertificateRequest::from_pem(&pem)?;
    let usages = request.usages();
    let judged = match request.spec.signer_name.as_str() {
        KUBELET_CLIENT => kubelet_client(&asked, &usages),
        KUBELET_SERVING => kubelet_serving(&asked, &usages),
        CLIENT => any_client(&request.spec.usages),
        LEGACY => Ok(()),
        _ => return Ok(None),
    };
    let mut changed = editable(&SIGNING_REQUESTS, object)?;
    match judged {
        Ok(()) => {
            let usages: Vec<&str> = usages.into_iter().collect();
            let certificate = authority.certify(&pem, &usages, validity(request), now)?;
            changed["status"]["certificate"] = STANDARD.encode(certificate).into();
        }
        Err(why) => {
            let time = jiff::Timestamp::try_from(now).unwrap_or_default();
            let time = jiff::Timestamp::from_second(time.as_second())
                .unwrap_or_default()
                .to_string();
            let condition = json!({
                "type": "Failed", "status": "True", "reason": "SignerValidationFailure", "message": why,
                "lastUpdateTime": time,
            });
            changed = with_condition(changed, condition);
        }
    }
    Ok(Some(Action::Update {
        target: target(&SIGNING_REQUESTS, &object.meta).below("status"),
        object: changed,
    }))
}

fn validity(request: &SigningRequest) -> Duration {
    let asked = request
        .spec
        .expiration_seconds
        .map(u64::from)
        .map(Duration::from_secs);
    asked.map_or(LONGEST, |asked| asked.clamp(SHORTEST, LONGEST))
}
