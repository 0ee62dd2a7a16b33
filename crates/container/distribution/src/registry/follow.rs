//! Addresses that servers hand out: `Location` and `Link` (RFC 3986 §5, RFC 8288).

use http::Uri;
use http::uri::PathAndQuery;

/// Where `location` leads, from `base`. A server behind a proxy often thinks that it is spoken to without TLS: an address
/// of its own without TLS is taken as one with it. Nothing, if it is no address or would leave TLS for another host.
pub(crate) fn follow(base: &Uri, location: &str) -> Option<Uri> {
    let location = location.split('#').next().unwrap_or_default().trim();
    if location.is_empty() {
        return None;
    }
    let scheme = location.split_once("://").map(|(scheme, _)| scheme);
    let found = if scheme.is_some_and(|scheme| scheme.bytes().all(|byte| byte.is_ascii_alphanumeric())) {
        location.parse().ok()?
    } else if let Some(rest) = location.strip_prefix("//") {
        format!("{}://{rest}", base.scheme_str()?).parse().ok()?
    } else {
        with_path(base, &relative(base, location))?
    };
    kept_secure(base, found)
}

fn relative(base: &Uri, location: &str) -> String {
    let path = base.path();
    match location.as_bytes().first() {
        Some(b'/') => location.to_owned(),
        Some(b'?') => format!("{path}{location}"),
        _ => {
            let directory = path.rfind('/').map_or("/", |at| &path[..=at]);
            format!("{directory}{location}")
        }
    }
}

fn with_path(base: &Uri, path: &str) -> Option<Uri> {
    let mut parts = base.clone().into_parts();
    parts.path_and_query = Some(path.parse::<PathAndQuery>().ok()?);
    Uri::from_parts(parts).ok()
}

fn kept_secure(base: &Uri, found: Uri) -> Option<Uri> {
    match (base.scheme_str(), found.scheme_str()) {
        (Some("https"), Some("http")) => {
            let same = base.host()?.eq_ignore_ascii_case(found.host()?)
                && (found.port().is_none() || found.port_u16() == base.port_u16());
            let mut parts = found.into_parts();
            parts.scheme.clone_from(&base.clone().into_parts().scheme);
            parts.authority = base.authority().cloned();
            same.then(|| Uri::from_parts(parts).ok()).flatten()
        }
        (_, Some("http" | "https")) => found.host().is_some_and(|host| !host.is_empty()).then_some(found),
        _ => None,
    }
}

/// Whether two addresses are of the same server, whatever their schemes.
pub(crate) fn same_server(one: &Uri, other: &Uri) -> bool {
    match (one.authority(), other.authority()) {
        (Some(one), Some(other)) => one.as_str().eq_ignore_ascii_case(other.as_str()),
        _ => false,
    }
}

/// The address in a `Link` header whose relation is `next`.
pub(crate) fn next_link(value: &str) -> Option<&str> {
    let mut rest = value;
    loop {
        let (_, from) = rest.split_once('<')?;
        let (target, after) = from.split_once('>')?;
        let end = end_of_link(after);
        if after[..end].split(';').any(is_next) {
            return Some(target);
        }
        rest = &after[end..];
    }
}

/// Where the next link begins: at a comma that stands in no quoted string.
fn end_of_link(parameters: &str) -> usize {
    let mut quoted = false;
    let mut escaped = false;
    for (at, letter) in parameters.char_indices() {
        match letter {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            ',' if !quoted => return at,
            _ => {}
        }
    }
    parameters.len()
}

fn is_next(parameter: &str) -> bool {
    let Some((name, value)) = parameter.split_once('=') else {
        return false;
    };
    let relations = value.trim().trim_matches('"');
    name.trim().eq_ignore_ascii_case("rel")
        && relations
            .split_ascii_whitespace()
            .any(|relation| relation.eq_ignore_ascii_case("next"))
}

