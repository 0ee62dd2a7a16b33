//! `SubjectAccessReview` in its three forms: may they.

use auth::{Attributes, UserInfo};
use schema::cursor::Ref;
use schema::field::{BadValue, Error, Errors, Path};
use schema::status::Status;
use serde_json::{Value, json};

use super::bare_metadata;
use crate::Answer;
use crate::server::State;

/// Judges a question about oneself.
pub(super) fn validate_self(asked: Ref<'_>) -> Errors {
    let mut errors = Errors::new();
    attributes(asked.at("spec"), &mut errors);
    bare_metadata(asked, false, &mut errors);
    errors
}

/// Judges a question about anybody.
pub(super) fn validate(asked: Ref<'_>) -> Errors {
    let mut errors = Errors::new();
    spec(asked, &mut errors);
    bare_metadata(asked, false, &mut errors);
    errors
}

/// Judges a question about anybody in a namespace.
///
/// # Errors
/// 400 for another namespace than the path's.
pub(super) fn validate_local(asked: Ref<'_>, namespace: &str) -> Answer<Errors> {
    let told = asked.path("metadata.namespace").str();
    if told != namespace {
        let why = format!("namespace does not match: {told:?} vs {namespace:?}");
        return Err(Status::bad_request(why).into());
    }
    let mut errors = Errors::new();
    spec(asked, &mut errors);
    bare_metadata(asked, true, &mut errors);
    let (path, spec) = (Path::new("spec"), asked.at("spec"));
    let (resource, other) = (spec.at("resourceAttributes"), spec.at("nonResourceAttributes"));
    if resource.exists() && resource.at("namespace").str() != told {
        let path = path.child("resourceAttributes").child("namespace");
        errors.push(Error::invalid(
            &path,
            resource.at("namespace").str(),
            "must match metadata.namespace",
        ));
    }
    if other.exists() {
        let path = path.child("nonResourceAttributes");
        errors.push(Error::invalid(
            &path,
            shown(other),
            "disallowed on this kind of request",
        ));
    }
    Ok(errors)
}

fn spec(asked: Ref<'_>, errors: &mut Errors) {
    let spec = asked.at("spec");
    attributes(spec, errors);
    if spec.at("user").is_empty() && spec.at("groups").is_empty() {
        let why = "at least one of user or group must be specified";
        errors.push(Error::invalid(
            &Path::new("spec").child("user"),
            spec.at("user").str(),
            why,
        ));
    }
}

fn attributes(spec: Ref<'_>, errors: &mut Errors) {
    let path = Path::new("spec");
    let (resource, other) = (spec.at("resourceAttributes"), spec.at("nonResourceAttributes"));
    match (resource.exists(), other.exists()) {
        (true, true) => {
            let why = "cannot be specified in combination with resourceAttributes";
            errors.push(Error::invalid(
                &path.child("nonResourceAttributes"),
                shown(other),
                why,
            ));
        }
        (false, false) => {
            let why = "exactly one of nonResourceAttributes or resourceAttributes must be specified";
            errors.push(Error::invalid(&path.child("resourceAttributes"), "null", why));
        }
        _ => {}
    }
    for name in ["fieldSelector", "labelSelector"] {
        selector(
            resource.at(name),
            &path.child("resourceAttributes").child(name),
            errors,
        );
    }
}

fn selector(selector: Ref<'_>, path: &Path, errors: &mut Errors) {
    if !selector.exists() {
        return;
    }
    let (raw, requirements) = (selector.at("rawSelector"), selector.at("requirements"));
    match (raw.is_empty(), requirements.is_empty()) {
        (false, false) => {
            let why = "may not specified at the same time as requirements";
            errors.push(Error::invalid(&path.child("rawSelector"), raw.str(), why));
        }
        (true, true) => {
            let why = format!("when {path} is specified, requirements or rawSelector is required");
            errors.push(Error::required(&path.child("requirements"), why));
        }
        _ => {}
    }
}

/// Upstream prints its own type, whose members have capitals.
fn shown(attributes: Ref<'_>) -> BadValue {
    let (path, verb) = (attributes.at("path").str(), attributes.at("verb").str());
    BadValue::json(&json!({"Path": path, "Verb": verb}).to_string())
}

/// Of whom a review speaks.
pub(super) fn subject(spec: Ref<'_>) -> UserInfo {
    UserInfo {
        name: spec.at("user").str().to_owned(),
        uid: spec.at("uid").str().to_owned(),
        groups: spec.at("groups").strings().map(str::to_owned).collect(),
        extra: spec
            .at("extra")
            .entries()
            .map(|(key, values)| (key.to_owned(), values.strings().map(str::to_owned).collect()))
            .collect(),
    }
}

/// The status of a review.
pub(super) fn decide(state: &State, user: &UserInfo, spec: Ref<'_>) -> Value {
    let (resource, path) = (spec.at("resourceAttributes"), spec.at("nonResourceAttributes"));
    let selector = field_selector(resource.at("fieldSelector"));
    let asked = if path.exists() {
        Attributes::of_path(user, path.at("verb").str(), path.at("path").str())
    } else {
        let text = |member| resource.at(member).str();
        Attributes {
            version: text("version"),
            subresource: text("subresource"),
            namespace: text("namespace"),
            name: text("name"),
            field_selector: &selector,
            ..Attributes::of(user, text("verb"), text("group"), text("resource"))
        }
    };
    let decision = state.authz.decide(state, &asked);
    let mut status = json!({"allowed": decision.allowed()});
    if !decision.reason().is_empty() {
        status["reason"] = decision.reason().into();
    }
    status
}

/// The selector as a request would have it. Of requirements, only those count that name one value.
fn field_selector(selector: Ref<'_>) -> String {
    let one = |requirement: Ref<'_>| {
        let mut values = requirement.at("values").strings();
        let value = values.next().filter(|_| values.next().is_none())?;
        let exact = requirement.at("operator").str() == "In";
        exact.then(|| format!("{}={value}", requirement.at("key").str()))
    };
    match selector.at("rawSelector").str() {
        "" => {
            let terms: Vec<String> = selector.at("requirements").items().filter_map(one).collect();
            terms.join(",")
        }
        raw => raw.to_owned(),
    }
}
