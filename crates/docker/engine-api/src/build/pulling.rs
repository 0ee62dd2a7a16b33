//! Pulls for a build: what `FROM` and `COPY --from` name and is not here.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use base64::{alphabet, engine::DecodePaddingMode};
use builder::{Sent, Wish};
use distribution::auth::AuthConfig;
use distribution::{Credentials, Fault, Registries};
use image::{Digest, Reference};
use serde_json::Value;
use tokio::sync::mpsc;

use crate::Api;
use crate::server::call::Call;

/// Events of a pull that wait to be told.
const WAITING: usize = 64;
/// With padding or without, as clients differ.
const URL_SAFE_LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Pulls for a build, with what its client knows of registries.
pub(crate) struct Pulling {
    registries: Registries,
    auths: BTreeMap<String, Credentials>,
    words: Words,
}

/// What is said of a base, as it was written, that cannot be brought.
type Words = fn(&Fault, &str, &Reference) -> String;

impl Pulling {
    /// Pulls as the client of a request.
    pub(crate) fn new(call: &Call<Api>) -> Self {
        Self {
            registries: call.state.registries.clone(),
            auths: auths(call.header("x-registry-config")),
            words: |fault, _, reference| fault.pulling(reference),
        }
    }

    /// Pulls as somebody to one registry, and says so in BuildKit's words.
    pub(crate) fn of(registries: Registries, domain: String, credentials: Credentials) -> Self {
        Self {
            registries,
            auths: BTreeMap::from([(domain, credentials)]),
            words: Fault::resolving,
        }
    }

    fn credentials(&self, domain: &str) -> Credentials {
        let hub = (domain == "docker.io").then(|| self.auths.get(HUB)).flatten();
        self.auths.get(domain).or(hub).cloned().unwrap_or_default()
    }
}

/// What clients call Docker Hub.
const HUB: &str = "https://index.docker.io/v1/";

/// Credentials by registry, as `X-Registry-Config` has them: base64url of a map. What makes no sense is left out, as
/// upstream does.
fn auths(header: &str) -> BTreeMap<String, Credentials> {
    let decoded = URL_SAFE_LENIENT.decode(header).unwrap_or_default();
    let map: BTreeMap<String, Value> = serde_json::from_slice(&decoded).unwrap_or_default();
    map.into_iter()
        .filter_map(|(host, said)| {
            let said = AuthConfig::from_json(said.to_string().as_bytes()).ok()?;
            Some((host, said.credentials))
        })
        .collect()
}

impl builder::Pull for Pulling {
    fn pull(&self, asked: &Wish, tell: mpsc::Sender<String>) -> Sent<Result<Digest, String>> {
        let (written, apart, words) = (asked.reference.clone(), asked.apart, self.words);
        let reference = Reference::parse(&written).map_err(|error| error.to_string());
        let wish = reference.map(|reference| distribution::Pull {
            credentials: self.credentials(&reference.domain),
            platform: asked.platform.clone(),
            reference,
        });
        let registries = self.registries.clone();
        Box::pin(async move {
            let wish = wish?;
            let (progress, mut events) = mpsc::channel(WAITING);
            let telling = async {
                while let Some(event) = events.recv().await {
                    if let Some(line) = said(&event) {
                        // A build that has ended is heard of elsewhere.
                        drop(tell.send(line).await);
                    }
                }
            };
            let progress = distribution::Progress(progress);
            let pulling = async {
                // It takes the channel's end with it.
                let progress = progress;
                match apart {
                    true => registries.pull_apart(&wish, &progress).await,
                    false => registries.pull(&wish, &progress).await,
                }
            };
            let (pulled, ()) = tokio::join!(pulling, telling);
            pulled
                .map(|pulled| pulled.image.id)
                .map_err(|fault| words(&fault, &written, &wish.reference))
        })
    }
}

/// What a build tells of a pull.
fn said(event: &distribution::Event) -> Option<String> {
    match event {
        distribution::Event::PullingFrom { path, subject } => Some(format!("{subject}: Pulling from {path}")),
        distribution::Event::Digest(digest) => Some(format!("Digest: {digest}")),
        _ => None,
    }
}
