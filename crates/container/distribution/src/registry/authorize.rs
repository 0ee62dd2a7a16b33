//! What a server is shown: a password, or a token that its token service gives for it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, DATE};
use http::{HeaderValue, Method, Request, StatusCode, Uri};
use tokio::time::Instant;

use super::call::{Answer, Call};
use super::follow::same_server;
use super::tour::Server;
use crate::auth::{Challenge, Token, TokenAnswer, TokenRequest, basic_header, challenges};
use crate::transport::{Access, Payload};
use crate::{Credentials, Error};

/// Tokens, and what servers want to be shown, that are remembered; with more, all are forgotten.
const MOST: usize = 512;

/// Tokens by what they were asked for with. Whoever needs one that somebody is asking for waits for it.
#[derive(Default)]
pub(super) struct Tokens(Mutex<HashMap<TokenRequest, Slot>>);

type Slot = Arc<tokio::sync::Mutex<Option<(String, Instant)>>>;

/// What a server wants to be shown.
#[derive(Clone)]
pub(super) struct Wanted {
    challenge: Challenge,
    /// Whether it said so by TLS.
    secure: bool,
}

impl Wanted {
    pub(super) fn new(challenge: &Challenge, answer: &Answer) -> Self {
        Self {
            // The scopes belong to one request.
            challenge: challenge.without("scope").without("error"),
            secure: answer.uri.scheme_str() == Some("https"),
        }
    }
}

/// What a server is shown.
pub(super) struct Shown {
    /// The value of `Authorization`.
    pub(super) header: String,
    /// Whether there is nothing better.
    best: bool,
}

impl Tokens {
    fn slot(&self, request: &TokenRequest) -> Slot {
        let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if slots.len() >= MOST && !slots.contains_key(request) {
            slots.clear();
        }
        slots.entry(request.clone()).or_default().clone()
    }
}

impl Server {
    /// What the server is known to want to be shown; nothing, if it was not asked yet.
    pub(super) async fn authorization(&self, call: &Call) -> Result<Option<Shown>, Error> {
        if let Credentials::RegistryToken(token) = &self.credentials {
            let header = format!("Bearer {token}");
            return Ok(Some(Shown { header, best: true }));
        }
        let known = self.challenges().get(&self.origin()).cloned();
        match known {
            Some(wanted) => {
                self.secured(call, &wanted)?;
                self.show(call, &wanted.challenge, None).await
            }
            None => Ok(None),
        }
    }

    /// What to show after a refusal with 401; nothing, if that was the best there is.
    pub(super) async fn reauthorization(
        &self,
        call: &Call,
        answer: &Answer,
        shown: Option<Shown>,
    ) -> Result<Option<Shown>, Error> {
        let found = challenges(&answer.headers);
        let bearer = |each: &&Challenge| each.scheme == "bearer" && each.get("realm").is_some();
        let wanted = found.iter().find(bearer);
        let wanted = wanted.or_else(|| found.iter().find(|each| each.scheme == "basic"));
        let Some(challenge) = wanted else {
            return Ok(None);
        };
        let wanted = Wanted::new(challenge, answer);
        self.secured(call, &wanted)?;
        self.remember(wanted);
        match shown {
            Some(shown) if shown.best => Ok(None),
            shown => self.show(call, challenge, shown).await,
        }
    }

    /// `refused` is what the server did not take.
    async fn show(
        &self,
        call: &Call,
        challenge: &Challenge,
        refused: Option<Shown>,
    ) -> Result<Option<Shown>, Error> {
        if challenge.scheme == "basic" {
            return match &self.credentials {
                Credentials::Basic { username, password } => Ok(Some(Shown {
                    header: basic_header(username, password),
                    best: true,
                })),
                _ => Err(Error::NoCredentials {
                    method: call.method.clone(),
                    url: call.uri.to_string(),
                }),
            };
        }
        let request = self.token_request(call, challenge)?;
        self.token(call, &request, refused).await.map(Some)
    }

    pub(super) fn token_request(&self, call: &Call, challenge: &Challenge) -> Result<TokenRequest, Error> {
        let request = TokenRequest::new(challenge, &call.scopes, &self.credentials);
        request.ok_or_else(|| {
            let realm = challenge.get("realm").unwrap_or_default();
            call.protocol(format!("its token service {realm:?} is no address"))
        })
    }

    /// A token that is good for a while, and is not the refused one.
    async fn token(
        &self,
        call: &Call,
        request: &TokenRequest,
        refused: Option<Shown>,
    ) -> Result<Shown, Error> {
        let slot = self.client().0.tokens.slot(request);
        let mut kept = slot.lock().await;
        if let Some((token, until)) = &*kept {
            let header = format!("Bearer {token}");
            let is_refused = refused.is_some_and(|refused| refused.header == header);
            if *until > Instant::now() && !is_refused {
                return Ok(Shown { header, best: false });
            }
        }
        *kept = None;
        let (token, _) = self.fetch(call, request).await?;
        let header = format!("Bearer {}", token.value);
        *kept = Some((token.value, Instant::now() + token.life));
        Ok(Shown { header, best: true })
    }

