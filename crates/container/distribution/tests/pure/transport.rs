use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};

use distribution::config::Proxies;
use distribution::{Client, Config, Credentials, Kind, Settings, Subject};
use driver::Rng;
use pki::Usage;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::fake::{
    Fake, Reply, Seen, authority, certificate, client, configured, expired, impatient, reply, repository,
    settings,
};

const MANIFEST: &str = r#"{"schemaVersion":2,"config":{},"layers":[]}"#;

fn tag() -> Subject {
    Subject::Tag("x".to_owned())
}

fn manifest(_: &Seen) -> Reply {
    reply(200).body(MANIFEST)
}

async fn ask(client: &Client, host: &str) -> Result<(), distribution::Error> {
    let repository = client.repository(host, "a/b", Credentials::Anonymous);
    repository.manifest(&tag()).await.map(drop)
}

#[tokio::test]
async fn on_the_loopback_a_registry_speaks_what_it_speaks() {
    let plain = Fake::plain(manifest).await;
    let secure = Fake::tls(&authority(), "somebody.else", manifest);
    let client = client();
    for fake in [&plain, &secure] {
        for _ in 0..2 {
            ask(&client, &fake.host()).await.unwrap();
        }
        ask(&client, &format!("localhost:{}", fake.port())).await.unwrap();
        assert_eq!(fake.seen().len(), 3);
    }
}

/// On a developer's machine registries come and go on one port.
#[tokio::test]
async fn another_registry_on_the_same_port_may_speak_otherwise() {
    let client = client();
    let own = authority();
    let (chain, key) = certificate(&own, "127.0.0.1", Usage::Server);
    let last = |_: &Seen| reply(200).with("connection", "close").body(MANIFEST);
    let plain = Fake::plain(last).await;
    ask(&client, &plain.host()).await.unwrap();
    let port = plain.end().await;
    let secure = Fake::identified(port, &chain, &key, last);
    ask(&client, &secure.host()).await.unwrap();
    let port = secure.end().await;
    let plain = Fake::plain_at(port, last).await;
    ask(&client, &plain.host()).await.unwrap();
}

#[tokio::test]
async fn who_is_not_there_is_told_in_gos_words() {
    let gone = Fake::plain(manifest).await.host();
    let error = ask(&client(), &gone).await.unwrap_err();
    let expected =
        format!(r#"Get "https://{gone}/v2/a/b/manifests/x": dial tcp {gone}: connect: connection refused"#);
    assert_eq!(error.to_string(), expected);
    assert_eq!(error.kind(), Kind::Unavailable);
    let error = ask(&client(), "nowhere.invalid").await.unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("dial tcp: lookup nowhere.invalid: no such host"),
        "{error}"
    );
}

/// A client for registry `host`, spoken to by TLS as a hosts.toml says.
fn strict(host: &str, options: &str, files: &[(&str, &str)]) -> Client {
    let toml = format!("server = 'https://{host}'\n{options}");
    let own = (format!("certs.d/{host}/hosts.toml"), toml);
    let files: Vec<(String, String)> = files
        .iter()
        .map(|(name, text)| (format!("certs.d/{host}/{name}"), (*text).to_owned()))
        .chain([own])
        .collect();
    let files: Vec<(&str, &str)> = files
        .iter()
        .map(|(name, text)| (name.as_str(), text.as_str()))
        .collect();
    let directory = tempfile::tempdir().unwrap();
    drop(directory);
    configured(&files, settings())
}

#[tokio::test]
async fn authorities_are_trusted_where_a_file_says_so() {
    let (own, other) = (authority(), authority());
    let fake = Fake::tls(&own, "127.0.0.1", manifest);
    let host = fake.host();
    ask(
        &strict(&host, "ca = 'ca.pem'", &[("ca.pem", own.certificate_pem())]),
        &host,
    )
    .await
    .unwrap();
    let both = [
        ("a.pem", other.certificate_pem()),
        ("b.pem", own.certificate_pem()),
    ];
    ask(&strict(&host, "ca = ['a.pem', 'b.pem']", &both), &host)
        .await
        .unwrap();
    let error = ask(
        &strict(&host, "ca = 'ca.pem'", &[("ca.pem", other.certificate_pem())]),
        &host,
    )
    .await
    .unwrap_err();
    let expected = "tls: failed to verify certificate: x509: certificate signed by unknown authority";
    assert!(error.to_string().ends_with(expected), "{error}");
    ask(&strict(&host, "skip_verify = true", &[]), &host)
        .await
        .unwrap();
}

