//! What a client's session offers to a build: secrets, agents, and who the client is to registries.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use ::buildkit::{Session, Status};
use builder::{Pull, Secrets, Sent, Services, Ssh, Wish};
use distribution::{Credentials, Registries};
use image::{Digest, Reference};
use tokio::net::UnixListener;
use tokio::sync::mpsc::Sender;
use tokio::task::{JoinHandle, JoinSet};

use crate::build::Pulling;

/// A session, and where images come from.
#[derive(Clone)]
struct OfSession {
    session: Arc<Session>,
    registries: Registries,
}

/// What the builder may ask of whoever opened a session. Sockets of agents are made in `directory`.
pub(super) fn services(session: Arc<Session>, registries: Registries, directory: &Path) -> Services {
    let asked = Arc::new(OfSession {
        session: session.clone(),
        registries,
    });
    let agents = Agents {
        session,
        directory: directory.to_owned(),
        open: Mutex::default(),
    };
    Services {
        secrets: Some(asked.clone()),
        ssh: Some(Arc::new(agents)),
        pull: Some(asked),
        ..Services::default()
    }
}

/// The client's agents, each behind a socket of its own for as long as the build lasts.
struct Agents {
    session: Arc<Session>,
    directory: PathBuf,
    open: Mutex<BTreeMap<String, Socket>>,
}

/// A socket; it goes with this.
struct Socket {
    path: PathBuf,
    served: JoinHandle<()>,
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.served.abort();
        // What stays is removed when the builder is opened again.
        drop(std::fs::remove_file(&self.path));
    }
}

impl Ssh for Agents {
    fn agent(&self, id: &str) -> Sent<Result<Option<PathBuf>, String>> {
        let known = {
            let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
            open.get(id).map(|socket| socket.path.clone())
        };
        if let Some(path) = known {
            return Box::pin(async move { Ok(Some(path)) });
        }
        let made = self
            .socket(id)
            .map_err(|cause| format!("a socket for an agent: {cause}"));
        let (session, id) = (self.session.clone(), id.to_owned());
        Box::pin(async move {
            let path = made?;
            let there = session.has_agent(&id).await.map_err(said)?;
            Ok(there.then_some(path))
        })
    }
}

impl Agents {
    /// Opens a socket on which programs find an agent. It is reached through the builder's own directory, which only
    /// root may enter, or where it is mounted.
    fn socket(&self, id: &str) -> io::Result<PathBuf> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let name = format!("agent-{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let directory = File::open(&self.directory)?;
        // A socket's address has room for a hundred bytes, whatever the directory is called.
        let short = format!("/proc/self/fd/{}/{name}", directory.as_raw_fd());
        let path = self.directory.join(&name);
        let listener = UnixListener::bind(short)?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o666))?;
        let (session, agent) = (self.session.clone(), id.to_owned());
        let served = tokio::spawn(async move {
            let mut programs = JoinSet::new();
            while let Ok((program, _)) = listener.accept().await {
                let (session, agent) = (session.clone(), agent.clone());
                programs.spawn(async move {
                    if let Err(cause) = session.forward_agent(&agent, program).await {
                        tracing::debug!(%cause, "a program's agent");
                    }
                });
                while programs.try_join_next().is_some() {}
            }
        });
        let socket = Socket {
            path: path.clone(),
            served,
        };
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.insert(id.to_owned(), socket);
        Ok(path)
    }
}

/// Who the client of a session is to a registry.
pub(super) async fn credentials(
    session: Arc<Session>,
    registries: Registries,
    domain: &str,
) -> Result<Credentials, String> {
    OfSession { session, registries }.credentials(domain).await
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
    fn pull(&self, wish: &Wish, tell: Sender<String>) -> Sent<Result<Digest, String>> {
        let (asked, wish) = (self.clone(), wish.clone());
        Box::pin(async move {
            let domain = Reference::parse(&wish.reference)
                .map_err(|error| error.to_string())?
                .domain;
            let credentials = asked.credentials(&domain).await?;
            let pulling = Pulling::of(asked.registries, domain, credentials);
            pulling.pull(&wish, tell).await
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