    /// A new token, and a refresh token if one was asked for and given.
    pub(super) async fn fetch(
        &self,
        call: &Call,
        request: &TokenRequest,
    ) -> Result<(Token, Option<String>), Error> {
        let form_first = matches!(request.credentials, Credentials::IdentityToken(_));
        let (asked, answer) = if form_first {
            self.post_form(call, request).await?
        } else {
            let (asked, answer) = self.get_token(call, request).await?;
            // A service may know only OAuth2's grants.
            let unknown = matches!(
                answer.status,
                StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED
            );
            if unknown && request.form().is_some() {
                self.post_form(call, request).await?
            } else {
                (asked, answer)
            }
        };
        self.read_token(call, asked, answer).await
    }

    async fn get_token(&self, call: &Call, request: &TokenRequest) -> Result<(Call, Answer), Error> {
        let (uri, authorization) = request
            .query()
            .ok_or_else(|| call.protocol("its token service has no address"))?;
        let asked = Call::new(Method::GET, uri, Vec::new());
        self.ask_service(asked, Bytes::new(), authorization).await
    }

    async fn post_form(&self, call: &Call, request: &TokenRequest) -> Result<(Call, Answer), Error> {
        let form = request
            .form()
            .ok_or_else(|| call.protocol("its token service has no address"))?;
        let asked = Call::new(Method::POST, request.realm.clone(), Vec::new());
        let asked = asked.with(CONTENT_TYPE, "application/x-www-form-urlencoded");
        self.ask_service(asked, form.into(), None).await
    }

    /// Token services are not followed elsewhere: what they are sent is for them.
    async fn ask_service(
        &self,
        asked: Call,
        body: Bytes,
        authorization: Option<String>,
    ) -> Result<(Call, Answer), Error> {
        let mut request = Request::new(Payload::bytes(body));
        *request.method_mut() = asked.method.clone();
        *request.uri_mut() = asked.uri.clone();
        *request.headers_mut() = asked.headers.clone();
        let value = authorization.and_then(|value| HeaderValue::from_str(&value).ok());
        if let Some(mut value) = value {
            value.set_sensitive(true);
            request.headers_mut().insert(AUTHORIZATION, value);
        }
        let own = same_server(&self.endpoint().base, &asked.uri);
        let access = if own {
            // Also there the address is the server's choice.
            Access {
                named: false,
                ..self.access.clone()
            }
        } else {
            self.client().access(&asked.uri)
        };
        match self.client().send(&access, request).await {
            Ok(answer) => Ok((asked, answer)),
            Err(why) => Err(asked.no_answer(why)),
        }
    }

    async fn read_token(
        &self,
        call: &Call,
        asked: Call,
        answer: Answer,
    ) -> Result<(Token, Option<String>), Error> {
        if !answer.status.is_success() {
            let refusal = Box::new(self.client().refusal(&asked, answer).await);
            return Err(Error::NoToken {
                method: call.method.clone(),
                url: call.uri.to_string(),
                refusal,
            });
        }
        let date = answer
            .headers
            .get(DATE)
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned);
        let limit = self.client().0.settings.token;
        let body = self
            .client()
            .read(&asked, "the token service's answer", limit, answer)
            .await?;
        let given: TokenAnswer = serde_json::from_slice(&body)
            .map_err(|_| asked.protocol("the token service's answer is not JSON"))?;
        let refresh = given.refresh_token.clone();
        let token = given.token(date.as_deref());
        let token = token.filter(|token| HeaderValue::from_str(&token.value).is_ok());
        let token = token
            .ok_or_else(|| asked.protocol("authorization server did not include a token in the response"))?;
        Ok((token, refresh))
    }

    /// What was spoken by TLS so far is not told to a token service without.
    pub(super) fn secured(&self, call: &Call, wanted: &Wanted) -> Result<(), Error> {
        let realm: Option<Uri> = wanted.challenge.get("realm").and_then(|realm| realm.parse().ok());
        let plain = realm.is_some_and(|realm| realm.scheme_str() != Some("https"));
        let leaves = wanted.challenge.scheme == "bearer" && plain && wanted.secure;
        if leaves && self.credentials != Credentials::Anonymous {
            return Err(call.protocol("its token service has no TLS: credentials are not sent there"));
        }
        Ok(())
    }

    fn origin(&self) -> String {
        let base = &self.endpoint().base;
        format!(
            "{}://{}",
            base.scheme_str().unwrap_or_default(),
            base.authority().map_or("", |a| a.as_str())
        )
    }

    fn challenges(&self) -> std::sync::MutexGuard<'_, HashMap<String, Wanted>> {
        let challenges = &self.client().0.challenges;
        challenges.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn remember(&self, wanted: Wanted) {
        let mut challenges = self.challenges();
        if challenges.len() >= MOST {
            challenges.clear();
        }
        challenges.insert(self.origin(), wanted);
    }
}
