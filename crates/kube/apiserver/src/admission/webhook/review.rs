//! `AdmissionReview` of `admission.k8s.io`, v1 and v1beta1: what a webhook is asked, and what it may answer.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::super::{Operation, Request};
use super::hooks::ReviewVersion;
use super::matching::{self, Told};
use super::object;
use crate::registry::Propagation;

/// The question, as JSON. `object` and `old` are JSON already.
pub(super) fn question(
    request: &Request<'_>,
    told: &Told,
    version: ReviewVersion,
    uid: &str,
    object: &str,
    old: &str,
) -> String {
    let ask = ask(request, told, uid).to_string();
    let open = ask.strip_suffix('}').unwrap_or(&ask);
    let api_version = version.api_version();
    format!(
        r#"{{"kind":"AdmissionReview","apiVersion":"{api_version}","request":{open},"object":{object},"oldObject":{old}}}}}"#
    )
}

/// All but the objects, which may be large and are text already.
pub(in crate::admission) fn ask(request: &Request<'_>, told: &Told, uid: &str) -> Value {
    let op = request.op;
    let (own, other) = (op.served, object::served(request, told));
    let resource = |served: &crate::Served| json!({"group": served.def.group, "version": served.version().name, "resource": served.def.plural});
    let kind = |[group, version, kind]: [&str; 3]| json!({"group": group, "version": version, "kind": kind});
    let requested = [request.kind.group, request.kind.version, request.kind.kind];
    let mut ask = json!({
        "uid": uid,
        "kind": kind(object::kind(request, told)),
        "resource": resource(other),
        "requestKind": kind(requested),
        "requestResource": resource(own),
        "operation": request.operation.name(),
        "userInfo": user(request),
        "dryRun": op.options.dry_run,
        "options": options(request),
    });
    let texts = [
        ("subResource", op.subresource),
        ("requestSubResource", op.subresource),
        ("name", request.name),
        ("namespace", matching::namespace(request)),
    ];
    for (member, text) in texts.into_iter().filter(|(_, text)| !text.is_empty()) {
        ask[member] = text.into();
    }
    ask
}

fn user(request: &Request<'_>) -> Value {
    let user = &request.op.call.user;
    let mut json = Map::new();
    let texts = [("username", &user.name), ("uid", &user.uid)];
    for (member, text) in texts.into_iter().filter(|(_, text)| !text.is_empty()) {
        json.insert(member.to_owned(), text.as_str().into());
    }
    if !user.groups.is_empty() {
        json.insert("groups".to_owned(), json!(user.groups));
    }
    if !user.extra.is_empty() {
        json.insert("extra".to_owned(), json!(user.extra));
    }
    json.into()
}

/// The options of the operation, whatever the client's request was: a patch that creates has those of a creation.
fn options(request: &Request<'_>) -> Value {
    let kind = match request.operation {
        Operation::Create => "CreateOptions",
        Operation::Update => "UpdateOptions",
        Operation::Delete => "DeleteOptions",
        Operation::Connect => return Value::Null,
    };
    let mut options = json!({"kind": kind, "apiVersion": "meta.k8s.io/v1"});
    if request.op.options.dry_run {
        options["dryRun"] = json!(["All"]);
    }
    if let Some(delete) = request.delete {
        deletion(&mut options, delete);
        return options;
    }
    for member in ["fieldManager", "fieldValidation"] {
        if let Some(value) = request
            .op
            .call
            .query
            .get(member)
            .filter(|value| !value.is_empty())
        {
            options[member] = value.into();
        }
    }
    options
}

fn deletion(options: &mut Value, delete: &crate::registry::DeleteOptions) {
    if let Some(grace) = delete.grace {
        options["gracePeriodSeconds"] = grace.into();
    }
    let conditions = [("uid", &delete.uid), ("resourceVersion", &delete.version)];
    for (member, value) in conditions {
        if let Some(value) = value {
            options["preconditions"][member] = value.as_str().into();
        }
    }
    options["propagationPolicy"] = match delete.propagation {
        Some(Propagation::Orphan) => "Orphan".into(),
        Some(Propagation::Background) => "Background".into(),
        Some(Propagation::Foreground) => "Foreground".into(),
        None => return,
    };
}

/// An answer that may be believed.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Verdict {
    pub(super) allowed: bool,
    /// Why not.
    pub(super) result: Value,
    /// A JSON patch; empty for none.
    pub(super) patch: Vec<u8>,
    pub(super) patch_type: String,
    pub(super) warnings: Vec<String>,
    /// What the audit log is to be told, by key.
    pub(super) annotations: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    #[serde(default)]
    kind: String,
    #[serde(default)]
    api_version: String,
    response: Option<Response>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Response {
    uid: String,
    allowed: bool,
    status: Option<Value>,
    patch: Option<String>,
    patch_type: Option<String>,
    warnings: Option<Vec<String>>,
    audit_annotations: Option<BTreeMap<String, String>>,
}

