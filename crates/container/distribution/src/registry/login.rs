//! `docker login`: whether a registry takes somebody's credentials.

use http::{Method, StatusCode};

use super::Client;
use super::authorize::Wanted;
use super::call::{Answer, Call};
use super::tour::{Need, Server, Tour};
use crate::auth::{AuthConfig, Challenge, Login, TokenRequest, challenges};
use crate::{Credentials, Error};

/// The registry itself is asked, never a mirror. One that asks for nothing takes everything.
pub(super) async fn login(client: &Client, who: &AuthConfig) -> Result<Login, Error> {
    let place = client.repository(who.host(), "", who.credentials.clone()).0;
    let server = Tour::new(&place, Need::Resolve).upstream()?;
    let call = Call::new(Method::GET, server.absolute("", &[])?, Vec::new());
    let anonymous = Server {
        credentials: Credentials::Anonymous,
        ..server.clone()
    };
    let first = anonymous.bare(&call).await?;
    match first.status {
        StatusCode::UNAUTHORIZED => server.prove(&call, &first).await,
        status if status.is_success() => Ok(Login {
            identity_token: String::new(),
        }),
        status => Err(failed(&call, status)),
    }
}

fn failed(call: &Call, status: StatusCode) -> Error {
    Error::Login {
        url: call.uri.to_string(),
        status,
    }
}

impl Server {
    /// Asks without showing anything.
    async fn bare(&self, call: &Call) -> Result<Answer, Error> {
        let mut failures = 0;
        loop {
            let error = match self.redirected(call, None).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            failures += 1;
            if !self.may_retry(&error, failures) {
                return Err(error);
            }
            self.client().pause(failures, &error).await;
        }
    }

    /// Shows what the server wants.
    async fn prove(&self, call: &Call, refused: &Answer) -> Result<Login, Error> {
        let mut identity_token = String::new();
        let header = if let Credentials::RegistryToken(token) = &self.credentials {
            Some(format!("Bearer {token}"))
        } else if let Some(challenge) = challenges(&refused.headers)
            .iter()
            .find(|each| each.scheme == "bearer")
        {
            let (token, refresh) = self.offline_token(call, refused, challenge).await?;
            identity_token = refresh;
            Some(format!("Bearer {token}"))
        } else {
            let shown = self.reauthorization(call, refused, None).await?;
            shown.map(|shown| shown.header)
        };
        let answer = self.redirected(call, header.as_deref()).await?;
        if !answer.status.is_success() {
            return Err(failed(call, answer.status));
        }
        Ok(Login { identity_token })
    }

    /// A token, and the refresh token with which to get others.
    async fn offline_token(
        &self,
        call: &Call,
        refused: &Answer,
        challenge: &Challenge,
    ) -> Result<(String, String), Error> {
        self.secured(call, &Wanted::new(challenge, refused))?;
        let request = self.token_request(call, challenge)?;
        let request = TokenRequest {
            offline: true,
            ..request
        };
        let (token, refresh) = self.fetch(call, &request).await?;
        Ok((token.value, refresh.unwrap_or_default()))
    }
}