/// In Go's order: a certificate's time, its names, who has signed it.
#[tokio::test]
async fn certificates_are_refused_in_gos_words() {
    let (own, other) = (authority(), authority());
    let made = |name: &str| certificate(&own, name, Usage::Server);
    let (at, elsewhere, named) = (made("127.0.0.1"), made("10.0.0.1"), made("registry.example.com"));
    let authority = (own.certificate_pem().to_owned(), own.key_pem().to_owned());
    let client = certificate(&own, "127.0.0.1", Usage::Client);
    let (mine, others) = (own.certificate_pem(), other.certificate_pem());
    for ((chain, key), trusted, host, expected) in [
        (
            &at,
            others,
            "127.0.0.1",
            "certificate signed by unknown authority",
        ),
        (
            &(SELF_SIGNED.to_owned(), SELF_SIGNED_KEY.to_owned()),
            others,
            "127.0.0.1",
            "certificate signed by unknown authority",
        ),
        (
            &elsewhere,
            mine,
            "127.0.0.1",
            "certificate is valid for 10.0.0.1, not 127.0.0.1",
        ),
        (
            &elsewhere,
            others,
            "127.0.0.1",
            "certificate is valid for 10.0.0.1, not 127.0.0.1",
        ),
        (
            &named,
            mine,
            "localhost",
            "certificate is valid for registry.example.com, not localhost",
        ),
        (
            &named,
            mine,
            "127.0.0.1",
            "cannot validate certificate for 127.0.0.1 because it doesn't contain any IP SANs",
        ),
        (
            &authority,
            others,
            "localhost",
            "certificate is not valid for any names, but wanted to match localhost",
        ),
        (
            &expired(&own, "10.0.0.1"),
            others,
            "127.0.0.1",
            "certificate has expired or is not yet valid",
        ),
        (
            &client,
            mine,
            "127.0.0.1",
            "certificate specifies an incompatible key usage",
        ),
    ] {
        let fake = Fake::identified(0, chain, key, manifest);
        let host = format!("{host}:{}", fake.port());
        let asked = ask(&strict(&host, "ca = 'ca.pem'", &[("ca.pem", trusted)]), &host).await;
        let expected = format!("tls: failed to verify certificate: x509: {expected}");
        let error = asked.unwrap_err().to_string();
        assert!(error.ends_with(&expected), "{expected}: {error}");
    }
    let fake = Fake::identified(0, SELF_SIGNED, SELF_SIGNED_KEY, manifest);
    let host = fake.host();
    ask(&strict(&host, "ca = 'ca.pem'", &[("ca.pem", SELF_SIGNED)]), &host)
        .await
        .unwrap();
}

/// `openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 36500 -subj /CN=self
/// -addext subjectAltName=IP:127.0.0.1`
const SELF_SIGNED: &str = "-----BEGIN CERTIFICATE-----\n\
MIIBhjCCASygAwIBAgIUVMMGBTmGnobuK6KxAOyULCP4LRMwCgYIKoZIzj0EAwIw\n\
DzENMAsGA1UEAwwEc2VsZjAgFw0yNjExMjIxOTI0MDhaGA8yMTI2MTAyOTE5MjQw\n\
OFowDzENMAsGA1UEAwwEc2VsZjBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABBS9\n\
2HLrgzn5+l32UFgBG8uA46PcZkAhhMGMrfc/wJyLiNMGzv6VxPHBhJsZAXzeJbLA\n\
BS8pSHn6fWinUn7yAXGjZDBiMB0GA1UdDgQWBBSlzVHldFgMdhIanUeTgFrGCEk4\n\
JDAfBgNVHSMEGDAWgBSlzVHldFgMdhIanUeTgFrGCEk4JDAPBgNVHRMBAf8EBTAD\n\
AQH/MA8GA1UdEQQIMAaHBH8AAAEwCgYIKoZIzj0EAwIDSAAwRQIgFe3gqdbJX7ru\n\
TOrbrGlXiNzOLzxQJ/voWUxSdIaKn0YCIQD/M8IUTCpbyi6EL0s9qdtbDx0dSvfx\n\
Kl+t0/O0FPGuAg==\n\
-----END CERTIFICATE-----\n";
const SELF_SIGNED_KEY: &str = "-----BEGIN PRIVATE KEY-----\n\
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgc13DnpHWQZfNEo3L\n\
1vaze4jz8lr+LgiX525E1hB0VA+hRANCAAQUvdhy64M5+fpd9lBYARvLgOOj3GZA\n\
IYTBjK33P8Cci4jTBs7+lcTxwYSbGQF83iWywAUvKUh5+n1op1J+8gFx\n\
-----END PRIVATE KEY-----\n";