/// The address with one more parameter.
pub(crate) fn with_query(uri: &Uri, pairs: &[(&str, &str)]) -> Option<Uri> {
    if pairs.is_empty() {
        return Some(uri.clone());
    }
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(pairs);
    let added = query.finish();
    let path = match uri.query() {
        None | Some("") => format!("{}?{added}", uri.path()),
        Some(query) => format!("{}?{query}&{added}", uri.path()),
    };
    with_path(uri, &path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn locations_are_followed() {
        let check = |base: &str, location: &str, expected: Option<&str>| {
            let found = follow(&base.parse().unwrap(), location).map(|uri| uri.to_string());
            assert_eq!(found.as_deref(), expected, "{base} {location}");
        };
        let base = "https://r.example.com/v2/a/blobs/uploads/";
        check(
            base,
            "/v2/a/blobs/uploads/1?_state=x%3D",
            Some("https://r.example.com/v2/a/blobs/uploads/1?_state=x%3D"),
        );
        check(base, "1?x", Some("https://r.example.com/v2/a/blobs/uploads/1?x"));
        check(
            base,
            "?n=1",
            Some("https://r.example.com/v2/a/blobs/uploads/?n=1"),
        );
        check(
            base,
            "https://cdn.example.com/x?sig=1",
            Some("https://cdn.example.com/x?sig=1"),
        );
        check(base, "//cdn.example.com/x", Some("https://cdn.example.com/x"));
        check(base, "http://r.example.com/x", Some("https://r.example.com/x"));
        check("https://r:5000/v2/", "http://r:5000/x", Some("https://r:5000/x"));
        check("https://r:5000/v2/", "http://r/x", Some("https://r:5000/x"));
        check("https://r:5000/v2/", "http://r:80/x", None);
        check(base, "http://cdn.example.com/x", None);
        check("http://r/v2/", "https://r/x", Some("https://r/x"));
        check("http://r/v2/", "http://other/x", Some("http://other/x"));
        check(base, "", None);
        check(base, "file:///etc/passwd", None);
        check(base, "https:///x", None);
        check(base, "/a b", None);
        check(
            base,
            "/x?u=http://y#f",
            Some("https://r.example.com/x?u=http://y"),
        );
    }

    #[test]
    fn the_next_page_is_found() {
        let check = |value: &str, expected: Option<&str>| assert_eq!(next_link(value), expected, "{value}");
        check("", None);
        check(
            r#"</v2/a/tags/list?last=b&n=1>; rel="next""#,
            Some("/v2/a/tags/list?last=b&n=1"),
        );
        check("</x>; rel=next", Some("/x"));
        check(
            r#"</p>; rel="prev", </n>; title="a, <b>; rel=next"; rel="x NEXT""#,
            Some("/n"),
        );
        check("</x>", None);
        check("</x; rel=next", None);
        check(r#"</x>; title="never ends, </y>; rel=next"#, Some("/x"));
        check("</x>; rel=\"prev\"", None);
    }

    #[test]
    fn a_query_grows() {
        let check = |uri: &str, expected: &str| {
            let grown = with_query(&uri.parse().unwrap(), &[("digest", "sha256:a b")]).unwrap();
            assert_eq!(grown.to_string(), expected);
        };
        check("https://r/u", "https://r/u?digest=sha256%3Aa+b");
        check(
            "https://r/u?_state=a%2B",
            "https://r/u?_state=a%2B&digest=sha256%3Aa+b",
        );
    }

    proptest! {
        #[test]
        fn whatever_a_server_says_is_an_address_or_nothing(location in ".*", link in ".*") {
            let base = "https://r/v2/".parse().unwrap();
            if let Some(found) = follow(&base, &location) {
                prop_assert_eq!(found.scheme_str(), Some("https"));
            }
            if let Some(target) = next_link(&link) {
                prop_assert!(link.contains(target));
            }
        }
    }
}
