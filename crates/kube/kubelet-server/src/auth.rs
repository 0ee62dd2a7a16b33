//! Who asks, and whether they may: upstream's webhook authentication and authorization, asked of the API server.
//!
//! A client certificate of the cluster's authority counts first, then a bearer token; nobody is anonymous. The right is
//! that of the node's path in the API that stands for the kubelet's (`nodes/proxy`, or a finer one).

use std::fmt;

use apiserver::Body;
use client::{Resource, WriteOptions};
use http::header::AUTHORIZATION;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use https::Peer;
use serde_json::{Value, json};

use crate::answer;
use crate::server::State;

static TOKEN_REVIEWS: Resource = Resource::new(
    "authentication.k8s.io",
    "v1",
    "tokenreviews",
    "TokenReview",
    false,
);
static ACCESS_REVIEWS: Resource = Resource::new(
    "authorization.k8s.io",
    "v1",
    "subjectaccessreviews",
    "SubjectAccessReview",
    false,
);

/// The group of everybody who is somebody.
const AUTHENTICATED: &str = "system:authenticated";

/// Paths whose right is not `nodes/proxy` alone: each of these is enough.
const RIGHTS: [(&str, &[&str]); 9] = [
    ("stats", &["stats"]),
    ("metrics", &["metrics"]),
    ("logs", &["log"]),
    ("checkpoint", &["checkpoint"]),
    ("pods", &["pods", "proxy"]),
    ("runningpods", &["pods", "proxy"]),
    ("healthz", &["healthz", "proxy"]),
    ("configz", &["configz", "proxy"]),
    ("statusz", &["statusz"]),
];

/// Why a request is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Nobody knows who asks.
    Unauthorized,
    /// They may not.
    Forbidden(Attributes),
    /// The API server could not be asked.
    Unknown(Attributes),
}

/// What is asked for, and by whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Attributes {
    user: String,
    verb: &'static str,
    subresources: &'static [&'static str],
}

impl fmt::Display for Attributes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (user, verb, subresources) = (&self.user, self.verb, self.subresources.join(" "));
        write!(
            f,
            "(user={user}, verb={verb}, resource=nodes, subresource(s)=[{subresources}])"
        )
    }
}

impl Refusal {
    pub(crate) fn answer(&self) -> Response<Body> {
        match self {
            Self::Unauthorized => answer::text(StatusCode::UNAUTHORIZED, "Unauthorized"),
            Self::Forbidden(what) => answer::text(StatusCode::FORBIDDEN, format!("Forbidden {what}\n")),
            Self::Unknown(what) => {
                let why = format!("Authorization error {what}\n");
                answer::text(StatusCode::INTERNAL_SERVER_ERROR, why)
            }
        }
    }
}

/// Whether a request may be answered.
///
/// # Errors
/// See [`Refusal`].
pub(crate) async fn judge<B>(state: &State, request: &Request<B>, peer: &Peer) -> Result<(), Refusal> {
    let user = identify(state, request.headers(), peer).await;
    let user = user.ok_or(Refusal::Unauthorized)?;
    let what = Attributes {
        user: user["username"].as_str().unwrap_or_default().to_owned(),
        verb: verb(request.method()),
        subresources: subresources(request.uri().path()),
    };
    for subresource in what.subresources {
        match allowed(state, &user, what.verb, subresource).await {
            Ok(true) => return Ok(()),
            Ok(false) => {}
            Err(error) => {
                tracing::warn!(%error, "cannot ask who may use the kubelet's API");
                return Err(Refusal::Unknown(what));
            }
        }
    }
    Err(Refusal::Forbidden(what))
}

const fn verb(method: &Method) -> &'static str {
    match *method {
        Method::GET => "get",
        Method::POST => "create",
        Method::PUT => "update",
        Method::PATCH => "patch",
        Method::DELETE => "delete",
        _ => "",
    }
}

fn subresources(path: &str) -> &'static [&'static str] {
    let first = path.trim_start_matches('/').split('/').next().unwrap_or_default();
    let row = RIGHTS.iter().find(|(name, _)| *name == first);
    row.map_or(&["proxy"], |row| row.1)
}

/// The user, as a TokenReview tells it; none if nobody is known.
async fn identify(state: &State, headers: &HeaderMap, peer: &Peer) -> Option<Value> {
    let parts = &state.parts;
    if !peer.certificates.is_empty() {
        match parts.clients.identify(&peer.certificates, parts.env.wall()) {
            Ok(identity) => {
                let groups: Vec<&str> = identity
                    .groups
                    .iter()
                    .map(String::as_str)
                    .chain([AUTHENTICATED])
                    .collect();
                return Some(json!({"username": identity.user, "uid": identity.uid, "groups": groups}));
            }
            Err(error) => tracing::debug!(%error, "a client certificate is not accepted"),
        }
    }
    let token = bearer(headers)?;
    let review = json!({
        "apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token},
    });
    let answer = review_of(state, &TOKEN_REVIEWS, &review).await.ok()?;
    let status = &answer["status"];
    (status["authenticated"] == true).then(|| status["user"].clone())
}

/// The token of `Authorization: Bearer TOKEN`.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let header = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = header.trim().split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

async fn allowed(state: &State, user: &Value, verb: &str, subresource: &str) -> Result<bool, client::Error> {
    let review = json!({
        "apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview",
        "spec": {
            "user": user["username"], "uid": user["uid"], "groups": user["groups"], "extra": user["extra"],
            "resourceAttributes": {
                "verb": verb, "version": "v1", "resource": "nodes", "subresource": subresource,
                "name": state.parts.node,
            },
        },
    });
    let answer = review_of(state, &ACCESS_REVIEWS, &review).await?;
    Ok(answer["status"]["allowed"] == true)
}

async fn review_of(state: &State, kind: &Resource, review: &Value) -> Result<Value, client::Error> {
    let options = WriteOptions::default();
    let made = state
        .parts
        .client
        .create(kind.everywhere(), review.to_string(), &options);
    let answer = made.await?;
    Ok(serde_json::from_slice(answer.json()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_its_rights() {
        for (path, rights) in [
            ("/exec/ns/p/c", &["proxy"][..]),
            ("/pods", &["pods", "proxy"]),
            ("/pods/", &["pods", "proxy"]),
            ("/podsy", &["proxy"]),
            ("/stats/summary", &["stats"]),
            ("/metrics/cadvisor", &["metrics"]),
            ("/logs/x", &["log"]),
            ("/", &["proxy"]),
        ] {
            assert_eq!(subresources(path), rights, "{path}");
        }
    }

    #[test]
    fn refusals_are_upstreams_words() {
        let what = Attributes {
            user: "u".to_owned(),
            verb: "get",
            subresources: &["pods", "proxy"],
        };
        assert_eq!(
            format!("Forbidden {what}"),
            "Forbidden (user=u, verb=get, resource=nodes, subresource(s)=[pods proxy])"
        );
    }
}
