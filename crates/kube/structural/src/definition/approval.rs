//! Groups of the Kubernetes community need their approval (`apihelpers/helpers.go`).

use kinds::Place;
use schema::cursor::Ref;
use schema::field::{Error, Errors, Path};
use schema::json::go_quote;

const ANNOTATION: &str = "api-approved.kubernetes.io";
const REFERENCE: &str = "see https://github.com/kubernetes/enhancements/pull/1111";

/// What the annotation says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Approval {
    /// Neither a URL nor a refusal.
    Invalid,
    /// The URL of the approval.
    Approved,
    /// `unapproved…`: known, and done all the same.
    Bypassed,
    /// Nothing.
    Missing,
}

/// Whether a group is one of the community's.
pub fn is_protected(group: &str) -> bool {
    ["k8s.io", "kubernetes.io"].iter().any(|domain| {
        group
            .strip_suffix(domain)
            .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    })
}

/// What a definition's annotation says, and that in words.
pub fn approval(definition: Ref<'_>) -> (Approval, String) {
    let text = definition.path("metadata.annotations").at(ANNOTATION).str();
    let host = text
        .split_once("://")
        .map(|(scheme, rest)| !scheme.is_empty() && !rest.is_empty() && !rest.starts_with('/'));
    let annotation = go_quote(ANNOTATION);
    if text.is_empty() {
        let why = format!("protected groups must have approval annotation {annotation}, {REFERENCE}");
        (Approval::Missing, why)
    } else if text.starts_with("unapproved") {
        (Approval::Bypassed, format!("not approved: {}", go_quote(text)))
    } else if host == Some(true) {
        (Approval::Approved, format!("approved in {text}"))
    } else {
        let why = format!(
            "protected groups must have approval annotation {annotation} with either a URL or a reason starting with \
             \"unapproved\", {REFERENCE}"
        );
        (Approval::Invalid, why)
    }
}

/// A state that has not changed is never an error.
pub(super) fn validate(root: &Place<'_, '_>, old: Option<Ref<'_>>, errors: &mut Errors) {
    if !is_protected(root.value().path("spec.group").str()) {
        return;
    }
    let (state, why) = approval(root.value());
    if old.is_some_and(|old| approval(old).0 == state) {
        return;
    }
    let path = Path::new("metadata").child("annotations").key(ANNOTATION);
    match state {
        Approval::Missing => errors.push(Error::required(&path, why)),
        Approval::Invalid => {
            let text = root.value().path("metadata.annotations").at(ANNOTATION).str();
            errors.push(Error::invalid(&path, text, why));
        }
        Approval::Approved | Approval::Bypassed => {}
    }
}
