//! Questions that are answered and not stored: who am I, whose token is this, may they.
//!
//! A review comes back as it was asked, with its status.

use auth::{Attributes, UserInfo};
use http::StatusCode;
use schema::BUILTIN;
use schema::cursor::Ref;
use schema::json::{self, Options};
use schema::row::TypesRef;
use schema::status::Status;
use serde_json::{Value, json};

use crate::negotiate::{Expected, decode};
use crate::server::State;
use crate::verbs::write_options;
use crate::{Answer, Call, Reply, Served, authn};

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
    let asked = decode(call, &call.body, expected, options.fields)?;
    let asked = Ref::new(types, &asked);
    let status = status(state, call, &served.def.plural, asked.at("spec")).await?;
    let parsed = serde_json::from_str(&asked.json());
    let mut answer: Value = parsed.map_err(Status::internal)?;
    answer["status"] = status;
    let decoded = json::decode(&BUILTIN, ty, answer.to_string().as_bytes(), Options::default());
    Ok(Reply::Tree {
        code: StatusCode::CREATED,
        api_version,
        kind: served.def.kind.to_string(),
        types: TypesRef::Static(&BUILTIN),
        object: Box::new(decoded.map_err(Status::internal)?.object),
    })
}

async fn status(state: &State, call: &Call, plural: &str, spec: Ref<'_>) -> Answer<Value> {
    match plural {
        "selfsubjectaccessreviews" => access(state, &call.user, spec),
        "subjectaccessreviews" => access(state, &subject(spec)?, spec),
        "localsubjectaccessreviews" => {
            if spec.path("resourceAttributes.namespace").str() != call.info.namespace {
                let why = "spec.resourceAttributes.namespace must match namespace";
                return Err(Status::bad_request(why).into());
            }
            access(state, &subject(spec)?, spec)
        }
        "selfsubjectrulesreviews" => rules(state, &call.user, spec),
        "selfsubjectreviews" => Ok(json!({"userInfo": user_json(&call.user)})),
        "tokenreviews" => Ok(token(state, spec).await),
        _ => Err(Status::method_not_allowed().into()),
    }
}

/// Of whom a review speaks.
fn subject(spec: Ref<'_>) -> Answer<UserInfo> {
    let user = UserInfo {
        name: spec.at("user").str().to_owned(),
        uid: spec.at("uid").str().to_owned(),
        groups: spec.at("groups").strings().map(str::to_owned).collect(),
        extra: spec
            .at("extra")
            .entries()
            .map(|(key, values)| (key.to_owned(), values.strings().map(str::to_owned).collect()))
            .collect(),
    };
    if user.name.is_empty() && user.groups.is_empty() {
        return Err(Status::bad_request("at least one of user or group must be specified").into());
    }
    Ok(user)
}

fn access(state: &State, user: &UserInfo, spec: Ref<'_>) -> Answer<Value> {
    let (resource, path) = (spec.at("resourceAttributes"), spec.at("nonResourceAttributes"));
    if resource.exists() == path.exists() {
        let why = "exactly one of nonResourceAttributes or resourceAttributes must be specified";
        return Err(Status::bad_request(why).into());
    }
    let asked = if path.exists() {
        Attributes::of_path(user, path.at("verb").str(), path.at("path").str())
    } else {
        let text = |member| resource.at(member).str();
        Attributes {
            version: text("version"),
            subresource: text("subresource"),
            namespace: text("namespace"),
            name: text("name"),
            ..Attributes::of(user, text("verb"), text("group"), text("resource"))
        }
    };
    let decision = state.authz.decide(state, &asked);
    let mut status = json!({"allowed": decision.allowed()});
    if !decision.reason().is_empty() {
        status["reason"] = decision.reason().into();
    }
    Ok(status)
}

fn rules(state: &State, user: &UserInfo, spec: Ref<'_>) -> Answer<Value> {
    let namespace = spec.at("namespace").str();
    if namespace.is_empty() {
        return Err(Status::bad_request("no namespace on request").into());
    }
    let mut found = state.authz.policy(state).rules(user, namespace);
    if user.in_group(UserInfo::MASTERS) {
        let everything = || vec!["*".into()];
        found.rules.push(auth::PolicyRule {
            verbs: everything(),
            api_groups: everything(),
            resources: everything(),
            ..auth::PolicyRule::default()
        });
        found.rules.push(auth::PolicyRule {
            verbs: everything(),
            non_resource_urls: everything(),
            ..auth::PolicyRule::default()
        });
    }
    let of_paths = |rule: &&auth::PolicyRule| !rule.non_resource_urls.is_empty();
    let (paths, resources): (Vec<_>, Vec<_>) = found.rules.iter().partition(of_paths);
    let mut status = json!({
        "resourceRules": resources,
        "nonResourceRules": paths,
        "incomplete": !found.missing.is_empty(),
    });
    if !found.missing.is_empty() {
        let missing: Vec<String> = found.missing.iter().map(ToString::to_string).collect();
        status["evaluationError"] = missing.join(", ").into();
    }
    Ok(status)
}

async fn token(state: &State, spec: Ref<'_>) -> Value {
    let own = state.config.tokens.issuer();
    let mut audiences: Vec<&str> = spec.at("audiences").strings().collect();
    if audiences.is_empty() {
        audiences.push(own);
    }
    match authn::authenticate_token(state, spec.at("token").str(), &audiences).await {
        Ok(found) => json!({
            "authenticated": true,
            "user": user_json(&found.user.authenticated()),
            "audiences": found.audiences,
        }),
        Err(why) => json!({"error": format!("[invalid bearer token, {why}]")}),
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
