use std::fs;
use std::path::Path;

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::auth::{Answer, Helper};

/// A directory with files.
fn files(files: &[(&str, &str)]) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = directory.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    directory
}

fn sources(directory: &TempDir) -> Sources {
    let at = |name: &str| vec![directory.path().join(name)];
    Sources {
        hosts: at("certs.d"),
        certificates: at("docker"),
        registries: at("registries.yaml"),
        ..Sources::default()
    }
}

fn load(texts: &[(&str, &str)]) -> Result<(Config, Vec<String>), ConfigError> {
    Config::load(&sources(&files(texts)))
}

fn shown(endpoint: &Endpoint) -> String {
    let has = |has: bool, letter: char| if has { letter } else { '-' };
    let Capabilities {
        pull,
        resolve,
        push,
        referrers,
    } = endpoint.capabilities;
    let upstream = if endpoint.upstream { " upstream" } else { "" };
    let fallback = match &endpoint.fallback {
        Fallback::Strict => "",
        Fallback::Insecure => " insecure",
        Fallback::Networks(_) => " networks",
    };
    let verify = if endpoint.tls.verify { "" } else { " unverified" };
    format!(
        "{} {}{}{}{}{upstream}{fallback}{verify}",
        endpoint.base,
        has(pull, 'p'),
        has(resolve, 'r'),
        has(push, 'w'),
        has(referrers, 'f'),
    )
}

fn check(config: &Config, host: &str, expected: &[&str]) {
    let found: Vec<String> = config.endpoints(host).iter().map(shown).collect();
    assert_eq!(found, expected, "{host}");
}

#[test]
fn a_registry_is_where_its_name_says() {
    let config = Config::default();
    check(
        &config,
        "docker.io",
        &["https://registry-1.docker.io/v2 prwf upstream networks"],
    );
    check(
        &config,
        "r.example.com",
        &["https://r.example.com/v2 prwf upstream networks"],
    );
    check(
        &config,
        "r.example.com:5000",
        &["https://r.example.com:5000/v2 prwf upstream networks"],
    );
    check(
        &config,
        "localhost:5000",
        &["https://localhost:5000/v2 prwf upstream insecure unverified"],
    );
    check(
        &config,
        "127.0.0.1:5000",
        &["https://127.0.0.1:5000/v2 prwf upstream insecure unverified"],
    );
    check(
        &config,
        "[::1]:5000",
        &["https://[::1]:5000/v2 prwf upstream insecure unverified"],
    );
    check(&config, "no host", &[]);
}

#[test]
fn hosts_files_are_read_in_their_order() {
    let toml = r#"
        server = "https://registry.example.com"
        [host."https://z.example.com"]
          capabilities = ["pull", "resolve"]
        [host."http://a.example.com:5000/prefix"]
          capabilities = ["Pull"]
          skip_verify = true
          dial_timeout = "1m30.5s"
          [host."http://a.example.com:5000/prefix".header]
            x-one = "1"
            x-two = ["2", "3"]
        [host."b.example.com/other/v2"]
          override_path = true
        [host."https://c.example.com/v2"]
          capabilities = []
    "#;
    let (config, warnings) = load(&[("certs.d/docker.io/hosts.toml", toml)]).unwrap();
    assert_eq!(warnings, Vec::<String>::new());
    check(
        &config,
        "docker.io",
        &[
            "https://z.example.com/v2 pr--",
            "https://a.example.com:5000/prefix/v2 p--- insecure unverified",
            "https://b.example.com/other/v2 prwf",
            "https://c.example.com/v2 prwf",
            "https://registry.example.com/v2 prwf upstream",
        ],
    );
    let second = &config.endpoints("docker.io")[1];
    assert_eq!(second.dial_timeout, Some(Duration::from_millis(90_500)));
    let headers: Vec<_> = second
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
        .collect();
    assert_eq!(headers, [("x-one", "1"), ("x-two", "2"), ("x-two", "3")]);
}

