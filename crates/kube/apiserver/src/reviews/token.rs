//! `TokenReview`: whose token is this.

use schema::cursor::Ref;
use schema::status::Status;
use serde_json::{Value, json};

use super::user_json;
use crate::server::State;
use crate::{Answer, authn};

/// The status of a review. A token must be for one of the audiences that are asked for; if none are, for this server.
///
/// # Errors
/// 400 without a token.
pub(super) async fn review(state: &State, spec: Ref<'_>) -> Answer<Value> {
    let token = spec.at("token").str();
    if token.is_empty() {
        return Err(Status::bad_request("token is required for TokenReview in authentication").into());
    }
    let mut audiences: Vec<&str> = spec.at("audiences").strings().collect();
    if audiences.is_empty() {
        audiences.push(state.config.tokens.issuer());
    }
    Ok(match authn::authenticate_token(state, token, &audiences).await {
        Ok(found) => json!({
            "authenticated": true,
            "user": user_json(&found.user.authenticated()),
            "audiences": found.audiences,
        }),
        Err(why) => json!({"error": format!("[invalid bearer token, {why}]")}),
    })
}
