//! `Status`: how the Kubernetes API says that something did or did not work, with upstream's reasons, codes
//! and texts (apimachinery `api/errors`).

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::field::{self, Errors};
use crate::json::go_quote;

/// The group and the plural (or, for [`Status::invalid`], the kind) that a status speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupName<'a> {
    /// The API group; empty for the core group.
    pub group: &'a str,
    /// `deployments`, or `Deployment`
    pub name: &'a str,
}

impl fmt::Display for GroupName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.group {
            "" => f.write_str(self.name),
            group => write!(f, "{}.{group}", self.name),
        }
    }
}

/// One thing that went wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cause {
    /// A word for programs: `FieldValueInvalid`
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// A sentence for people
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// The field's path
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub field: String,
}

/// What a status speaks of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Details {
    /// The object's name
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Its group
    #[serde(skip_serializing_if = "String::is_empty")]
    pub group: String,
    /// Its resource, or its kind
    #[serde(skip_serializing_if = "String::is_empty")]
    pub kind: String,
    /// Its uid
    #[serde(skip_serializing_if = "String::is_empty")]
    pub uid: String,
    /// All that is wrong
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub causes: Vec<Cause>,
    /// When to try again
    #[serde(skip_serializing_if = "is_zero")]
    pub retry_after_seconds: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks with a reference")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// `meta/v1 Status`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    kind: String,
    #[serde(rename = "apiVersion")]
    api_version: String,
    metadata: ListMeta,
    /// `Success` or `Failure`
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub status: String,
    /// A sentence for people
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// A word for programs
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// What it speaks of
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<Box<Details>>,
    /// The HTTP status; 0 where upstream leaves it out
    #[serde(default, skip_serializing_if = "is_no_code")]
    pub code: u16,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct ListMeta {
    #[serde(rename = "continue", default, skip_serializing_if = "String::is_empty")]
    continues: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks with a reference")]
fn is_no_code(code: &u16) -> bool {
    *code == 0
}

impl std::error::Error for Status {}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Status {
    /// A failure without details.
    pub fn failure(code: u16, reason: &str, message: impl Into<String>) -> Self {
        Self {
            kind: "Status".to_owned(),
            api_version: "v1".to_owned(),
            metadata: ListMeta::default(),
            status: "Failure".to_owned(),
            message: message.into(),
            reason: reason.to_owned(),
            details: None,
            code,
        }
    }

    /// What a finished deletion and the like answer.
    pub fn success(details: Option<Details>) -> Self {
        Self {
            status: "Success".to_owned(),
            code: 0,
            details: details.map(Box::new),
            ..Self::failure(0, "", "")
        }
    }

    /// The same status with details.
    #[must_use]
    pub fn with(self, details: Details) -> Self {
        Self {
            details: Some(Box::new(details)),
            ..self
        }
    }

    /// The same status with a token that a list may go on with.
    #[must_use]
    pub fn continuing(mut self, token: String) -> Self {
        self.metadata.continues = token;
        self
    }

    fn about(self, resource: GroupName<'_>, name: &str) -> Self {
        self.with(Details {
            name: name.to_owned(),
            group: resource.group.to_owned(),
            kind: resource.name.to_owned(),
            ..Details::default()
        })
    }

    fn retry_after(mut self, seconds: u32) -> Self {
        self.details.get_or_insert_default().retry_after_seconds = seconds;
        self
    }

    /// 404 `pods "a" not found`
    pub fn not_found(resource: GroupName<'_>, name: &str) -> Self {
        let message = format!("{resource} {} not found", go_quote(name));
        Self::failure(404, "NotFound", message).about(resource, name)
    }

    /// 404 for a path that is no resource.
    pub fn no_such_resource() -> Self {
        let message = "the server could not find the requested resource";
        Self::failure(404, "NotFound", message).with(Details::default())
    }

    /// 409 `pods "a" already exists`
    pub fn already_exists(resource: GroupName<'_>, name: &str) -> Self {
        let message = format!("{resource} {} already exists", go_quote(name));
        Self::failure(409, "AlreadyExists", message).about(resource, name)
    }

    /// 409 where no free name could be generated.
    pub fn generated_name_exists(resource: GroupName<'_>, name: &str) -> Self {
        let message = format!(
            "{resource} {} already exists, the server was not able to generate a unique name for the object",
            go_quote(name)
        );
        Self::failure(409, "AlreadyExists", message)
            .about(resource, name)
            .retry_after(1)
    }

    /// 409 `Operation cannot be fulfilled on pods "a": why`
    pub fn conflict(resource: GroupName<'_>, name: &str, why: &str) -> Self {
        let message = format!(
            "Operation cannot be fulfilled on {resource} {}: {why}",
            go_quote(name)
        );
        Self::failure(409, "Conflict", message).about(resource, name)
    }

    /// 409 of an apply whose fields others own.
    pub fn apply_conflict(message: impl Into<String>, causes: Vec<Cause>) -> Self {
        Self::failure(409, "Conflict", message).with(Details {
            causes,
            ..Details::default()
        })
    }

    /// 422 `Pod "a" is invalid: spec.containers: Required value`
    pub fn invalid(kind: GroupName<'_>, name: &str, errors: &Errors) -> Self {
        let mut message = format!("{kind} {} is invalid", go_quote(name));
        if !errors.is_empty() {
            message = format!("{message}: {}", field::aggregate(errors));
        }
        let cause = |error: &field::Error| Cause {
            reason: error.kind.reason().to_owned(),
            message: error.body(),
            field: error.field.clone(),
        };
        Self::failure(422, "Invalid", message).with(Details {
            name: name.to_owned(),
            group: kind.group.to_owned(),
            kind: kind.name.to_owned(),
            causes: errors.iter().map(cause).collect(),
            ..Details::default()
        })
    }

    /// 400
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::failure(400, "BadRequest", message)
    }

    /// 401
    pub fn unauthorized() -> Self {
        Self::failure(401, "Unauthorized", "Unauthorized")
    }

    /// 403 `pods "a" is forbidden: why`; without a resource `forbidden: why`
    pub fn forbidden(resource: GroupName<'_>, name: &str, why: &str) -> Self {
        let message = match (resource.name, name) {
            ("", _) => format!("forbidden: {why}"),
            (_, "") => format!("{resource} is forbidden: {why}"),
            _ => format!("{resource} {} is forbidden: {why}", go_quote(name)),
        };
        Self::failure(403, "Forbidden", message).about(resource, name)
    }

    /// 405 `create is not supported on resources of kind "pods"`
    pub fn method_not_supported(resource: GroupName<'_>, action: &str) -> Self {
        let kind = go_quote(&resource.to_string());
        let message = format!("{action} is not supported on resources of kind {kind}");
        Self::failure(405, "MethodNotAllowed", message).about(resource, "")
    }

    /// 405 for a method that the path does not have.
    pub fn method_not_allowed() -> Self {
        let message = "the server does not allow this method on the requested resource";
        Self::failure(405, "MethodNotAllowed", message).with(Details::default())
    }

    /// 406
    pub fn not_acceptable(accepted: &[&str]) -> Self {
        let accepted = accepted.join(", ");
        let message = format!("only the following media types are accepted: {accepted}");
        Self::failure(406, "NotAcceptable", message)
    }

    /// 410 `Expired`: the revision is gone
    pub fn expired(message: impl Into<String>) -> Self {
        Self::failure(410, "Expired", message)
    }

    /// 413
    pub fn too_large(message: &str) -> Self {
        let message = format!("Request entity too large: {message}");
        Self::failure(413, "RequestEntityTooLarge", message)
    }

    /// 415
    pub fn unsupported_media_type(accepted: &[&str]) -> Self {
        let accepted = accepted.join(", ");
        let message = format!(
            "the body of the request was in an unknown format - accepted media types include: {accepted}"
        );
        Self::failure(415, "UnsupportedMediaType", message)
    }

    /// 429
    pub fn too_many_requests(message: impl Into<String>, retry_after_seconds: u32) -> Self {
        Self::failure(429, "TooManyRequests", message).retry_after(retry_after_seconds)
    }

    /// 500 `Internal error occurred: why`
    pub fn internal(why: impl fmt::Display) -> Self {
        let message = format!("Internal error occurred: {why}");
        let cause = Cause {
            message: why.to_string(),
            ..Cause::default()
        };
        Self::failure(500, "InternalError", message).with(Details {
            causes: vec![cause],
            ..Details::default()
        })
    }

    /// 503
    pub fn service_unavailable(message: impl Into<String>) -> Self {
        Self::failure(503, "ServiceUnavailable", message)
    }

    /// 504 `Timeout: why`
    pub fn timeout(why: &str, retry_after_seconds: u32) -> Self {
        Self::failure(504, "Timeout", format!("Timeout: {why}")).retry_after(retry_after_seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::field::{Error, Path};

    const CONFIG_MAPS: GroupName<'_> = GroupName {
        group: "",
        name: "configmaps",
    };

    #[test]
    fn a_status_prints_as_upstreams() {
        assert_eq!(
            serde_json::to_string(&Status::already_exists(CONFIG_MAPS, "a")).unwrap(),
            concat!(
                r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","#,
                r#""message":"configmaps \"a\" already exists","reason":"AlreadyExists","#,
                r#""details":{"name":"a","kind":"configmaps"},"code":409}"#
            )
        );
    }

    #[test]
    fn what_is_invalid_is_told_once_in_words_and_once_in_causes() {
        let kind = GroupName {
            group: "apps",
            name: "Deployment",
        };
        let errors = vec![Error::required(&Path::new("spec").child("selector"), "")];
        let status = Status::invalid(kind, "d", &errors);
        assert_eq!(
            status.message,
            r#"Deployment.apps "d" is invalid: spec.selector: Required value"#
        );
        let details = status.details.unwrap();
        assert_eq!(
            (details.group.as_str(), details.kind.as_str()),
            ("apps", "Deployment")
        );
        assert_eq!(details.causes[0].field, "spec.selector");
        assert_eq!(details.causes[0].reason, "FieldValueRequired");
    }
}
