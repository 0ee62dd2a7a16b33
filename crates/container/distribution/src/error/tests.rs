use super::*;

fn refused(status: u16, errors: &[(&str, &str)]) -> Error {
    Error::Refused(Box::new(Refusal {
        method: Method::GET,
        url: "https://r/v2/x/manifests/y".to_owned(),
        status: StatusCode::from_u16(status).unwrap(),
        errors: errors
            .iter()
            .map(|(code, message)| RegistryError::new(code, message))
            .collect(),
        retry_after: None,
    }))
}

#[test]
fn users_see_what_dockerd_says() {
    let check = |reference: &str, error: Error, kind: Kind, expected: &str| {
        let reference = Reference::parse(reference).unwrap();
        assert_eq!(error.pulling(&reference), expected);
        assert_eq!(error.kind(), kind, "{expected}");
    };
    check(
        "localhost:5000/x:y",
        refused(404, &[("MANIFEST_UNKNOWN", "manifest unknown")]),
        Kind::NotFound,
        "manifest for localhost:5000/x:y not found: manifest unknown: manifest unknown",
    );
    check(
        "x",
        refused(
            401,
            &[
                ("DENIED", "requested access to the resource is denied"),
                ("UNAUTHORIZED", "authentication required"),
            ],
        ),
        Kind::Denied,
        "pull access denied for x, repository does not exist or may require 'docker login': denied: requested access to \
         the resource is denied",
    );
    check(
        "r.example.com/a/b:c",
        refused(404, &[("NAME_UNKNOWN", "repository name not known to registry")]),
        Kind::NotFound,
        "repository r.example.com/a/b not found: name unknown: repository name not known to registry",
    );
    check(
        "x",
        refused(401, &[("UNAUTHORIZED", "authentication required")]),
        Kind::Unauthorized,
        "unauthorized: authentication required",
    );
    check(
        "x",
        refused(
            429,
            &[("TOOMANYREQUESTS", "You have reached your pull rate limit.")],
        ),
        Kind::TooManyRequests,
        "toomanyrequests: You have reached your pull rate limit.",
    );
    check(
        "x",
        refused(502, &[]),
        Kind::Unavailable,
        "received unexpected HTTP status: 502 Bad Gateway",
    );
    let connect = Error::NoAnswer {
        method: Method::GET,
        url: "https://127.0.0.1:1/v2/".to_owned(),
        why: TransportError::Connect {
            address: "127.0.0.1:1".to_owned(),
            why: io::ErrorKind::ConnectionRefused.into(),
        },
    };
    check(
        "x",
        connect,
        Kind::Unavailable,
        r#"Get "https://127.0.0.1:1/v2/": dial tcp 127.0.0.1:1: connect: connection refused"#,
    );
    let login = Error::Login {
        url: "http://localhost:5000/v2/".to_owned(),
        status: StatusCode::UNAUTHORIZED,
    };
    check(
        "x",
        login,
        Kind::Unauthorized,
        "login attempt to http://localhost:5000/v2/ failed with status: 401 Unauthorized",
    );
}

#[test]
fn a_push_says_everything() {
    let error = refused(400, &[("MANIFEST_INVALID", "a"), ("BLOB_UNKNOWN", "b")]);
    assert_eq!(error.pushing(), "errors:\nmanifest invalid: a\nblob unknown: b\n");
    let denied = refused(403, &[("DENIED", "requested access to the resource is denied")]);
    assert_eq!(
        denied.pushing(),
        "denied: requested access to the resource is denied"
    );
}

#[test]
fn what_may_pass_is_temporary() {
    for (status, expected) in [
        (400, false),
        (401, false),
        (403, false),
        (404, false),
        (408, true),
        (416, false),
        (429, true),
        (500, true),
        (501, false),
        (502, true),
        (503, true),
        (504, true),
    ] {
        assert_eq!(refused(status, &[]).is_temporary(), expected, "{status}");
    }
    assert!(refused(403, &[("TOOMANYREQUESTS", "x")]).is_temporary());
}