#[test]
fn directories_have_several_names() {
    let toml = |server: &str| format!("server = \"https://{server}\"");
    let (config, _) = load(&[
        ("certs.d/one:5000/hosts.toml", &toml("one-colon")),
        ("certs.d/one_5000_/hosts.toml", &toml("one-underscore")),
        ("certs.d/two:5000/hosts.toml", &toml("two-colon")),
        ("certs.d/_default/hosts.toml", "[host.\"https://all\"]"),
        ("certs.d/three_x_/hosts.toml", &toml("three")),
    ])
    .unwrap();
    check(&config, "one:5000", &["https://one-underscore/v2 prwf upstream"]);
    check(&config, "two:5000", &["https://two-colon/v2 prwf upstream"]);
    check(
        &config,
        "four",
        &["https://all/v2 prwf", "https://four/v2 prwf upstream networks"],
    );
}

#[test]
fn a_file_may_say_how_a_registry_itself_is_spoken_to() {
    let yaml = "mirrors: {'r:5000': {endpoint: ['http://r:5000']}}";
    let (config, _) = load(&[
        ("registries.yaml", yaml),
        ("certs.d/s:5000/hosts.toml", "[host.\"http://s:5000\"]"),
        ("certs.d/t/hosts.toml", "[host.\"https://t\"]\nskip_verify = true"),
    ])
    .unwrap();
    let upstream = "https://r:5000/v2 prwf upstream networks";
    check(&config, "r:5000", &["http://r:5000/v2 prwf upstream", upstream]);
    let upstream = "https://s:5000/v2 prwf upstream networks";
    check(&config, "s:5000", &["http://s:5000/v2 prwf upstream", upstream]);
    check(&config, "t", &["https://t/v2 prwf upstream unverified"]);
}

const REGISTRIES: &str = r#"
mirrors:
  docker.io:
    endpoint:
      - "https://mirror.example.com:5000"
      - http://other.example.com/path
      - https://third.example.com/v2/
    rewrite:
      "^library/(.*)": "hub/$1"
      "^(.*)/(.*)$": "all/${2}"
  "*":
    endpoint: everything.example.com
configs:
  mirror.example.com:5000:
    auth:
      username: jane
      password: 12345
  token.example.com:
    auth: {identity_token: t}
  third.example.com:
    auth: {auth: amFuZTphOmI=}
    tls: {insecure_skip_verify: true}
"#;

#[test]
fn registries_files_are_read() {
    let (config, warnings) = load(&[("registries.yaml", REGISTRIES)]).unwrap();
    assert_eq!(warnings, Vec::<String>::new());
    check(
        &config,
        "docker.io",
        &[
            "https://mirror.example.com:5000/v2 pr-f",
            "http://other.example.com/path pr-f",
            "https://third.example.com/v2 pr-f unverified",
            "https://registry-1.docker.io/v2 prwf upstream networks",
        ],
    );
    check(
        &config,
        "ghcr.io",
        &[
            "https://everything.example.com/v2 pr-f",
            "https://ghcr.io/v2 prwf upstream networks",
        ],
    );
    let endpoints = config.endpoints("docker.io");
    let names = |name: &str| (endpoints[0].repository(name), endpoints[3].repository(name));
    assert_eq!(
        names("library/busybox"),
        ("hub/busybox".to_owned(), "library/busybox".to_owned())
    );
    assert_eq!(names("a/b"), ("all/b".to_owned(), "a/b".to_owned()));
    assert_eq!(names("a"), ("a".to_owned(), "a".to_owned()));
    let user = |password: &str| Credentials::of_user("jane".to_owned(), password.to_owned());
    assert_eq!(endpoints[0].credentials, user("12345"));
    assert_eq!(endpoints[1].credentials, Credentials::Anonymous);
    assert_eq!(endpoints[2].credentials, user("a:b"));
    let token = &config.endpoints("token.example.com")[1];
    assert_eq!(token.credentials, Credentials::IdentityToken("t".to_owned()));
}

