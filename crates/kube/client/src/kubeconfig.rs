//! A kubeconfig: which server, whom to trust, and who one is.
//!
//! Reading it is pure: files that it names are read by the caller's function.

use std::io;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

/// What a client needs to reach a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Context {
    /// `HOST:PORT`
    pub authority: String,
    /// The authorities that are trusted, PEM.
    pub trust: Vec<u8>,
    /// Who asks.
    pub credentials: Credentials,
    /// The namespace of requests that name none.
    pub namespace: String,
}

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credentials {
    /// Nobody in particular.
    Anonymous,
    /// The holder of a certificate (PEM) and its key (PEM).
    Certificate(Vec<u8>, Vec<u8>),
    /// The bearer of a token.
    Token(String),
}

/// Why a kubeconfig is of no use.
#[derive(Debug, thiserror::Error)]
pub enum KubeconfigError {
    /// It is no kubeconfig.
    #[error("not a kubeconfig: {0}")]
    Syntax(String),
    /// What it refers to is not there.
    #[error("{0} {1:?} does not exist")]
    Missing(&'static str, String),
    /// A file that it names cannot be read.
    #[error("unable to read {0}")]
    File(String, #[source] io::Error),
    /// Data that is not base64.
    #[error("{0} is not base64")]
    Data(&'static str),
    /// Something that is not supported here: plain HTTP, a plugin, a password.
    #[error("{0} is not supported")]
    Unsupported(String),
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct File {
    #[serde(default)]
    clusters: Vec<Named<Cluster>>,
    #[serde(default)]
    users: Vec<Named<User>>,
    #[serde(default)]
    contexts: Vec<Named<Chosen>>,
    #[serde(default)]
    current_context: String,
}

#[derive(Deserialize)]
struct Named<T> {
    name: String,
    #[serde(flatten)]
    body: T,
}

#[derive(Deserialize)]
struct Cluster {
    cluster: ClusterBody,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct ClusterBody {
    server: String,
    #[serde(default)]
    certificate_authority: String,
    #[serde(default)]
    certificate_authority_data: String,
    #[serde(default)]
    insecure_skip_tls_verify: bool,
    #[serde(default)]
    proxy_url: String,
}

#[derive(Deserialize)]
struct User {
    #[serde(default)]
    user: UserBody,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
struct UserBody {
    client_certificate: String,
    client_certificate_data: String,
    client_key: String,
    client_key_data: String,
    token: String,
    #[serde(rename = "tokenFile")]
    token_file: String,
    username: String,
    exec: Option<serde::de::IgnoredAny>,
    auth_provider: Option<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
struct Chosen {
    context: ContextBody,
}

#[derive(Deserialize)]
struct ContextBody {
    cluster: String,
    #[serde(default)]
    user: String,
    #[serde(default)]
    namespace: String,
}

impl Context {
    /// The context of this name, or the current one if it is empty. `read` reads the files that are named.
    ///
    /// # Errors
    /// See [`KubeconfigError`].
    pub fn parse(
        yaml: &[u8],
        context: &str,
        read: impl Fn(&str) -> io::Result<Vec<u8>>,
    ) -> Result<Self, KubeconfigError> {
        let json = schema::yaml::to_json(yaml).map_err(|error| KubeconfigError::Syntax(error.to_string()))?;
        let file: File =
            serde_json::from_slice(&json).map_err(|error| KubeconfigError::Syntax(error.to_string()))?;
        let name = if context.is_empty() {
            &file.current_context
        } else {
            context
        };
        let chosen = &find("context", &file.contexts, name)?.context;
        let cluster = &find("cluster", &file.clusters, &chosen.cluster)?.cluster;
        let user = match chosen.user.as_str() {
            "" => &UserBody::default(),
            name => &find("user", &file.users, name)?.user,
        };
        Ok(Self {
            authority: authority(cluster)?,
            trust: bytes(
                "certificate-authority-data",
                &cluster.certificate_authority_data,
                &cluster.certificate_authority,
                &read,
            )?,
            credentials: credentials(user, &read)?,
            namespace: chosen.namespace.clone(),
        })
    }
}

fn find<'a, T>(what: &'static str, all: &'a [Named<T>], name: &str) -> Result<&'a T, KubeconfigError> {
    let found = all.iter().find(|each| each.name == name);
    found
        .map(|named| &named.body)
        .ok_or_else(|| KubeconfigError::Missing(what, name.to_owned()))
}

fn authority(cluster: &ClusterBody) -> Result<String, KubeconfigError> {
    let unsupported = |what: &str| Err(KubeconfigError::Unsupported(what.to_owned()));
    if cluster.insecure_skip_tls_verify {
        return unsupported("insecure-skip-tls-verify");
    }
    if !cluster.proxy_url.is_empty() {
        return unsupported("proxy-url");
    }
    let Some(host) = cluster.server.strip_prefix("https://") else {
        return unsupported(&format!("server {}", cluster.server));
    };
    match host.trim_end_matches('/') {
        path if path.contains('/') => unsupported(&format!("server {} with a path", cluster.server)),
        host if host.rsplit(']').next().is_some_and(|end| end.contains(':')) => Ok(host.to_owned()),
        host => Ok(format!("{host}:443")),
    }
}

fn credentials(
    user: &UserBody,
    read: &impl Fn(&str) -> io::Result<Vec<u8>>,
) -> Result<Credentials, KubeconfigError> {
    let unsupported = |what: &str| Err(KubeconfigError::Unsupported(what.to_owned()));
    if user.exec.is_some() || user.auth_provider.is_some() {
        return unsupported("a credential plugin");
    }
    if !user.username.is_empty() {
        return unsupported("a password");
    }
    if !user.token.is_empty() {
        return Ok(Credentials::Token(user.token.clone()));
    }
    if !user.token_file.is_empty() {
        let token = bytes("tokenFile", "", &user.token_file, read)?;
        return Ok(Credentials::Token(
            String::from_utf8_lossy(&token).trim().to_owned(),
        ));
    }
    let certificate = bytes(
        "client-certificate-data",
        &user.client_certificate_data,
        &user.client_certificate,
        read,
    )?;
    let key = bytes("client-key-data", &user.client_key_data, &user.client_key, read)?;
    Ok(match certificate.is_empty() {
        true => Credentials::Anonymous,
        false => Credentials::Certificate(certificate, key),
    })
}

/// What is written in the file itself, or else in the file that it names.
fn bytes(
    what: &'static str,
    data: &str,
    path: &str,
    read: &impl Fn(&str) -> io::Result<Vec<u8>>,
) -> Result<Vec<u8>, KubeconfigError> {
    if !data.is_empty() {
        return STANDARD.decode(data).map_err(|_| KubeconfigError::Data(what));
    }
    if path.is_empty() {
        return Ok(Vec::new());
    }
    read(path).map_err(|error| KubeconfigError::File(path.to_owned(), error))
}

#[cfg(test)]
mod tests {
    use super::*;

    const YAML: &str = "
apiVersion: v1
kind: Config
clusters:
- name: g
  cluster: {server: 'https://127.0.0.1:6443', certificate-authority-data: Q0E=}
- name: plain
  cluster: {server: 'http://127.0.0.1:8080'}
users:
- name: admin
  user: {client-certificate-data: Q0VSVA==, client-key: key.pem}
- name: bot
  user: {token: abc}
- name: plugin
  user: {exec: {command: x}}
contexts:
- name: a
  context: {cluster: g, user: admin}
- name: b
  context: {cluster: g, user: bot, namespace: team}
- name: c
  context: {cluster: plain, user: bot}
- name: d
  context: {cluster: g, user: plugin}
- name: e
  context: {cluster: nowhere}
current-context: a
";

    fn parse(context: &str) -> Result<Context, String> {
        let read = |path: &str| Ok(path.as_bytes().to_vec());
        Context::parse(YAML.as_bytes(), context, read).map_err(|error| error.to_string())
    }

    #[test]
    fn a_context_is_read_with_its_files() {
        let current = parse("").unwrap();
        assert_eq!(current.authority, "127.0.0.1:6443");
        assert_eq!(current.trust, b"CA");
        let certificate = Credentials::Certificate(b"CERT".to_vec(), b"key.pem".to_vec());
        assert_eq!(current.credentials, certificate);
        let bot = parse("b").unwrap();
        assert_eq!(
            (bot.credentials, &*bot.namespace),
            (Credentials::Token("abc".to_owned()), "team")
        );
    }

    #[test]
    fn what_cannot_be_used_is_said() {
        let cases = [
            ("c", "server http://127.0.0.1:8080 is not supported"),
            ("d", "a credential plugin is not supported"),
            ("e", "cluster \"nowhere\" does not exist"),
            ("z", "context \"z\" does not exist"),
        ];
        for (context, text) in cases {
            assert_eq!(parse(context).unwrap_err(), text);
        }
    }
}
