//! What is asked of registries beside pulls and pushes.

use distribution::auth::AuthConfig;
use distribution::{Error, Fault, Kind};
use http::StatusCode;
use image::Reference;
use serde_json::json;

use super::pull::credentials;
use crate::Api;
use crate::error::ApiError;
use crate::server::call::Call;
use crate::server::reply::Reply;

/// What a fault is to a client (moby's `translatePullError` and `errdefs`): whoever may not see something is told that it
/// is not there. Credentials that nobody has are no refusal of any: a client that heard 401 would ask its user for some.
pub(super) fn refused(fault: &Fault, message: String) -> ApiError {
    let status = match (fault, fault.kind()) {
        (Fault::Registry(Error::NoCredentials { .. }), _) => StatusCode::INTERNAL_SERVER_ERROR,
        (_, Kind::NotFound | Kind::Denied) => StatusCode::NOT_FOUND,
        (_, Kind::Unauthorized) => StatusCode::UNAUTHORIZED,
        (_, Kind::Invalid) => StatusCode::BAD_REQUEST,
        (_, Kind::Unavailable | Kind::TooManyRequests | Kind::System) => StatusCode::INTERNAL_SERVER_ERROR,
    };
    ApiError::new(status, message)
}

/// `GET /images/search`.
pub(crate) async fn search(_call: Call<Api>) -> Result<Reply, ApiError> {
    Err(ApiError::unsupported("searching a registry is not supported yet"))
}

/// `GET /distribution/NAME/json`.
pub(crate) async fn distribution(call: Call<Api>) -> Result<Reply, ApiError> {
    let reference = Reference::parse(&call.name).map_err(|error| ApiError::bad(error.to_string()))?;
    let asked = call
        .state
        .registries
        .inspect(&reference, &credentials(&call))
        .await;
    let found = asked.map_err(|fault| refused(&fault, fault.pulling(&reference)))?;
    let descriptor = &found.descriptor;
    Reply::json(&json!({
        "Descriptor": { "mediaType": descriptor.media_type, "digest": descriptor.digest, "size": descriptor.size },
        "Platforms": found.platforms,
    }))
}

/// `POST /auth`.
pub(crate) async fn login(call: Call<Api>) -> Result<Reply, ApiError> {
    let api = call.state.clone();
    let body = call.bytes().await?;
    let who = AuthConfig::from_json(&body).map_err(|error| ApiError::bad(error.to_string()))?;
    match api.registries.client().login(&who).await {
        Ok(login) => Reply::json(&json!({
            "Status": "Login Succeeded", "IdentityToken": login.identity_token,
        })),
        Err(error) => {
            let message = error.to_string();
            Err(refused(&error.into(), message))
        }
    }
}