#[test]
fn what_is_special_counts_more() {
    let mut sources = Sources {
        mirrors: vec!["https://hub-mirror.example.com/".to_owned()],
        ..Sources::default()
    };
    let (config, _) = Config::load(&sources).unwrap();
    let upstream = "https://registry-1.docker.io/v2 prwf upstream networks";
    check(
        &config,
        "docker.io",
        &["https://hub-mirror.example.com/v2 pr-f", upstream],
    );
    check(&config, "ghcr.io", &["https://ghcr.io/v2 prwf upstream networks"]);
    let directory = files(&[
        (
            "registries.yaml",
            "mirrors: {docker.io: {endpoint: [yaml]}, a: {endpoint: [yaml]}, '*': {endpoint: [rest]}}",
        ),
        ("certs.d/docker.io/hosts.toml", "[host.\"toml\"]"),
        ("certs.d/_default/hosts.toml", "[host.\"default\"]"),
    ]);
    sources.hosts = vec![directory.path().join("certs.d")];
    sources.registries = vec![directory.path().join("registries.yaml")];
    let (config, _) = Config::load(&sources).unwrap();
    check(&config, "docker.io", &["https://toml/v2 prwf", upstream]);
    check(
        &config,
        "a",
        &["https://yaml/v2 pr-f", "https://a/v2 prwf upstream networks"],
    );
    check(
        &config,
        "b",
        &["https://default/v2 prwf", "https://b/v2 prwf upstream networks"],
    );
}

#[test]
fn insecure_registries_are_hosts_and_networks() {
    let sources = Sources {
        insecure: [
            "plain.example.com",
            "http://port.example.com:5000/",
            "10.0.0.0/8",
            "fd00::/8",
        ]
        .map(str::to_owned)
        .to_vec(),
        ..Sources::default()
    };
    let (config, _) = Config::load(&sources).unwrap();
    let insecure = |host: &str| config.endpoints(host)[0].fallback == Fallback::Insecure;
    for (host, expected) in [
        ("plain.example.com", true),
        ("PLAIN.example.com", true),
        ("plain.example.com:5000", false),
        ("port.example.com:5000", true),
        ("port.example.com", false),
        ("10.1.2.3", true),
        ("10.1.2.3:5000", true),
        ("11.1.2.3", false),
        ("[fd12::1]:80", true),
        ("[fe12::1]:80", false),
        ("localhost", true),
        ("localhost.example.com", false),
        ("127.9.9.9:1", true),
        ("[::1]", true),
    ] {
        assert_eq!(insecure(host), expected, "{host}");
    }
}

