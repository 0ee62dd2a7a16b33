use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use proptest::prelude::*;

use super::*;

fn user(username: &str, password: &str) -> Credentials {
    Credentials::of_user(username.to_owned(), password.to_owned())
}

#[test]
fn the_header_of_a_client_is_read_in_all_its_forms() {
    // With letters in which the alphabets differ.
    let json = r#"{"username":"jöe","password":"p??>>~","email":"x","serveraddress":"r.example.com"}"#;
    for encoded in [
        URL_SAFE.encode(json),
        URL_SAFE_NO_PAD.encode(json),
        STANDARD.encode(json),
        STANDARD_NO_PAD.encode(json),
    ] {
        let found = AuthConfig::from_header(&encoded).unwrap();
        assert_eq!(found.credentials, user("jöe", "p??>>~"), "{encoded}");
        assert_eq!(found.host(), "r.example.com");
    }
}

#[test]
fn what_a_client_says_is_somebody_or_nobody() {
    let check = |json: &str, expected: Credentials| {
        assert_eq!(
            AuthConfig::from_json(json.as_bytes()).unwrap().credentials,
            expected,
            "{json}"
        );
    };
    check("{}", Credentials::Anonymous);
    check(r#"{"username":"","password":""}"#, Credentials::Anonymous);
    check(r#"{"username":"a","password":"b"}"#, user("a", "b"));
    check(r#"{"auth":"YTpiOmM="}"#, user("a", "b:c"));
    check(
        r#"{"ServerAddress":"r","Username":"a","Password":"b","email":null}"#,
        user("a", "b"),
    );
    check(
        r#"{"IdentityToken":"t","username":null}"#,
        Credentials::IdentityToken("t".to_owned()),
    );
    check("null", Credentials::Anonymous);
    check(
        r#"{"username":"a","identitytoken":"t"}"#,
        Credentials::IdentityToken("t".to_owned()),
    );
    check(
        r#"{"username":"<token>","password":"t"}"#,
        Credentials::IdentityToken("t".to_owned()),
    );
    check(
        r#"{"registrytoken":"t","unknown":[1]}"#,
        Credentials::RegistryToken("t".to_owned()),
    );
    assert_eq!(AuthConfig::from_header("").unwrap(), AuthConfig::default());
    for (header, error) in [
        ("?", "must be a valid base64url-encoded string"),
        ("bm8ganNvbg==", "it is not JSON"),
        ("eyJwYXNzd29yZCI6MX0=", "a member has the wrong type"),
        ("eyJhdXRoIjoiPyJ9", "auth must be base64 of USER:PASSWORD"),
    ] {
        let found = AuthConfig::from_header(header).unwrap_err().to_string();
        assert_eq!(found, format!("invalid X-Registry-Auth header: {error}"));
    }
}

#[test]
fn a_build_says_who_it_is_to_each_registry() {
    let json = r#"{"https://index.docker.io/v1/":{"username":"a","password":"b"},"r:5000":{}}"#;
    let found = AuthConfig::several_from_header(&STANDARD.encode(json)).unwrap();
    assert_eq!(found["https://index.docker.io/v1/"].credentials, user("a", "b"));
    assert_eq!(found["r:5000"].credentials, Credentials::Anonymous);
}

#[test]
fn a_server_address_is_a_host() {
    for (address, host) in [
        ("", "docker.io"),
        ("https://index.docker.io/v1/", "docker.io"),
        ("registry-1.docker.io", "docker.io"),
        ("https://r.example.com:5000/v1/", "r.example.com:5000"),
        ("localhost:5000", "localhost:5000"),
    ] {
        let config = AuthConfig {
            server_address: address.to_owned(),
            ..AuthConfig::default()
        };
        assert_eq!(config.host(), host, "{address}");
    }
}

/// Remembers what it was asked.
struct Recording(std::cell::RefCell<Vec<(String, String)>>);

impl Helper for Recording {
    fn run(&self, program: &str, action: &str, input: &[u8]) -> std::io::Result<Answer> {
        let asked = format!("{program} {action}");
        self.0
            .borrow_mut()
            .push((asked, String::from_utf8_lossy(input).into_owned()));
        Ok(Answer {
            success: true,
            output: Vec::new(),
        })
    }
}

#[test]
fn helpers_are_told_what_to_keep() {
    let helper = Recording(std::cell::RefCell::default());
    store(&helper, "pass", "https://r", &user("a", "b")).unwrap();
    store(&helper, "pass", "r", &Credentials::IdentityToken("t".to_owned())).unwrap();
    store(&helper, "pass", "r", &Credentials::Anonymous).unwrap();
    erase(&helper, "pass", "r").unwrap();
    let expected = [
        (
            "docker-credential-pass store",
            r#"{"ServerURL":"https://r","Username":"a","Secret":"b"}"#,
        ),
        (
            "docker-credential-pass store",
            r#"{"ServerURL":"r","Username":"<token>","Secret":"t"}"#,
        ),
        ("docker-credential-pass erase", "r"),
        ("docker-credential-pass erase", "r"),
    ];
    let found = helper.0.into_inner();
    let found: Vec<_> = found
        .iter()
        .map(|(asked, input)| (asked.as_str(), input.as_str()))
        .collect();
    assert_eq!(found, expected);
}

#[test]
fn secrets_are_not_printed() {
    let secrets = [
        user("jane", "hush"),
        Credentials::IdentityToken("hush".to_owned()),
        Credentials::RegistryToken("hush".to_owned()),
    ];
    let config = AuthConfig {
        credentials: secrets[0].clone(),
        server_address: String::new(),
    };
    let login = Login {
        identity_token: "hush".to_owned(),
    };
    let printed = format!("{secrets:?} {config:?} {login:?}");
    assert!(!printed.contains("hush"), "{printed}");
}

proptest! {
    #[test]
    fn no_challenge_is_too_much(text in "(Bearer|Basic|realm|scope|[a-z]|=|,|\"|\\\\| |\\PC){0,60}") {
        fuzz::challenges(text.as_bytes());
    }

    #[test]
    fn no_header_of_a_client_is_too_much(text in "\\PC*", name in "[^:]+", password in "[^\\x00]*") {
        drop(AuthConfig::from_header(&text));
        drop(AuthConfig::from_json(text.as_bytes()));
        let expected = Credentials::of_user(name.clone(), password.clone());
        prop_assert_eq!(basic(&STANDARD.encode(format!("{name}:{password}"))), Some(expected));
    }
}
