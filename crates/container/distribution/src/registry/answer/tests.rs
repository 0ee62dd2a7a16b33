use super::*;

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        headers.append(*name, value.parse().unwrap());
    }
    headers
}

#[test]
fn a_refusal_says_what_the_server_says() {
    let check = |status: u16, pairs: &[(&'static str, &str)], body: &str, expected: &str| {
        let uri = "https://r/v2/".parse().unwrap();
        let status = StatusCode::from_u16(status).unwrap();
        let found = refusal(&Method::GET, &uri, status, &headers(pairs), body.as_bytes());
        assert_eq!(found.to_string(), expected, "{body}");
    };
    let unknown =
        r#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown","detail":{"Tag":"x"}}]}"#;
    check(404, &[], unknown, "manifest unknown: manifest unknown");
    check(
        404,
        &[],
        "<html>",
        "received unexpected HTTP status: 404 Not Found",
    );
    check(
        404,
        &[],
        r#"{"errors":null}"#,
        "received unexpected HTTP status: 404 Not Found",
    );
    check(
        400,
        &[],
        r#"{"errors":[{"code":"NAME_INVALID"}]}"#,
        "name invalid: unknown error",
    );
    check(400, &[], r#"{"errors":[{"message":"what"}]}"#, "unknown: what");
    check(401, &[], "", "unauthorized: authentication required");
    check(
        401,
        &[],
        r#"{"details":"incorrect username or password"}"#,
        "unauthorized: incorrect username or password",
    );
    check(
        403,
        &[],
        "x",
        "denied: requested access to the resource is denied",
    );
    check(429, &[], "slow down", "toomanyrequests: too many requests");
    check(
        500,
        &[],
        "",
        "received unexpected HTTP status: 500 Internal Server Error",
    );
    check(
        400,
        &[],
        r#"{"errors":[{"code":"A","message":"\u001b[2Jx"}]}"#,
        "a:  [2Jx",
    );
    let scope = [(
        "www-authenticate",
        r#"Bearer realm="https://a",error="insufficient_scope""#,
    )];
    let body = r#"{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}"#;
    check(
        401,
        &scope,
        body,
        "errors:\ndenied: requested access to the resource is denied\nunauthorized: authentication required\n",
    );
    let described = [(
        "www-authenticate",
        r#"Bearer error=invalid_token,error_description="too old""#,
    )];
    check(401, &described, "", "unauthorized: too old");
}

#[test]
fn a_wait_is_seconds_or_a_date() {
    let check = |pairs: &[(&'static str, &str)], expected: Option<u64>| {
        assert_eq!(
            retry_after(&headers(pairs)).map(|wait| wait.as_secs()),
            expected,
            "{pairs:?}"
        );
    };
    check(&[], None);
    check(&[("retry-after", "7")], Some(7));
    check(&[("retry-after", "soon")], None);
    check(&[("retry-after", "-1")], None);
    let date = ("retry-after", "Thu, 01 Jan 2026 00:01:00 GMT");
    check(&[date], None);
    check(&[date, ("date", "Thu, 01 Jan 2026 00:00:00 GMT")], Some(60));
    check(&[date, ("date", "Thu, 01 Jan 2026 00:02:00 GMT")], Some(0));
}

#[test]
fn limits_and_warnings_are_noted() {
    let mut notes = Notes::default();
    notes.take(&headers(&[
        ("ratelimit-limit", "100;w=21600"),
        ("ratelimit-remaining", "99;w=21600"),
        ("warning", r#"299 - "This registry ends on \"Friday\"""#),
        ("warning", r#"299 - "This registry ends on \"Friday\"""#),
        ("warning", "110 - stale"),
    ]));
    notes.take(&headers(&[]));
    let expected = RateLimit {
        limit: Some(100),
        remaining: Some(99),
        window: Some(Duration::from_secs(21_600)),
    };
    assert_eq!(notes.rate_limit, Some(expected));
    assert_eq!(notes.warnings, [r#"This registry ends on "Friday""#]);
    notes.take(&headers(&[
        ("ratelimit-remaining", "98"),
        ("ratelimit-limit", "x"),
    ]));
    assert_eq!(notes.rate_limit.unwrap().remaining, Some(98));
}