#[test]
fn what_is_wrong_is_named_with_its_place() {
    let check = |name: &str, text: &str, key: &str, problem: &str| {
        let error = load(&[(name, text)]).unwrap_err();
        assert!(
            error.file.ends_with(name) || error.file.ends_with(Path::new(name).parent().unwrap()),
            "{error}"
        );
        assert_eq!(error.key, key, "{error}");
        assert!(error.problem.contains(problem), "{error}");
    };
    let toml = "certs.d/r/hosts.toml";
    check(toml, "server = ", "TOML", "line 1");
    check(toml, "server = 1", "server", "text");
    check(toml, "server = 'ftp://x'", "server", "http or https");
    check(toml, "server = 'https://u:p@x'", "server", "must not hold a user");
    check(toml, "host = 1", "host", "table");
    check(
        toml,
        "[host.'https://x']\ncapabilities = ['fly']",
        "host.\"https://x\".capabilities[0]",
        "\"fly\" is none of",
    );
    check(
        toml,
        "[host.'https://x']\ncapabilities = 'pull'",
        "host.\"https://x\".capabilities",
        "list",
    );
    check(toml, "skip_verify = 'yes'", "skip_verify", "true or false");
    check(toml, "dial_timeout = '5'", "dial_timeout", "write \"5s\"");
    check(toml, "dial_timeout = '0s'", "dial_timeout", "longer");
    check(toml, "client = ['a', 'b']", "client", "several");
    check(toml, "client = [['a', 'b', 'c']]", "client[0]", "CERTIFICATE");
    check(toml, "ca = 'none.crt'", "server", "none.crt does not exist");
    check(
        toml,
        "[header]\n'a b' = 'c'",
        "header.\"a b\"",
        "name of a header",
    );
    check(
        "certs.d/r/x.cert",
        "",
        "x.cert",
        "missing key x.key for client certificate x.cert",
    );
    check("docker/r/x.key", "", "x.key", "missing client certificate x.cert");
    check("docker/r/ca.crt", "rubbish", "certificates", "cannot be used");
    let yaml = "registries.yaml";
    check(yaml, "mirrors: [", "YAML", "");
    check(yaml, "mirrors: 1", "mirrors", "table");
    check(
        yaml,
        "mirrors: {a: {endpoint: [1]}}",
        "mirrors.a.endpoint[0]",
        "text",
    );
    check(
        yaml,
        "mirrors: {a: {rewrite: {'(': x}}}",
        "mirrors.a.rewrite.\"(\"",
        "regular expression",
    );
    check(
        yaml,
        "configs: {a: {auth: {username: x}}}",
        "configs.a.auth",
        "both or neither",
    );
    check(
        yaml,
        "configs: {a: {auth: {auth: '?'}}}",
        "configs.a.auth.auth",
        "base64",
    );
    check(
        yaml,
        "configs: {a: {tls: {cert_file: x}}}",
        "configs.a.tls",
        "both or neither",
    );
    check(
        yaml,
        "configs: {a: {tls: {ca_file: x}}}",
        "configs.\"a\".tls",
        "does not exist",
    );
    check(
        yaml,
        "configs: {'*': {auth: {username: x, password: y}}}",
        "configs.\"*\".auth",
        "name the host",
    );
    let error = Config::load(&Sources {
        insecure: vec!["10.0.0.0/99".to_owned()],
        ..Sources::default()
    });
    assert!(
        error
            .unwrap_err()
            .to_string()
            .starts_with("insecure-registries: [0]: ")
    );
}

#[test]
fn unknown_keys_are_warned_about() {
    let (_, warnings) = load(&[
        (
            "certs.d/r/hosts.toml",
            "sever = 'x'\n[host.'http://x']\nca_file = 1",
        ),
        ("registries.yaml", "mirror: {}\nconfigs: {a: {tls: {ca: x}}}"),
    ])
    .unwrap();
    let keys: Vec<_> = warnings
        .iter()
        .map(|text| text.split(": ").nth(1).unwrap())
        .collect();
    assert_eq!(
        keys,
        ["mirror", "configs.a.tls.ca", "sever", "host.\"http://x\".ca_file"]
    );
}

#[test]
fn nothing_is_no_configuration() {
    for text in [
        "",
        "\n# only a comment\n",
        "mirrors:\nconfigs:\n",
        "mirrors: {a: }",
    ] {
        let (config, warnings) = load(&[("registries.yaml", text)]).unwrap();
        assert_eq!(warnings, Vec::<String>::new(), "{text}");
        check(&config, "a", &["https://a/v2 prwf upstream networks"]);
    }
}