/// What `openssl req -x509` makes: one certificate that signs itself, says that it is an authority and serves.
#[tokio::test]
async fn a_certificate_that_is_its_own_authority_is_trusted_by_itself() {
    let own = authority();
    let fake = Fake::identified(0, own.certificate_pem(), own.key_pem(), manifest);
    let host = fake.host();
    // It names nobody; what names somebody is tried with a leaf.
    let error = ask(
        &strict(&host, "ca = 'ca.pem'", &[("ca.pem", own.certificate_pem())]),
        &host,
    )
    .await
    .unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("for 127.0.0.1 because it doesn't contain any IP SANs"),
        "{error}"
    );
    let (chain, key) = certificate(&own, "127.0.0.1", Usage::Server);
    let fake = Fake::identified(0, &chain, &key, manifest);
    let host = fake.host();
    ask(&strict(&host, "ca = 'leaf.pem'", &[("leaf.pem", &chain)]), &host)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_certificate_has_its_time_however_it_is_trusted() {
    let own = authority();
    let (chain, key) = expired(&own, "127.0.0.1");
    let fake = Fake::identified(0, &chain, &key, manifest);
    let host = fake.host();
    for trusted in [own.certificate_pem(), &chain] {
        let client = strict(&host, "ca = 'ca.pem'", &[("ca.pem", trusted)]);
        let error = ask(&client, &host).await.unwrap_err();
        let expected = "x509: certificate has expired or is not yet valid";
        assert!(error.to_string().ends_with(expected), "{error}");
    }
}

#[tokio::test]
async fn clients_show_their_certificate() {
    let own = authority();
    let fake = Fake::tls(&own, "127.0.0.1", |seen: &Seen| {
        reply(if seen.certificates > 0 { 200 } else { 403 }).body(MANIFEST)
    });
    let host = fake.host();
    let (chain, key) = certificate(&own, "client", Usage::Client);
    let both = format!("{chain}{key}");
    let files = [
        ("ca.pem", own.certificate_pem()),
        ("cert.pem", &chain),
        ("key.pem", &key),
        ("both.pem", &both),
    ];
    for options in [
        "client = [['cert.pem', 'key.pem']]",
        "client = 'both.pem'",
        "client = ['both.pem']",
    ] {
        ask(
            &strict(&host, &format!("ca = 'ca.pem'\n{options}"), &files),
            &host,
        )
        .await
        .unwrap();
    }
    let error = ask(&strict(&host, "ca = 'ca.pem'", &files), &host)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), Kind::Denied);
}

/// A proxy that leads every CONNECT to one address.
struct Proxy {
    address: String,
    heads: Arc<Mutex<Vec<String>>>,
}

async fn proxy(target: String, status: &'static str) -> Proxy {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let heads = Arc::new(Mutex::new(Vec::new()));
    let seen = heads.clone();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let (target, seen) = (target.clone(), seen.clone());
            tokio::spawn(async move {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(stream.read_u8().await.unwrap());
                }
                seen.lock().unwrap().push(String::from_utf8(head).unwrap());
                stream
                    .write_all(format!("HTTP/1.1 {status}\r\n\r\n").as_bytes())
                    .await
                    .unwrap();
                let mut further = TcpStream::connect(target).await.unwrap();
                drop(tokio::io::copy_bidirectional(&mut stream, &mut further).await);
            });
        }
    });
    Proxy { address, heads }
}

