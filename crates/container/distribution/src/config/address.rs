//! Base addresses: what stands before `/NAME/manifests/TAG`.

use http::Uri;

use super::ConfigError;
use super::tree::At;

/// A mirror's or server's address. Without a scheme it is HTTPS; `/v2` is added, unless the path is to stay as it is.
pub(crate) fn base(at: &At<'_>, text: &str, override_path: bool) -> Result<Uri, ConfigError> {
    let parsed = parse(text).map_err(|problem| at.wrong(problem))?;
    let path = parsed.path().trim_end_matches('/');
    let path = if override_path || path.ends_with("/v2") {
        path.to_owned()
    } else {
        format!("{path}/v2")
    };
    with_path(&parsed, &path).ok_or_else(|| at.wrong(format!("{text:?} is no URL")))
}

pub(crate) fn parse(text: &str) -> Result<Uri, String> {
    let full = if text.contains("://") {
        text.to_owned()
    } else {
        format!("https://{text}")
    };
    let wrong = |why: &str| format!("{text:?} is no URL of a registry: {why}");
    let parsed: Uri = full.parse().map_err(|_| wrong("write \"https://HOST:PORT\""))?;
    if !matches!(parsed.scheme_str(), Some("http" | "https")) {
        return Err(wrong("its scheme must be http or https"));
    }
    let authority = parsed.authority().map_or("", |authority| authority.as_str());
    if authority.contains('@') {
        return Err(wrong(
            "it must not hold a user; credentials have a place of their own",
        ));
    }
    if parsed.host().unwrap_or_default().is_empty() {
        return Err(wrong("it has no host"));
    }
    if parsed.query().is_some() {
        return Err(wrong("it must not have a query"));
    }
    Ok(parsed)
}

pub(crate) fn with_path(base: &Uri, path: &str) -> Option<Uri> {
    let mut parts = base.clone().into_parts();
    parts.path_and_query = Some(if path.is_empty() { "/" } else { path }.parse().ok()?);
    Uri::from_parts(parts).ok()
}

/// The same with TLS.
pub(crate) fn secure(base: &Uri) -> Uri {
    let mut parts = base.clone().into_parts();
    parts.scheme = Some(http::uri::Scheme::HTTPS);
    Uri::from_parts(parts).unwrap_or_else(|_| base.clone())
}

/// The registry's own address.
pub(crate) fn of_registry(host: &str) -> Option<Uri> {
    let host = match host {
        "docker.io" | "index.docker.io" => "registry-1.docker.io",
        other => other,
    };
    parse(&format!("https://{host}"))
        .ok()
        .and_then(|uri| with_path(&uri, "/v2"))
}
