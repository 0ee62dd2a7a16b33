//! The proxy variables, as Go's `httpproxy` reads them.

use std::net::IpAddr;

use http::Uri;

use super::insecure::{Network, without_port};

/// What goes through a proxy: `HTTP_PROXY`, `HTTPS_PROXY`, `NO_PROXY`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proxies {
    http: Option<Proxy>,
    https: Option<Proxy>,
    exceptions: Vec<Exception>,
}

/// One proxy.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Proxy {
    pub(crate) host: String,
    pub(crate) port: u16,
    /// Whether it is spoken to by TLS.
    pub(crate) tls: bool,
    /// The value of `Proxy-Authorization`.
    pub(crate) authorization: Option<String>,
    /// The name and password in it, as they were written.
    user: Option<String>,
}

/// A proxy variable that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{variable}: {value:?} is no proxy: {problem}")]
pub struct ProxyError {
    variable: String,
    value: String,
    problem: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Exception {
    All,
    Network(Network),
    Address(IpAddr, Option<u16>),
    /// A domain, and its subdomains too; with a leading dot only those.
    Domain(String, Option<u16>),
}

impl Proxies {
    /// From the environment's variables, which somebody else reads: upper case before lower case.
    ///
    /// # Errors
    /// Which one is no proxy.
    pub fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Result<Self, ProxyError> {
        let either = |name: &str| {
            let set = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
            set(name).or_else(|| set(&name.to_ascii_lowercase()))
        };
        let proxy = |name: &str| match either(name) {
            Some(value) => Proxy::parse(&value).map(Some).map_err(|problem| ProxyError {
                variable: name.to_owned(),
                // It may hold a password.
                value: value
                    .rsplit_once('@')
                    .map_or(value.clone(), |(_, host)| host.to_owned()),
                problem,
            }),
            None => Ok(None),
        };
        let exceptions = either("NO_PROXY").unwrap_or_default();
        Ok(Self {
            http: proxy("HTTP_PROXY")?,
            https: proxy("HTTPS_PROXY")?,
            exceptions: exceptions.split(',').filter_map(Exception::parse).collect(),
        })
    }

    /// Which proxy leads to an address. To this machine none does.
    pub(crate) fn towards(&self, uri: &Uri) -> Option<&Proxy> {
        let secure = uri.scheme_str() == Some("https");
        let proxy = if secure { &self.https } else { &self.http };
        let proxy = proxy.as_ref()?;
        let host = uri
            .host()?
            .trim_matches(['[', ']'])
            .trim_end_matches('.')
            .to_ascii_lowercase();
        let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
        let address: Option<IpAddr> = host.parse().ok();
        let here = host == "localhost" || address.is_some_and(|address| address.is_loopback());
        let excepted = |each: &Exception| each.covers(&host, address, port);
        (!here && !self.exceptions.iter().any(excepted)).then_some(proxy)
    }
}

impl Proxy {
    fn parse(text: &str) -> Result<Self, &'static str> {
        let text = text.trim();
        let (scheme, rest) = text.split_once("://").unwrap_or(("http", text));
        let tls = match scheme {
            "http" => false,
            "https" => true,
            _ => return Err("its scheme must be http or https"),
        };
        let rest = rest.split('/').next().unwrap_or_default();
        let (user, address) = match rest.rsplit_once('@') {
            Some((user, address)) => (Some(user), address),
            None => (None, rest),
        };
        let uri: Uri = format!("http://{address}/")
            .parse()
            .map_err(|_| "write http://HOST:PORT")?;
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        if host.is_empty() {
            return Err("it has no host");
        }
        if without_port(address) != address && uri.port_u16().is_none() {
            return Err("its port is no number up to 65535");
        }
        let authorization = user.map(|user| {
            let (name, password) = user.split_once(':').unwrap_or((user, ""));
            crate::auth::basic_header(&decoded(name), &decoded(password))
        });
        Ok(Self {
            host,
            port: uri.port_u16().unwrap_or(if tls { 443 } else { 80 }),
            tls,
            authorization,
            user: user.map(str::to_owned),
        })
    }

    /// As a program's environment names it.
    pub(crate) fn address(&self) -> String {
        let scheme = if self.tls { "https" } else { "http" };
        let user = self
            .user
            .as_ref()
            .map(|user| format!("{user}@"))
            .unwrap_or_default();
        let host = if self.host.contains(':') {
            format!("[{}]", self.host)
        } else {
            self.host.clone()
        };
        format!("{scheme}://{user}{host}:{}", self.port)
    }
}

fn decoded(text: &str) -> String {
    percent_encoding::percent_decode_str(text)
        .decode_utf8_lossy()
        .into_owned()
}

impl Exception {
    fn parse(text: &str) -> Option<Self> {
        let text = text.trim().to_ascii_lowercase();
        if text == "*" {
            return Some(Self::All);
        }
        if let Some(network) = Network::parse(&text) {
            return Some(Self::Network(network));
        }
        let host = without_port(&text);
        let (host, port) = match text.parse::<IpAddr>() {
            Ok(_) => (text.as_str(), None),
            Err(_) if host.len() < text.len() => (host, text[host.len() + 1..].parse().ok()),
            Err(_) => (text.as_str(), None),
        };
        let host = host.trim_matches(['[', ']']);
        if let Ok(address) = host.parse() {
            return Some(Self::Address(address, port));
        }
        let host = host.strip_prefix('*').unwrap_or(host);
        (!host.trim_matches('.').is_empty()).then(|| Self::Domain(host.to_owned(), port))
    }

    fn covers(&self, host: &str, address: Option<IpAddr>, port: u16) -> bool {
        let on = |wanted: &Option<u16>| wanted.is_none_or(|wanted| wanted == port);
        match self {
            Self::All => true,
            Self::Network(network) => address.is_some_and(|address| network.contains(address)),
            Self::Address(excepted, wanted) => address == Some(*excepted) && on(wanted),
            Self::Domain(domain, wanted) => {
                let below = match domain.strip_prefix('.') {
                    Some(_) => host.ends_with(domain.as_str()),
                    None => host
                        .strip_suffix(domain.as_str())
                        .is_some_and(|rest| rest.is_empty() || rest.ends_with('.')),
                };
                below && on(wanted)
            }
        }
    }
}
