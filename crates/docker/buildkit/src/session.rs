//! Sessions: connections on which a client serves what a build needs of it. Here the daemon is the caller.
//!
//! A session lives as long as its connection; whoever works for it hears of its end. A build may name a session that
//! is still on its way, so looking one up waits a little.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use tokio::sync::watch;

use crate::grpc::{Channel, Code, Status, Stream, connect};
use crate::proto::{exporter, filesync, health, secrets, ssh};

/// Sessions at once.
const MAX_SESSIONS: usize = 256;
/// The longest id, name or key in bytes, and the most methods.
const MAX_TEXT: usize = 1024;
const MAX_METHODS: usize = 256;
/// How long a session may be on its way; upstream's figure.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often a client is asked whether it is well, and how long it may take.
const HEALTH: Duration = Duration::from_secs(5);
const HEALTH_PATIENCE: Duration = Duration::from_secs(30);
/// The largest secret in bytes; upstream's figure.
const MAX_SECRET: usize = 500 << 10;
/// The largest archive that is pulled from a client, in bytes.
pub(crate) const MAX_UPLOAD: u64 = 16 << 30;

/// What a client says of itself when it opens a session (headers of `POST /session`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionHead {
    /// Its id, chosen by the client.
    pub id: String,
    /// What it calls itself.
    pub name: String,
    /// Equal for clients whose files may be taken for each other's.
    pub shared_key: String,
    /// `/package.Service/Method` of what it serves.
    pub methods: BTreeSet<String>,
}

impl SessionHead {
    /// Reads the headers.
    ///
    /// # Errors
    /// A sentence, where they make no sense.
    pub fn read(headers: &HeaderMap) -> Result<Self, String> {
        let text = |name: &str| {
            let value = headers.get(name).map_or(Ok(""), |value| value.to_str());
            match value {
                Ok(text) if text.len() <= MAX_TEXT => Ok(text.to_owned()),
                _ => Err(format!("{name} is no text of at most {MAX_TEXT} bytes")),
            }
        };
        let methods = headers.get_all("x-docker-expose-session-grpc-method");
        let methods = methods.iter().filter_map(|value| value.to_str().ok());
        let head = Self {
            id: text("x-docker-expose-session-uuid")?,
            name: text("x-docker-expose-session-name")?,
            shared_key: text("x-docker-expose-session-sharedkey")?,
            methods: methods.map(String::from).collect(),
        };
        if head.id.is_empty() {
            return Err("X-Docker-Expose-Session-Uuid is missing".to_owned());
        }
        if head.methods.len() > MAX_METHODS {
            return Err(format!("a session of more than {MAX_METHODS} methods"));
        }
        Ok(head)
    }
}

/// The sessions there are.
#[derive(Debug, Default)]
pub struct Sessions {
    table: Mutex<BTreeMap<String, Arc<Session>>>,
    changed: watch::Sender<()>,
}

impl Sessions {
    fn table(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Session>>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a session may be opened.
    ///
    /// # Errors
    /// There is one of its id, or there are too many.
    pub fn admits(&self, head: &SessionHead) -> Result<(), Status> {
        admit(&self.table(), head)
    }

    /// Keeps a session until its connection ends, or its client does not answer any more.
    ///
    /// # Errors
    /// The stream broke off at once, or [`Self::admits`]'s.
    pub async fn keep(&self, head: SessionHead, stream: Box<dyn Stream>) -> Result<(), Status> {
        let (channel, driven) = connect(stream).await?;
        let (end, ended) = watch::channel(());
        let id = head.id.clone();
        let session = Arc::new(Session { head, channel, ended });
        {
            let mut table = self.table();
            admit(&table, &session.head)?;
            table.insert(id.clone(), session.clone());
        }
        let _seat = Seat {
            sessions: self,
            id,
            end,
        };
        self.changed.send_replace(());
        tokio::select! {
            () = driven => {}
            () = session.until_unwell() => {}
        }
        Ok(())
    }

    /// The session of an id; waits for one that is on its way.
    ///
    /// # Errors
    /// [`Code::NotFound`] after five seconds.
    pub async fn get(&self, id: &str) -> Result<Arc<Session>, Status> {
        self.within(PATIENCE, id).await
    }

    async fn within(&self, patience: Duration, id: &str) -> Result<Arc<Session>, Status> {
        let mut changed = self.changed.subscribe();
        let found = async {
            loop {
                if let Some(session) = self.table().get(id).cloned() {
                    return session;
                }
                // The sender lives in `self`.
                let _ = changed.changed().await;
            }
        };
        tokio::time::timeout(patience, found).await.map_err(|_| {
            Status::new(
                Code::NotFound,
                format!("no active session for {id}: context deadline exceeded"),
            )
        })
    }
}

fn admit(table: &BTreeMap<String, Arc<Session>>, head: &SessionHead) -> Result<(), Status> {
    if table.contains_key(&head.id) {
        let sentence = format!("session {} already exists", head.id);
        return Err(Status::new(Code::AlreadyExists, sentence));
    }
    if table.len() >= MAX_SESSIONS {
        let sentence = format!("there are {MAX_SESSIONS} sessions already");
        return Err(Status::new(Code::ResourceExhausted, sentence));
    }
    Ok(())
}

/// A session's place in the table; dropping it is the session's end.
struct Seat<'a> {
    sessions: &'a Sessions,
    id: String,
    end: watch::Sender<()>,
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        self.sessions.table().remove(&self.id);
        tracing::debug!(
            session = self.id,
            waiting = self.end.receiver_count(),
            "session ended"
        );
    }
}

