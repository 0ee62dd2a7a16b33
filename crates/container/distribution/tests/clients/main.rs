//! The client against Debian's docker-registry, which is upstream's own.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test's helpers fail the test by panicking"
)]

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use distribution::auth::AuthConfig;
use distribution::config::Sources;
use distribution::{
    Client, Config, Credentials, Document, Error, Kind, Mounted, Page, Repository, Settings, Subject,
};
use driver::Rng;
use image::{Descriptor, Digest, Hasher, media_type};
use pki::{Authority, Profile, SubjectName, Usage};
use tempfile::TempDir;

/// What htpasswd(1) makes of `jane` and `secret`.
const HTPASSWD: &str = "jane:$2y$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a\n";

/// A running registry.
struct Registry {
    process: Child,
    host: String,
    _directory: TempDir,
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

/// Starts a registry with these sections in its configuration; `DIR` is its directory, which has these files.
fn start(sections: &str, http: &str, files: &[(&str, &str)]) -> Registry {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().to_str().unwrap().to_owned();
    for (name, text) in files {
        fs::write(directory.path().join(name), text).unwrap();
    }
    let config = format!(
        "version: 0.1\nstorage:\n  filesystem: {{rootdirectory: DIR/data}}\n  delete: {{enabled: true}}\n\
         http:\n  addr: 127.0.0.1:0\n  secret: x\n{http}{sections}"
    );
    fs::write(directory.path().join("config.yml"), config.replace("DIR", &path)).unwrap();
    let mut process = Command::new("docker-registry")
        .args(["serve", &format!("{path}/config.yml")])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("docker-registry is needed: cargo xtask test clients installs it");
    let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
    let host = lines.find_map(|line| {
        let line = line.ok()?;
        let (_, rest) = line.split_once("listening on 127.0.0.1:")?;
        let port: String = rest.chars().take_while(char::is_ascii_digit).collect();
        Some(format!("127.0.0.1:{port}"))
    });
    // Whoever stops reading what it writes would stop it.
    std::thread::spawn(move || lines.for_each(drop));
    Registry {
        host: host.expect("the registry says where it listens"),
        process,
        _directory: directory,
    }
}

fn client(config: Config) -> Client {
    Client::new(config, Settings::default(), Rng::from_seed(1))
}

fn jane(password: &str) -> Credentials {
    Credentials::of_user("jane".to_owned(), password.to_owned())
}

async fn push(repository: &Repository, blob: &Bytes, tag: &str) -> Result<Document, Error> {
    for bytes in [blob.clone(), Bytes::from_static(b"{}")] {
        let digest = Digest::of(&bytes);
        if repository.has_blob(digest).await?.is_none() {
            repository
                .upload(None, digest, Arc::new(bytes), Arc::new(|_| {}))
                .await?;
        }
    }
    let config = Descriptor::new(media_type::CONFIG, Digest::of(b"{}"), 2);
    let layer = Descriptor::new(media_type::LAYER, Digest::of(blob), blob.len() as u64);
    let manifest = serde_json::json!({
        "schemaVersion": 2, "mediaType": media_type::MANIFEST, "config": config, "layers": [layer],
    });
    let bytes = Bytes::from(manifest.to_string());
    let subject = Subject::Tag(tag.to_owned());
    let stored = repository
        .put_manifest(&subject, media_type::MANIFEST, bytes.clone())
        .await?;
    let descriptor = Descriptor::new(media_type::MANIFEST, stored.digest, bytes.len() as u64);
    Ok(Document { descriptor, bytes })
}

async fn pull(repository: &Repository, blob: &[u8], already: usize) -> Vec<u8> {
    let descriptor = Descriptor::new(media_type::LAYER, Digest::of(blob), blob.len() as u64);
    let mut hasher = Hasher::default();
    hasher.update(&blob[..already]);
    let mut stream = repository.blob(&descriptor, hasher);
    let mut all = blob[..already].to_vec();
    while let Some(piece) = stream.piece().await.unwrap() {
        all.extend_from_slice(&piece);
    }
    all
}

/// Bytes that are not all alike.
fn layer() -> Bytes {
    (0..3_000_000_u32)
        .flat_map(u32::to_le_bytes)
        .collect::<Vec<_>>()
        .into()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_pushed_is_pulled() {
    let registry = start("", "", &[]);
    let client = client(Config::default());
    let repository = client.repository(&registry.host, "a/b", Credentials::Anonymous);
    let layer = layer();
    let pushed = push(&repository, &layer, "one").await.unwrap();
    let tag = Subject::Tag("one".to_owned());
    assert_eq!(repository.resolve(&tag).await.unwrap(), pushed.descriptor);
    assert_eq!(repository.manifest(&tag).await.unwrap(), pushed);
    assert!(pull(&repository, &layer, 0).await == layer);
    assert!(pull(&repository, &layer, 1_234_567).await == layer);
    push(&repository, &Bytes::from_static(b"other"), "two")
        .await
        .unwrap();
    assert_eq!(repository.tags(Page::default()).await.unwrap(), ["one", "two"]);
    let page = Page {
        limit: Some(1),
        last: Some("one".to_owned()),
    };
    assert_eq!(repository.tags(page).await.unwrap(), ["two"]);

    let other = client.repository(&registry.host, "c", Credentials::Anonymous);
    assert_eq!(
        other.mount(Digest::of(&layer), "a/b").await.unwrap(),
        Mounted::Yes
    );
    assert_eq!(
        other.has_blob(Digest::of(&layer)).await.unwrap(),
        Some(layer.len() as u64)
    );
    let Mounted::No(begun) = other.mount(Digest::of(b"new"), "a/b").await.unwrap() else {
        panic!("there is no such blob");
    };
    let new = Arc::new(Bytes::from_static(b"new"));
    other
        .upload(Some(begun), Digest::of(b"new"), new, Arc::new(|_| {}))
        .await
        .unwrap();
    let all = client
        .catalog(&registry.host, Credentials::Anonymous, Page::default())
        .await
        .unwrap();
    assert_eq!(all, ["a/b", "c"]);
    assert_eq!(
        repository
            .referrers(pushed.descriptor.digest, None)
            .await
            .unwrap(),
        []
    );

    repository
        .delete_manifest(&Subject::Digest(pushed.descriptor.digest))
        .await
        .unwrap();
    let error = repository.resolve(&tag).await.unwrap_err();
    let reference = image::Reference::parse("localhost:5000/a/b:one").unwrap();
    assert_eq!(error.kind(), Kind::NotFound);
    assert_eq!(
        error.pulling(&reference),
        "manifest for localhost:5000/a/b:one not found: manifest unknown: manifest unknown"
    );
    repository.delete_blob(Digest::of(&layer)).await.unwrap();
    assert_eq!(repository.has_blob(Digest::of(&layer)).await.unwrap(), None);
    let wrong = repository
        .upload(None, Digest::of(b"x"), Arc::new(layer), Arc::new(|_| {}))
        .await
        .unwrap_err();
    assert_eq!(
        wrong.pushing(),
        "digest invalid: provided digest did not match uploaded content"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_asked_for_and_checked() {
    let auth = "auth:\n  htpasswd: {realm: test, path: DIR/htpasswd}\n";
    let registry = start(auth, "", &[("htpasswd", HTPASSWD)]);
    let client = client(Config::default());
    let who = |password: &str| AuthConfig {
        credentials: jane(password),
        server_address: registry.host.clone(),
    };
    assert_eq!(client.login(&who("secret")).await.unwrap().identity_token, "");
    let error = client.login(&who("wrong")).await.unwrap_err();
    let expected = format!(
        "login attempt to https://{}/v2/ failed with status: 401 Unauthorized",
        registry.host
    );
    assert_eq!(error.to_string(), expected);
    let repository = client.repository(&registry.host, "a", jane("secret"));
    let pushed = push(&repository, &layer(), "one").await.unwrap();
    let tag = Subject::Tag("one".to_owned());
    assert_eq!(repository.resolve(&tag).await.unwrap(), pushed.descriptor);
    for credentials in [jane("wrong"), Credentials::Anonymous] {
        let stranger = client.repository(&registry.host, "a", credentials);
        assert_eq!(
            stranger.resolve(&tag).await.unwrap_err().kind(),
            Kind::Unauthorized
        );
        let refused = push(&stranger, &Bytes::from_static(b"x"), "two")
            .await
            .unwrap_err();
        assert_eq!(refused.kind(), Kind::Unauthorized);
    }
}

#[tokio::test(flavor = "multi_thread")]
#[allow(clippy::disallowed_methods, reason = "certificates are good now")]
async fn its_authority_is_trusted_where_docker_looks() {
    let now = SystemTime::now();
    let authority = Authority::generate("test", now).unwrap();
    let profile = Profile {
        common_name: "registry",
        organizations: &[],
        names: &[SubjectName::from("127.0.0.1")],
        usage: Usage::Server,
        validity: Duration::from_secs(3600),
    };
    let leaf = authority.issue(&profile, now).unwrap();
    let tls = "  tls: {certificate: DIR/cert.pem, key: DIR/key.pem}\n";
    let files = [("cert.pem", leaf.certificate_pem()), ("key.pem", leaf.key_pem())];
    let registry = start("", tls, &files);
    let directory = tempfile::tempdir().unwrap();
    let own = directory.path().join("docker").join(&registry.host);
    fs::create_dir_all(&own).unwrap();
    fs::write(own.join("ca.crt"), authority.certificate_pem()).unwrap();
    // Written so, the address is what it says: no certificate is taken unseen.
    let hosts = directory.path().join("hosts").join(&registry.host);
    fs::create_dir_all(&hosts).unwrap();
    fs::write(
        hosts.join("hosts.toml"),
        format!("server = 'https://{}'", registry.host),
    )
    .unwrap();
    let sources = Sources {
        hosts: vec![directory.path().join("hosts")],
        certificates: vec![directory.path().join("docker")],
        ..Sources::default()
    };
    let (config, _) = Config::load(&sources).unwrap();
    let repository = client(config).repository(&registry.host, "a", Credentials::Anonymous);
    let layer = layer();
    push(&repository, &layer, "one").await.unwrap();
    assert!(pull(&repository, &layer, 0).await == layer);
}
