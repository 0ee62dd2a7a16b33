//! What a client's session offers to a build: secrets, and who the client is to registries.

use std::sync::Arc;

use ::buildkit::{Session, Status};
use builder::{Pull, Secrets, Sent, Services};
use distribution::{Credentials, Registries};
use image::Reference;
use tokio::sync::mpsc::Sender;

use crate::build::Pulling;

/// A session, and where images come from.
#[derive(Clone)]
struct OfSession {
    session: Arc<Session>,
    registries: Registries,
}

/// What the builder may ask of whoever opened a session.
pub(super) fn services(session: Arc<Session>, registries: Registries) -> Services {
    let asked = Arc::new(OfSession { session, registries });
    Services {
        secrets: Some(asked.clone()),
        pull: Some(asked),
        ..Services::default()
    }
}

impl Secrets for OfSession {
    fn secret(&self, id: &str) -> Sent<Result<Option<Vec<u8>>, String>> {
        let (session, id) = (self.session.clone(), id.to_owned());
        Box::pin(async move {
            let found = session.secret(&id).await.map_err(said)?;
            Ok(found.map(|bytes| bytes.to_vec()))
        })
    }
}

impl Pull for OfSession {
    fn pull(&self, reference: &str, tell: Sender<String>) -> Sent<Result<(), String>> {
        let (asked, reference) = (self.clone(), reference.to_owned());
        Box::pin(async move {
            let domain = Reference::parse(&reference)
                .map_err(|error| error.to_string())?
                .domain;
            let credentials = asked.credentials(&domain).await?;
            let pulling = Pulling::of(asked.registries, domain, credentials);
            pulling.pull(&reference, tell).await
        })
    }
}

impl OfSession {
    /// Clients call Docker Hub by the host that it is asked at. A token as a secret has no user.
    async fn credentials(&self, domain: &str) -> Result<Credentials, String> {
        let host = if domain == "docker.io" {
            "registry-1.docker.io"
        } else {
            domain
        };
        let (username, password) = self.session.credentials(host).await.map_err(said)?;
        Ok(match (username.is_empty(), password.is_empty()) {
            (true, true) => Credentials::Anonymous,
            (true, false) => Credentials::IdentityToken(password),
            _ => Credentials::Basic { username, password },
        })
    }
}

fn said(status: Status) -> String {
    status.message
}