/// A client that serves.
#[derive(Debug)]
pub struct Session {
    head: SessionHead,
    channel: Channel,
    ended: watch::Receiver<()>,
}

impl Session {
    /// What the client says of itself.
    #[must_use]
    pub const fn head(&self) -> &SessionHead {
        &self.head
    }

    /// Returns once the client has gone.
    pub async fn ended(&self) {
        let mut ended = self.ended.clone();
        while ended.changed().await.is_ok() {}
    }

    /// The connection, for a method that the client serves.
    ///
    /// # Errors
    /// It does not.
    pub(crate) fn serves(&self, method: &str) -> Result<&Channel, Status> {
        if self.head.methods.contains(method) {
            Ok(&self.channel)
        } else {
            Err(Status::unimplemented(format!(
                "the client does not serve {method}"
            )))
        }
    }

    async fn until_unwell(&self) {
        const CHECK: &str = "/grpc.health.v1.Health/Check";
        let Ok(channel) = self.serves(CHECK) else {
            return std::future::pending().await;
        };
        loop {
            tokio::time::sleep(HEALTH).await;
            let question = health::HealthCheckRequest::default();
            let asked = channel.unary::<health::HealthCheckResponse>(CHECK, &question);
            match tokio::time::timeout(HEALTH_PATIENCE, asked).await {
                Ok(Ok(_)) => {}
                Ok(Err(status)) if status.code == Code::Unimplemented => {}
                _ => return,
            }
        }
    }

    /// `Secrets.GetSecret`; `None` if the client has none of this name.
    ///
    /// # Errors
    /// The client's, or a secret that is too large.
    pub async fn secret(&self, id: &str) -> Result<Option<Bytes>, Status> {
        const GET: &str = "/moby.buildkit.secrets.v1.Secrets/GetSecret";
        let question = secrets::GetSecretRequest {
            id: id.to_owned(),
            annotations: BTreeMap::new(),
        };
        let Ok(channel) = self.serves(GET) else {
            return Ok(None);
        };
        match channel.unary::<secrets::GetSecretResponse>(GET, &question).await {
            Ok(secret) if secret.data.len() > MAX_SECRET => {
                let sentence = format!("secret {id} is larger than {MAX_SECRET} bytes");
                Err(Status::new(Code::ResourceExhausted, sentence))
            }
            Ok(secret) => Ok(Some(secret.data)),
            Err(status) if matches!(status.code, Code::NotFound | Code::Unimplemented) => Ok(None),
            Err(status) => Err(status),
        }
    }

