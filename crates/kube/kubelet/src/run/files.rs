//! A pod's volumes over its life: gathered from what they name, written once, and written again where that has changed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use client::{DeleteOptions, Error, WriteOptions};
use driver::Instant;
use serde::Deserialize;
use serde_json::json;

use super::core::Core;
use crate::payload::{self, TokenWish, World};
use crate::pod::Pod;
use crate::resources::{CONFIG_MAPS, PODS, SECRETS, SERVICE_ACCOUNTS};
use crate::source::{Data, SourceKey, SourceKind, Sources};
use crate::status;
use crate::traits::Refused;
use crate::volume::{Mounts, Payload};

/// A token is renewed after this part of its life, in percent, or after a day.
const RENEWED: u32 = 80;

/// The longest that a token is used (upstream's).
const DAY: Duration = Duration::from_secs(24 * 3600);

/// A token of a pod's account.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Token {
    text: String,
    renew_at: Instant,
}

/// The volumes of a pod as they were written last.
#[derive(Clone, Debug, Default)]
pub(super) struct Files {
    pub(super) mounts: Arc<Mounts>,
    written: BTreeMap<String, Payload>,
    tokens: BTreeMap<TokenWish, Token>,
}

impl Files {
    /// When a token has to be renewed.
    pub(super) fn wakes(&self) -> Option<Instant> {
        self.tokens.values().map(|token| token.renew_at).min()
    }

    /// Writes all volumes. What it then is.
    pub(super) async fn write(mut self, core: &Core, pod: &Arc<Pod>) -> (Self, Result<(), Refused>) {
        let result = self.write_all(core, pod).await;
        (self, result)
    }

    async fn write_all(&mut self, core: &Core, pod: &Arc<Pod>) -> Result<(), Refused> {
        let payloads = self.gather(core, pod).await?;
        self.mounts = core.parts.volumes.write(pod, payloads.clone()).await?;
        self.written = payloads
            .into_iter()
            .map(|payload| (payload.volume.clone(), payload))
            .collect();
        Ok(())
    }

    /// Writes those volumes again that are not what they should be. What cannot be read now stays as it is.
    pub(super) async fn refresh(mut self, core: &Core, pod: &Arc<Pod>) -> Self {
        match self.gather(core, pod).await {
            Ok(payloads) => {
                for payload in payloads {
                    self.update(core, pod, payload).await;
                }
            }
            Err(refused) => {
                tracing::debug!(pod = %pod.key(), message = %refused.message, "volumes stay as they are");
            }
        }
        self
    }

    async fn update(&mut self, core: &Core, pod: &Arc<Pod>, payload: Payload) {
        if self.written.get(&payload.volume) == Some(&payload) {
            return;
        }
        match core.parts.volumes.update(pod, payload.clone()).await {
            Ok(()) => drop(self.written.insert(payload.volume.clone(), payload)),
            Err(refused) => {
                tracing::warn!(pod = %pod.key(), message = %refused.message, "a volume was not written again");
            }
        }
    }

    async fn gather(&mut self, core: &Core, pod: &Pod) -> Result<Vec<Payload>, Refused> {
        let mount = |text: String| Refused {
            reason: "FailedMount".to_owned(),
            message: text,
        };
        let sources = read(core, &pod.namespace, payload::needs(pod))
            .await
            .map_err(mount)?;
        self.renew(core, pod).await.map_err(mount)?;
        let tokens = self
            .tokens
            .iter()
            .map(|(wish, token)| (wish.clone(), token.text.clone()));
        payload::of(World {
            pod,
            node: &core.facts,
            sources: &sources,
            tokens: &tokens.collect(),
        })
    }

    /// Asks for the tokens that are not there or old. An old one that cannot be renewed is used for as long as it lasts.
    async fn renew(&mut self, core: &Core, pod: &Pod) -> Result<(), String> {
        for wish in payload::tokens(pod) {
            let now = core.env.now();
            if self.tokens.get(&wish).is_some_and(|token| token.renew_at > now) {
                continue;
            }
            match request(core, pod, &wish).await {
                Ok(token) => drop(self.tokens.insert(wish, token)),
                Err(error) => match self.tokens.get_mut(&wish) {
                    Some(token) => token.renew_at = now.saturating_add(Duration::from_secs(60)),
                    None => return Err(format!("failed to fetch token: {error}")),
                },
            }
        }
        Ok(())
    }
}

#[derive(Deserialize)]
struct TokenRequest {
    status: TokenStatus,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TokenStatus {
    token: String,
    expiration_timestamp: String,
}

/// A token bound to the pod (`authentication/v1 TokenRequest`).
async fn request(core: &Core, pod: &Pod, wish: &TokenWish) -> Result<Token, Error> {
    let audiences: Vec<&str> = Some(&*wish.audience)
        .filter(|audience| !audience.is_empty())
        .into_iter()
        .collect();
    let body = json!({
        "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
        "spec": {
            "audiences": audiences, "expirationSeconds": wish.seconds,
            "boundObjectRef": {"apiVersion": "v1", "kind": "Pod", "name": pod.name, "uid": &*pod.uid},
        },
    });
    let account = SERVICE_ACCOUNTS
        .within(&pod.namespace)
        .named(&pod.spec.service_account_name)
        .below("token");
    let answer = core
        .parts
        .client
        .create(account, body.to_string(), &WriteOptions::default())
        .await?;
    let answer: TokenRequest = answer.read()?;
    let expires = status::time(Some(&answer.status.expiration_timestamp)).unwrap_or(SystemTime::UNIX_EPOCH);
    let life = expires.duration_since(core.env.wall()).unwrap_or_default();
    let used = (life * RENEWED / 100).min(DAY);
    Ok(Token {
        text: answer.status.token,
        renew_at: core.env.now().saturating_add(used),
    })
}

/// What is there of some objects. ConfigMaps come from the view of the world; Secrets are read as the node, so that it
/// is asked whether the node may.
///
/// # Errors
/// What could not be asked for. What is not there is no error.
pub(super) async fn read(core: &Core, namespace: &str, keys: BTreeSet<SourceKey>) -> Result<Sources, String> {
    let mut sources = Sources::new();
    for key in keys {
        let json = match key.kind {
            SourceKind::ConfigMap => {
                let snapshot = core.parts.informers.of(&CONFIG_MAPS).snapshot();
                snapshot
                    .get(&format!("{namespace}/{}", key.name))
                    .map(|object| object.body().clone())
            }
            SourceKind::Secret => match core
                .parts
                .client
                .get(SECRETS.within(namespace).named(&key.name))
                .await
            {
                Ok(secret) => Some(secret.json().clone()),
                Err(error) if error.is_not_found() => None,
                Err(error) => return Err(error.to_string()),
            },
        };
        if let Some(json) = json {
            let data = Data::parse(key.kind, &json).map_err(|error| error.to_string())?;
            sources.insert(key, Arc::new(data));
        }
    }
    Ok(sources)
}

/// Lets the API forget a pod whose end it has.
pub(super) async fn delete(core: &Core, pod: &Pod) -> Result<(), String> {
    let options = DeleteOptions {
        grace_period_seconds: Some(0),
        ..DeleteOptions::of_uid(&pod.uid)
    };
    match core
        .parts
        .client
        .delete(PODS.within(&pod.namespace).named(&pod.name), &options)
        .await
    {
        Err(error) if !error.is_not_found() && !error.is_conflict() => Err(error.to_string()),
        // Gone, or another of the same name is there.
        _ => Ok(()),
    }
}