/// Reads an answer.
///
/// # Errors
/// What is wrong with it, in upstream's words.
pub(super) fn verdict(
    version: ReviewVersion,
    uid: &str,
    mutating: bool,
    answer: &[u8],
) -> Result<Verdict, String> {
    let wire: Wire = serde_json::from_slice(answer).map_err(|error| error.to_string())?;
    let response = wire.response.ok_or("webhook response was absent")?;
    if version == ReviewVersion::V1 {
        check(&response, uid, mutating)?;
        let expected = version.api_version();
        if wire.api_version != expected || wire.kind != "AdmissionReview" {
            let (group, version) = wire
                .api_version
                .split_once('/')
                .unwrap_or(("", &wire.api_version));
            let kind = wire.kind;
            return Err(format!(
                "expected webhook response of {expected}, Kind=AdmissionReview, got {group}/{version}, Kind={kind}"
            ));
        }
    }
    let patch = response.patch.filter(|_| mutating).unwrap_or_default();
    let patch = STANDARD
        .decode(patch)
        .map_err(|error| format!("illegal base64 data: {error}"))?;
    Ok(Verdict {
        allowed: response.allowed,
        result: response.status.unwrap_or_default(),
        // v1beta1 named no type; there has only ever been one.
        patch_type: match version {
            ReviewVersion::V1 => response.patch_type.unwrap_or_default(),
            ReviewVersion::V1Beta1 => "JSONPatch".to_owned(),
        },
        patch,
        warnings: response.warnings.unwrap_or_default(),
        annotations: response.audit_annotations.unwrap_or_default(),
    })
}

fn check(response: &Response, uid: &str, mutating: bool) -> Result<(), String> {
    if response.uid != uid {
        return Err(format!("expected response.uid={uid:?}, got {:?}", response.uid));
    }
    let patched = response.patch.as_ref().is_some_and(|patch| !patch.is_empty());
    let why = match (mutating, patched, response.patch_type.as_deref()) {
        (true, true, None) => "webhook returned response.patch but not response.patchType",
        (true, false, Some(_)) => "webhook returned response.patchType but not response.patch",
        (true, true, Some("")) => "webhook returned invalid response.patchType of \"\"",
        (false, true, _) => "validating webhook may not return response.patch",
        (false, false, Some(_)) => "validating webhook may not return response.patchType",
        _ => return Ok(()),
    };
    Err(why.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(mutating: bool, response: &Value) -> Result<Verdict, String> {
        let review =
            json!({"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "response": response});
        verdict(ReviewVersion::V1, "u", mutating, review.to_string().as_bytes())
    }

    #[test]
    fn answers_that_cannot_be_believed_are_named() {
        let cases = [
            (
                true,
                json!({"uid": "x", "allowed": true}),
                "expected response.uid=\"u\", got \"x\"",
            ),
            (
                true,
                json!({"uid": "u", "patch": "W10="}),
                "webhook returned response.patch but not response.patchType",
            ),
            (
                true,
                json!({"uid": "u", "patchType": "JSONPatch"}),
                "webhook returned response.patchType but not response.patch",
            ),
            (
                false,
                json!({"uid": "u", "patch": "W10="}),
                "validating webhook may not return response.patch",
            ),
            (
                false,
                json!({"uid": "u", "patchType": "JSONPatch"}),
                "validating webhook may not return response.patchType",
            ),
        ];
        for (mutating, response, why) in cases {
            assert_eq!(answered(mutating, &response), Err(why.to_owned()), "{response}");
        }
        let bare = json!({"response": {"uid": "u", "allowed": true}}).to_string();
        assert_eq!(
            verdict(ReviewVersion::V1, "u", false, bare.as_bytes()).unwrap_err(),
            "expected webhook response of admission.k8s.io/v1, Kind=AdmissionReview, got /, Kind="
        );
        assert!(
            verdict(ReviewVersion::V1Beta1, "u", false, bare.as_bytes())
                .unwrap()
                .allowed
        );
        assert_eq!(
            verdict(ReviewVersion::V1, "u", false, b"{}").unwrap_err(),
            "webhook response was absent"
        );
    }

    #[test]
    fn a_patch_comes_with_its_type() {
        let response = json!({"uid": "u", "allowed": true, "patch": "W10=", "patchType": "JSONPatch", "warnings": ["w"]});
        let verdict = answered(true, &response).unwrap();
        assert_eq!(
            (verdict.patch.as_slice(), verdict.patch_type.as_str()),
            (&b"[]"[..], "JSONPatch")
        );
        assert_eq!(verdict.warnings, ["w"]);
    }
}