    /// `Exporter.FindExporters`: outputs that the client's side adds to those that were asked for.
    ///
    /// # Errors
    /// The client's.
    pub(crate) async fn exporters(&self) -> Result<Vec<String>, Status> {
        const FIND: &str = "/moby.exporter.v1.Exporter/FindExporters";
        let Ok(channel) = self.serves(FIND) else {
            return Ok(Vec::new());
        };
        let question = exporter::FindExportersRequest::default();
        let answer: exporter::FindExportersResponse = channel.unary(FIND, &question).await?;
        Ok(answer.exporters.into_iter().map(|each| each.r#type).collect())
    }

    /// `SSH.CheckAgent`: whether the client forwards an agent of this name.
    ///
    /// # Errors
    /// The connection's.
    pub async fn has_agent(&self, id: &str) -> Result<bool, Status> {
        const CHECK: &str = "/moby.sshforward.v1.SSH/CheckAgent";
        let question = ssh::CheckAgentRequest { id: id.to_owned() };
        let Ok(channel) = self.serves(CHECK) else {
            return Ok(false);
        };
        match channel.unary::<ssh::CheckAgentResponse>(CHECK, &question).await {
            Ok(_) => Ok(true),
            Err(status) if matches!(status.code, Code::Unavailable | Code::Cancelled) => Err(status),
            Err(_) => Ok(false),
        }
    }

    /// `SSH.ForwardAgent`: joins a program's connection to the client's agent until one of them closes.
    ///
    /// # Errors
    /// The client's.
    pub async fn forward_agent(&self, id: &str, mut program: impl Stream) -> Result<(), Status> {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let channel = self.serves("/moby.sshforward.v1.SSH/ForwardAgent")?;
        let (mut sender, mut incoming) = channel
            .open("/moby.sshforward.v1.SSH/ForwardAgent", &[("buildkit.ssh.id", id)])
            .await?;
        let (mut reader, mut writer) = tokio::io::split(&mut program);
        let to_agent = async {
            let mut piece = vec![0; 32 << 10];
            loop {
                let read = reader.read(&mut piece).await.unwrap_or(0);
                if read == 0 {
                    sender.close();
                    return Ok::<_, Status>(());
                }
                let data = Bytes::copy_from_slice(&piece[..read]);
                sender.send(&filesync::BytesMessage { data }).await?;
            }
        };
        let from_agent = async {
            while let Some(message) = incoming.message::<filesync::BytesMessage>().await? {
                if writer.write_all(&message.data).await.is_err() {
                    break;
                }
            }
            Ok(())
        };
        // A program that has sent everything still waits for the answer.
        tokio::try_join!(to_agent, from_agent).map(drop)
    }

    /// `Auth.Credentials`: the client's user name and secret for a registry; both empty if it has none.
    ///
    /// # Errors
    /// The client's.
    pub async fn credentials(&self, host: &str) -> Result<(String, String), Status> {
        const GET: &str = "/moby.filesync.v1.Auth/Credentials";
        let question = filesync::CredentialsRequest {
            host: host.to_owned(),
        };
        let Ok(channel) = self.serves(GET) else {
            return Ok(<_>::default());
        };
        let answer = channel
            .unary::<filesync::CredentialsResponse>(GET, &question)
            .await?;
        Ok((answer.username, answer.secret))
    }

    /// `Auth.FetchToken`: a token that the client gets for us, and the seconds it is good for; `None` where it
    /// leaves that to us.
    ///
    /// # Errors
    /// The client's.
    pub async fn token(
        &self,
        host: &str,
        realm: &str,
        service: &str,
        scopes: Vec<String>,
    ) -> Result<Option<(String, u64)>, Status> {
        const FETCH: &str = "/moby.filesync.v1.Auth/FetchToken";
        let question = filesync::FetchTokenRequest {
            client_id: "buildkit-client".to_owned(),
            host: host.to_owned(),
            realm: realm.to_owned(),
            service: service.to_owned(),
            scopes,
        };
        let Ok(channel) = self.serves(FETCH) else {
            return Ok(None);
        };
        match channel
            .unary::<filesync::FetchTokenResponse>(FETCH, &question)
            .await
        {
            Ok(answer) => Ok(Some((
                answer.token,
                u64::try_from(answer.expires_in).unwrap_or(0),
            ))),
            Err(status) if matches!(status.code, Code::Unimplemented | Code::Unavailable) => Ok(None),
            Err(status) => Err(status),
        }
    }

    /// `Auth.GetTokenAuthority`: the public key of whoever answers for a registry; empty if nobody does.
    ///
    /// # Errors
    /// The client's.
    pub async fn token_authority(&self, host: &str, salt: Bytes) -> Result<Bytes, Status> {
        const GET: &str = "/moby.filesync.v1.Auth/GetTokenAuthority";
        let question = filesync::GetTokenAuthorityRequest {
            host: host.to_owned(),
            salt,
        };
        let answer = self
            .serves(GET)?
            .unary::<filesync::GetTokenAuthorityResponse>(GET, &question)
            .await?;
        Ok(answer.public_key)
    }

    /// `Auth.VerifyTokenAuthority`: a payload, signed by that key.
    ///
    /// # Errors
    /// The client's.
    pub async fn verify_token_authority(
        &self,
        host: &str,
        payload: Bytes,
        salt: Bytes,
    ) -> Result<Bytes, Status> {
        const VERIFY: &str = "/moby.filesync.v1.Auth/VerifyTokenAuthority";
        let question = filesync::VerifyTokenAuthorityRequest {
            host: host.to_owned(),
            payload,
            salt,
        };
        let channel = self.serves(VERIFY)?;
        let answer = channel
            .unary::<filesync::VerifyTokenAuthorityResponse>(VERIFY, &question)
            .await?;
        Ok(answer.signed)
    }

    /// `Upload.Pull`: what the client reads from its standard input, piece by piece.
    ///
    /// # Errors
    /// The client's, and more than 16 GiB.
    pub async fn pull(
        &self,
        path: &str,
        mut take: impl FnMut(&[u8]) -> std::io::Result<()> + Send,
    ) -> Result<u64, Status> {
        const PULL: &str = "/moby.upload.v1.Upload/Pull";
        let channel = self.serves(PULL)?;
        let (_sender, mut incoming) = channel.open(PULL, &[("urlpath", path)]).await?;
        let mut taken: u64 = 0;
        while let Some(message) = incoming.message::<filesync::BytesMessage>().await? {
            taken += message.data.len() as u64;
            if taken > MAX_UPLOAD {
                let sentence = format!("what the client sends is larger than {MAX_UPLOAD} bytes");
                return Err(Status::new(Code::ResourceExhausted, sentence));
            }
            take(&message.data).map_err(|cause| {
                Status::new(Code::Internal, format!("keeping what the client sends: {cause}"))
            })?;
        }
        Ok(taken)
    }
}

#[cfg(test)]
mod tests;