#[test]
fn proxies_are_what_go_makes_of_the_variables() {
    let proxies = |variables: &[(&str, &str)]| {
        let found = |name: &str| {
            variables
                .iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| (*value).to_owned())
        };
        Proxies::from_variables(found)
    };
    let all = [
        ("HTTP_PROXY", "plain:3128"),
        ("http_proxy", "ignored:1"),
        ("https_proxy", "http://jane:p%40ss@secure.example.com"),
        (
            "NO_PROXY",
            "none.example.com,.below.example.com, *.star.example.com,10.0.0.0/8,192.168.1.1,port.example.com:8443,[fd00::1]",
        ),
    ];
    let found = proxies(&all).unwrap();
    let towards = |uri: &str| {
        found
            .towards(&uri.parse().unwrap())
            .map(|proxy| format!("{}:{}", proxy.host, proxy.port))
    };
    for (uri, expected) in [
        ("http://r.example.com", Some("plain:3128")),
        ("https://r.example.com", Some("secure.example.com:80")),
        ("https://none.example.com", None),
        ("https://sub.none.example.com:5000", None),
        ("https://xnone.example.com", Some("secure.example.com:80")),
        ("https://below.example.com", Some("secure.example.com:80")),
        ("https://a.below.example.com", None),
        ("https://a.star.example.com", None),
        ("https://port.example.com", Some("secure.example.com:80")),
        ("https://port.example.com:8443", None),
        ("https://10.2.3.4", None),
        ("https://192.168.1.1:5000", None),
        ("https://[fd00::1]", None),
        ("https://localhost:5000", None),
        ("http://127.0.0.1:5000", None),
        ("http://[::1]:5000", None),
    ] {
        assert_eq!(towards(uri).as_deref(), expected, "{uri}");
    }
    let https = found.towards(&"https://x".parse().unwrap()).unwrap();
    assert_eq!(https.authorization.as_deref(), Some("Basic amFuZTpwQHNz"));
    assert_eq!(
        proxies(&[("HTTPS_PROXY", "x"), ("no_proxy", "*")])
            .unwrap()
            .towards(&"https://y".parse().unwrap()),
        None
    );
    for wrong in ["socks5://x", "http://", "http://u:secret@", "x:99999"] {
        let error = proxies(&[("HTTPS_PROXY", wrong)]).unwrap_err().to_string();
        assert!(
            error.starts_with("HTTPS_PROXY: ") && !error.contains("secret"),
            "{error}"
        );
    }
}

