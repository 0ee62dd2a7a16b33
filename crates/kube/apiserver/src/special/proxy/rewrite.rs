//! Redirections of a place that is proxied to.

use http::Uri;

/// A `Location` as the client has to have it; none if it stands as it is. `before` is the path of the proxy, `own` are the
/// hosts that are the place's.
pub(super) fn location(given: &str, before: &str, own: &[&str]) -> Option<String> {
    let uri: Uri = given.parse().ok()?;
    let elsewhere = uri
        .authority()
        .is_some_and(|authority| !own.contains(&authority.as_str()));
    let path = uri.path();
    if elsewhere || !given.contains('/') || !path.starts_with('/') || path.starts_with(before) {
        return None;
    }
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    Some(format!("{before}{path}{query}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirections_lead_back_through_the_proxy() {
        let before = "/api/v1/namespaces/d/pods/p/proxy";
        for (given, led) in [
            ("/login/", Some("/login/")),
            ("/login?a=b", Some("/login?a=b")),
            ("http://10.0.0.1:80/x", Some("/x")),
            ("http://api:6443/x", Some("/x")),
            ("http://elsewhere/x", None),
            ("next", None),
            ("/api/v1/namespaces/d/pods/p/proxy/x", None),
        ] {
            let led = led.map(|path| format!("{before}{path}"));
            assert_eq!(
                location(given, before, &["10.0.0.1:80", "api:6443"]),
                led,
                "{given}"
            );
        }
    }
}