fn through(variable: &str, value: &str) -> Settings {
    let found = |name: &str| (name == variable).then(|| value.to_owned());
    Settings {
        proxies: Proxies::from_variables(found).unwrap(),
        ..settings()
    }
}

fn proxied(server: &str, options: &str, authority: &str, settings: Settings) -> Client {
    let toml = format!("server = '{server}'\n{options}");
    let files = [
        ("certs.d/r.test/hosts.toml", toml.as_str()),
        ("certs.d/r.test/ca.pem", authority),
    ];
    configured(&files, settings)
}

#[tokio::test]
async fn tls_goes_through_a_proxys_tunnel() {
    let own = authority();
    let fake = Fake::tls(&own, "r.test", manifest);
    let proxy = proxy(fake.host(), "200 Connection established").await;
    let settings = through("HTTPS_PROXY", &format!("http://jane:secret@{}", proxy.address));
    let client = proxied("https://r.test", "ca = 'ca.pem'", own.certificate_pem(), settings);
    ask(&client, "r.test").await.unwrap();
    ask(&client, "r.test").await.unwrap();
    let expected = "CONNECT r.test:443 HTTP/1.1\r\nHost: r.test:443\r\nProxy-Authorization: Basic amFuZTpzZWNyZXQ=\r\n\r\n";
    assert_eq!(*proxy.heads.lock().unwrap(), [expected], "the connection is kept");
    assert!(
        fake.seen()
            .iter()
            .all(|seen| seen.header("proxy-authorization").is_none())
    );
}

#[tokio::test]
async fn a_proxy_that_refuses_is_named() {
    let proxy = proxy("127.0.0.1:1".to_owned(), "407 Proxy Authentication Required").await;
    let client = proxied("https://r.test", "", "", through("HTTPS_PROXY", &proxy.address));
    let error = ask(&client, "r.test").await.unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("proxyconnect tcp: 407 Proxy Authentication Required"),
        "{error}"
    );
    let client = proxied("https://r.test", "", "", through("HTTPS_PROXY", "127.0.0.1:1"));
    let error = ask(&client, "r.test").await.unwrap_err();
    let expected = "proxyconnect tcp: dial tcp 127.0.0.1:1: connect: connection refused";
    assert!(error.to_string().ends_with(expected), "{error}");
}

#[tokio::test]
async fn plain_requests_are_forwarded() {
    let proxy = Fake::plain(manifest).await;
    let settings = through("http_proxy", &format!("jane:secret@{}", proxy.host()));
    let client = proxied("http://r.test:5000", "", "", settings);
    ask(&client, "r.test").await.unwrap();
    let seen = &proxy.seen()[0];
    assert_eq!(seen.path, "http://r.test:5000/v2/a/b/manifests/x");
    assert_eq!(seen.header("proxy-authorization"), Some("Basic amFuZTpzZWNyZXQ="));
    assert_eq!(seen.header("host"), Some("r.test:5000"));
}

#[tokio::test]
async fn a_request_says_who_asks() {
    let fake = Fake::plain(manifest).await;
    let named = Settings {
        agent: "docker/28.0 gantry".to_owned(),
        ..settings()
    };
    let client = Client::new(Config::default(), named, Rng::from_seed(1));
    ask(&client, &fake.host()).await.unwrap();
    let seen = &fake.seen()[0];
    assert_eq!(
        (seen.header("user-agent"), seen.header("host")),
        (Some("docker/28.0 gantry"), Some(fake.host().as_str()))
    );
}

#[tokio::test]
async fn an_answer_that_never_begins_is_given_up() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let silent = tokio::spawn(async move {
        let mut kept = Vec::new();
        loop {
            kept.push(listener.accept().await.unwrap());
        }
    });
    let toml = format!("server = 'http://{address}'");
    let client = configured(&[(&format!("certs.d/{address}/hosts.toml"), &toml)], impatient());
    let error = ask(&client, &address).await.unwrap_err();
    assert!(error.to_string().contains("no progress"), "{error}");
    silent.abort();
}

#[tokio::test]
async fn a_kept_connection_that_ended_is_made_anew() {
    let fake = Fake::plain(|_: &Seen| reply(200).with("connection", "close").body(MANIFEST)).await;
    let repository = repository(&fake);
    for _ in 0..3 {
        repository.manifest(&tag()).await.unwrap();
    }
}
