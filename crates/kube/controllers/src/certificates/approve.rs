//! Kubelets that may have a client certificate get it without anybody being asked.

use pki::CertificateRequest;
use schema::object::Obj;
use serde_json::{Value, json};

use super::request::{KUBELET_CLIENT, SigningRequest, kubelet_client};
use crate::act::Action;
use crate::driver::{Cx, Failed};
use crate::object::{editable, target};
use crate::resources::{ACCESS_REVIEWS, SIGNING_REQUESTS};

/// A right, and what is said when it is found.
const FOR_ITSELF: (&str, &str) = (
    "selfnodeclient",
    "Auto approving self kubelet client certificate after SubjectAccessReview.",
);
const FOR_A_NODE: (&str, &str) = (
    "nodeclient",
    "Auto approving kubelet client certificate after SubjectAccessReview.",
);

/// Approves the request if it is a kubelet's and its asker has a right to it.
pub(super) async fn approve(cx: &Cx, object: &Obj, request: &SigningRequest) -> Result<(), Failed> {
    if request.spec.signer_name != KUBELET_CLIENT {
        return Ok(());
    }
    let asked = CertificateRequest::from_pem(&request.pem()?)?;
    if kubelet_client(&asked, &request.usages()).is_err() {
        return Ok(());
    }
    let own = (request.spec.username == asked.common_name).then_some(FOR_ITSELF);
    for (right, message) in own.into_iter().chain([FOR_A_NODE]) {
        if may(cx, request, right).await? {
            return cx.perform([approval(object, message)?]).await;
        }
    }
    Ok(())
}

async fn may(cx: &Cx, request: &SigningRequest, right: &str) -> Result<bool, Failed> {
    let spec = &request.spec;
    let review = json!({
        "apiVersion": ACCESS_REVIEWS.api_version(), "kind": "SubjectAccessReview",
        "spec": {
            "user": spec.username, "uid": spec.uid, "groups": spec.groups, "extra": spec.extra,
            "resourceAttributes": {
                "group": SIGNING_REQUESTS.group, "resource": SIGNING_REQUESTS.plural,
                "verb": "create", "subresource": right,
            },
        },
    });
    let place = ACCESS_REVIEWS.everywhere();
    let options = client::WriteOptions::default();
    let answer = cx.client.create(place, review.to_string(), &options).await?;
    Ok(answer.text(&["status", "allowed"]) == "true")
}

fn approval(object: &Obj, message: &str) -> Result<Action, Failed> {
    let condition = json!({
        "type": "Approved", "status": "True", "reason": "AutoApproved", "message": message,
    });
    Ok(Action::Update {
        object: with_condition(editable(&SIGNING_REQUESTS, object)?, condition),
        target: target(&SIGNING_REQUESTS, &object.meta).below("approval"),
    })
}

/// The request with one more condition.
pub(super) fn with_condition(mut request: Value, condition: Value) -> Value {
    match request.pointer_mut("/status/conditions") {
        Some(Value::Array(conditions)) => conditions.push(condition),
        _ => request["status"]["conditions"] = json!([condition]),
    }
    request
}
