//! A request as a pod's owner writes it, and as it goes over the wire.

use bytes::Bytes;
use http::header::{ACCEPT, CONNECTION, HOST, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Request};
use http_body_util::Full;
use kubelet::pod::{HttpHeader, Scheme};

/// What is asked.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) scheme: Scheme,
    pub(super) host: String,
    pub(super) port: u16,
    /// Path and query.
    pub(super) path: String,
    pub(super) headers: Vec<HttpHeader>,
}

impl Asked {
    /// `10.42.0.5:8080`
    fn authority(&self) -> String {
        let bare = self.host.trim_start_matches('[').trim_end_matches(']');
        if bare.contains(':') {
            format!("[{bare}]:{}", self.port)
        } else {
            format!("{bare}:{}", self.port)
        }
    }

    pub(super) fn url(&self) -> String {
        let scheme = match self.scheme {
            Scheme::Http => "http",
            Scheme::Https => "https",
        };
        format!("{scheme}://{}{}", self.authority(), escaped(&self.path))
    }

    pub(super) fn request(&self, agent: &'static str) -> Result<Request<Full<Bytes>>, String> {
        let mut request = Request::new(Full::default());
        let path = escaped(&self.path);
        *request.uri_mut() = path.parse().map_err(|_| format!("invalid URL path {path:?}"))?;
        *request.headers_mut() = self.header_map(agent)?;
        Ok(request)
    }

    fn header_map(&self, agent: &'static str) -> Result<HeaderMap, String> {
        let mut map = HeaderMap::new();
        for header in &self.headers {
            let name = HeaderName::try_from(&header.name);
            let value = HeaderValue::try_from(&header.value);
            let (Ok(name), Ok(value)) = (name, value) else {
                return Err(format!("net/http: invalid header field name {:?}", header.name));
            };
            if name == HOST {
                map.insert(name, value);
            } else {
                map.append(name, value);
            }
        }
        map.entry(USER_AGENT).or_insert(HeaderValue::from_static(agent));
        map.entry(ACCEPT).or_insert(HeaderValue::from_static("*/*"));
        if map[ACCEPT].is_empty() {
            // Whoever gives it without a value wants none.
            map.remove(ACCEPT);
        }
        let host = HeaderValue::try_from(self.authority()).map_err(|error| error.to_string())?;
        map.entry(HOST).or_insert(host);
        map.insert(CONNECTION, HeaderValue::from_static("close"));
        Ok(map)
    }

    /// What is asked next if this is where an answer leads; none for another host.
    pub(super) fn redirected(&self, location: &str) -> Option<Self> {
        let (scheme, rest) = match location.split_once("://") {
            Some(("http", rest)) => (Scheme::Http, rest),
            Some(("https", rest)) => (Scheme::Https, rest),
            Some(_) => return None,
            None => match location.strip_prefix("//") {
                Some(rest) => (self.scheme, rest),
                None => {
                    return Some(Self {
                        path: joined(&self.path, location),
                        ..self.clone()
                    });
                }
            },
        };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let authority: http::uri::Authority = rest[..end].parse().ok()?;
        let default = match scheme {
            Scheme::Http => 80,
            Scheme::Https => 443,
        };
        let bare = |host: &str| host.trim_start_matches('[').trim_end_matches(']').to_owned();
        (bare(authority.host()) == bare(&self.host)).then(|| Self {
            scheme,
            port: authority.port_u16().unwrap_or(default),
            path: joined("/", &rest[end..]),
            ..self.clone()
        })
    }
}

/// Where a reference leads from a path; the fragment is nobody's but the client's.
fn joined(from: &str, to: &str) -> String {
    let to = to.split('#').next().unwrap_or_default();
    let path = from.split('?').next().unwrap_or("/");
    match to.as_bytes().first() {
        None => from.to_owned(),
        Some(b'/') => to.to_owned(),
        Some(b'?') => format!("{path}{to}"),
        Some(_) => {
            let directory = path.rsplit_once('/').map_or("", |(directory, _)| directory);
            format!("{directory}/{to}")
        }
    }
}

/// A path as it may stand in a request: what may not is written as `%XX`.
fn escaped(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            0..=b' ' | 0x7f.. | b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}' | b'#' => {
                out.push_str(&format!("%{byte:02X}"));
            }
            plain => out.push(plain.into()),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_redirects_lead() {
        let from = Asked {
            scheme: Scheme::Http,
            host: "::1".into(),
            port: 8080,
            path: "/a/b?q".into(),
            headers: vec![],
        };
        let led = |to: &str| from.redirected(to).map(|next| next.url());
        assert_eq!(led("/c").as_deref(), Some("http://[::1]:8080/c"));
        assert_eq!(led("c").as_deref(), Some("http://[::1]:8080/a/c"));
        assert_eq!(led("?r").as_deref(), Some("http://[::1]:8080/a/b?r"));
        assert_eq!(led("https://[::1]/c").as_deref(), Some("https://[::1]:443/c"));
        assert_eq!(led("//[::1]:1"), Some("http://[::1]:1/".into()));
        assert_eq!(led("http://[::2]/c"), None);
        assert_eq!(led("ftp://[::1]/c"), None);
    }
}
