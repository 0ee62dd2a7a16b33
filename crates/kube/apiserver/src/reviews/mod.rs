//! Questions that are answered and not stored: who am I, whose token is this, may they.
//!
//! A review comes back as it was asked, with its status. Admission sees it as any other creation.

mod access;
mod rules;
mod token;

use auth::UserInfo;
use http::StatusCode;
use schema::BUILTIN;
use schema::cursor::{self, Ref};
use schema::field::{BadValue, Error, Errors, Path};
use schema::json::{self, Options};
use schema::row::TypesRef;
use schema::status::{GroupName, Status};
use serde_json::{Value, json};

use crate::admission::{self, Request};
use crate::negotiate::{Expected, decode};
use crate::registry::Op;
use crate::server::State;
use crate::verbs::write_options;
use crate::{Answer, Call, Reply, Served};

/// Reviews that are answered with a new object, in which nothing of the question is left.
const NEW: [&str; 2] = ["selfsubjectreviews", "selfsubjectrulesreviews"];

/// Answers a review; nothing for what is none.
///
/// # Errors
/// What the body says.
pub(crate) async fn dispatch(state: &State, call: &Call, served: &Served) -> Option<Answer<Reply>> {
    let reviews = ["authentication.k8s.io", "authorization.k8s.io"].contains(&&*served.def.group);
    if reviews {
        Some(review(state, call, served).await)
    } else {
        None
    }
}

async fn review(state: &State, call: &Call, served: &Served) -> Answer<Reply> {
    let options = write_options(call, "CreateOptions", None)?;
    let (types, ty, api_version) = (&served.def.types, served.version().schema, served.api_version());
    let expected = Expected {
        types,
        ty,
        api_version: &api_version,
        kind: &served.def.kind,
    };
    let mut tree = decode(call, &call.body, expected, options.fields)?;
    let op = Op::new(state, call, served, options);
    let request = Request::create(&op, "");
    admission::mutate(&request, Some(&mut tree)).await?;
    let asked = Ref::new(types, &tree);
    check(&served.def.plural, call, asked)?;
    drop(admission::validate(&request, Some(asked)).await?);
    let status = status(state, call, &served.def.plural, asked.at("spec")).await?;
    let mut answer: Value = serde_json::from_str(&asked.json()).map_err(Status::internal)?;
    if NEW.contains(&&*served.def.plural) {
        answer = json!({"kind": answer["kind"], "apiVersion": answer["apiVersion"]});
    }
    answer["status"] = status;
    let decoded = json::decode(&BUILTIN, ty, answer.to_string().as_bytes(), Options::default());
    let mut object = decoded.map_err(Status::internal)?.object;
    if served.def.plural == "selfsubjectreviews" {
        let now = schema::tree::Value::str(&crate::registry::rfc3339(op.now));
        cursor::set(&BUILTIN, &mut object, "metadata.creationTimestamp", now);
    }
    Ok(Reply::Tree {
        code: StatusCode::CREATED,
        api_version,
        kind: served.def.kind.to_string(),
        types: TypesRef::Static(&BUILTIN),
        object: Box::new(object),
    })
}

/// Judges what is asked.
///
/// # Errors
/// 422 and 400 with upstream's texts.
fn check(plural: &str, call: &Call, asked: Ref<'_>) -> Answer<()> {
    let errors = match plural {
        "selfsubjectaccessreviews" => access::validate_self(asked),
        "subjectaccessreviews" => access::validate(asked),
        "localsubjectaccessreviews" => access::validate_local(asked, &call.info.namespace)?,
        _ => return Ok(()),
    };
    if errors.is_empty() {
        return Ok(());
    }
    // Upstream has lost the kind where it says so.
    let kind = GroupName {
        group: "authorization.k8s.io",
        name: "",
    };
    Err(Status::invalid(kind, "", &errors).into())
}

async fn status(state: &State, call: &Call, plural: &str, spec: Ref<'_>) -> Answer<Value> {
    Ok(match plural {
        "selfsubjectaccessreviews" => access::decide(state, &call.user, spec),
        "subjectaccessreviews" | "localsubjectaccessreviews" => {
            access::decide(state, &access::subject(spec), spec)
        }
        "selfsubjectrulesreviews" => rules::of(state, &call.user, spec)?,
        "selfsubjectreviews" => json!({"userInfo": user_json(&call.user)}),
        "tokenreviews" => token::review(state, spec).await?,
        _ => return Err(Status::method_not_allowed().into()),
    })
}

/// Metadata must say nothing, but for a namespace where there is one.
fn bare_metadata(asked: Ref<'_>, namespaced: bool, errors: &mut Errors) {
    let metadata = asked.at("metadata");
    let told: Value = serde_json::from_str(&metadata.json()).unwrap_or_default();
    let allowed = |name: &str| name == "managedFields" || (namespaced && name == "namespace");
    let extra = |(name, _): (&String, &Value)| !allowed(name);
    if told.as_object().is_some_and(|members| members.iter().any(extra)) {
        let why = if namespaced {
            "must be empty except for namespace"
        } else {
            "must be empty"
        };
        errors.push(Error::invalid(
            &Path::new("metadata"),
            BadValue::json(&metadata.json()),
            why,
        ));
    }
}

fn user_json(user: &UserInfo) -> Value {
    let mut json = json!({"username": user.name, "groups": user.groups});
    if !user.uid.is_empty() {
        json["uid"] = user.uid.as_str().into();
    }
    if !user.extra.is_empty() {
        json["extra"] = json!(user.extra);
    }
    json
}