/// A helper that has one answer.
struct Fixed(&'static str, bool);

impl Helper for Fixed {
    fn run(&self, program: &str, action: &str, input: &[u8]) -> std::io::Result<Answer> {
        assert_eq!((program, action), ("docker-credential-pass", "get"));
        assert!(!input.is_empty());
        Ok(Answer {
            success: self.1,
            output: self.0.into(),
        })
    }
}

#[test]
fn dockers_file_says_who_somebody_is() {
    let json = r#"{
        "auths": {
            "https://index.docker.io/v1/": {"auth": "amFuZTpzZWNyZXQ="},
            "r.example.com": {"username": "joe", "password": "p"},
            "https://old.example.com:5000/v1/": {"auth": "", "identitytoken": "i"},
            "t.example.com": {"registrytoken": "r"},
            "empty.example.com": {}
        },
        "credHelpers": {"helped.example.com": "pass"},
        "HttpHeaders": {"X-Meta": "1"},
        "proxies": {"default": {"httpProxy": "http://p", "noProxy": "x"}},
        "psFormat": "table"
    }"#;
    let config = DockerConfig::parse(json, Path::new("config.json")).unwrap();
    let helper = Fixed(r#"{"ServerURL":"x","Username":"<token>","Secret":"s"}"#, true);
    let who = |host: &str| config.credentials(host, &helper).unwrap();
    let user = |name: &str, password: &str| Credentials::of_user(name.to_owned(), password.to_owned());
    assert_eq!(who("docker.io"), user("jane", "secret"));
    assert_eq!(who("r.example.com"), user("joe", "p"));
    assert_eq!(
        who("old.example.com:5000"),
        Credentials::IdentityToken("i".to_owned())
    );
    assert_eq!(who("t.example.com"), Credentials::RegistryToken("r".to_owned()));
    assert_eq!(who("empty.example.com"), Credentials::Anonymous);
    assert_eq!(who("unknown.example.com"), Credentials::Anonymous);
    assert_eq!(
        who("helped.example.com"),
        Credentials::IdentityToken("s".to_owned())
    );
    assert_eq!(config.headers, [("X-Meta".to_owned(), "1".to_owned())]);
    assert_eq!(config.proxies["default"].http.as_deref(), Some("http://p"));
}

#[test]
fn a_store_is_asked_before_the_file() {
    let json = r#"{"auths": {"r": {"auth": "YTpi"}}, "credsStore": "pass"}"#;
    let config = DockerConfig::parse(json, Path::new("config.json")).unwrap();
    assert_eq!(config.helper("r"), Some("pass"));
    let who = |output, success| config.credentials("r", &Fixed(output, success));
    let user = |name: &str, password: &str| Credentials::of_user(name.to_owned(), password.to_owned());
    assert_eq!(
        who(r#"{"Username":"u","Secret":"s"}"#, true).unwrap(),
        user("u", "s")
    );
    assert_eq!(
        who("credentials not found in native keychain\n", false).unwrap(),
        user("a", "b")
    );
    assert_eq!(
        who("locked", false).unwrap_err().to_string(),
        "docker-credential-pass failed: locked"
    );
    assert!(who("no json", true).unwrap_err().to_string().contains("JSON"));
    let evil = DockerConfig::parse(r#"{"credsStore": "../../x"}"#, Path::new("config.json")).unwrap();
    assert!(evil.credentials("r", &Fixed("", true)).is_err());
}

#[test]
fn dockers_file_may_be_wrong() {
    for (json, key) in [
        ("{", "JSON"),
        ("[]", ""),
        (r#"{"auths": 1}"#, "auths"),
        (r#"{"auths": {"a.b": {"auth": "?"}}}"#, "auths.\"a.b\".auth"),
        (r#"{"credHelpers": {"a": {}}}"#, "credHelpers.a"),
    ] {
        let error = DockerConfig::parse(json, Path::new("config.json")).unwrap_err();
        assert_eq!(error.key, key, "{error}");
    }
}

fn key_and_value() -> impl Strategy<Value = String> {
    let known: &'static [&'static str] = &[
        "server",
        "host",
        "ca",
        "client",
        "capabilities",
        "skip_verify",
        "header",
    ];
    let values: &'static [&'static str] = &[
        "true",
        "1",
        "'x'",
        "['pull']",
        "[[1]]",
        "{ a = 1 }",
        "\"https://x\"",
        "[",
        "{ 'https://x' = {} }",
    ];
    let key = prop_oneof![
        prop::sample::select(known).prop_map(str::to_owned),
        "[a-z.\"]{1,9}"
    ];
    let value = prop_oneof![prop::sample::select(values).prop_map(str::to_owned), "\\PC{0,9}"];
    (key, value).prop_map(|(key, value)| format!("{key} = {value}\n"))
}

proptest! {
    #[test]
    fn no_hosts_file_ends_the_daemon(lines in prop::collection::vec(key_and_value(), 0..6), rest in "\\PC{0,40}") {
        fuzz::hosts(lines.concat().as_bytes());
        fuzz::hosts(rest.as_bytes());
    }

    #[test]
    fn no_registries_file_ends_the_daemon(text in "(mirrors|configs|endpoint|rewrite|auth|tls|[a-z*:\\n \\[\\]{}'\"-]){0,30}") {
        fuzz::registries(text.as_bytes());
    }

    #[test]
    fn no_docker_file_ends_the_command(text in "\\PC{0,60}") {
        fuzz::docker(text.as_bytes());
        fuzz::docker(format!("{{\"auths\":{{\"a\":{{\"auth\":\"{text}\"}}}}}}").as_bytes());
    }

    #[test]
    fn a_network_has_what_begins_alike(address in any::<[u8; 4]>(), bits in 0_u8..=32) {
        let address = std::net::IpAddr::from(address);
        let network = Network::parse(&format!("{address}/{bits}")).unwrap();
        prop_assert!(network.contains(address));
    }
}
