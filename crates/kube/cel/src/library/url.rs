//! URLs, as Go's `net/url` takes them apart.

use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;

use schema::json::go_quote;

use super::{Cost, Function, Opaque, cost::Size, function, no_overload};
use crate::Error;
use crate::value::compare::Key;
use crate::value::{Map, Value};

/// An URL: an absolute one, or a path from the root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    text: String,
    scheme: String,
    /// With the port.
    host: String,
    path: String,
    query: String,
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Url {
    fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("empty url".to_owned());
        }
        if text.bytes().any(|byte| byte.is_ascii_control()) {
            return Err("net/url: invalid control character in URL".to_owned());
        }
        let (scheme, rest) = scheme(text)?;
        if scheme.is_empty() && !rest.starts_with('/') {
            return Err("invalid URI for request".to_owned());
        }
        let (rest, _) = rest.split_once('#').unwrap_or((rest, ""));
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = match rest.strip_prefix("//") {
            Some(rest) => rest.split_at(rest.find('/').unwrap_or(rest.len())),
            None if rest.starts_with('/') => ("", rest),
            None => return Err("invalid URI for request".to_owned()),
        };
        let (_, host) = authority.rsplit_once('@').unwrap_or(("", authority));
        check_host(host)?;
        check_escapes(path)?;
        Ok(Self {
            text: text.to_owned(),
            scheme: scheme.to_ascii_lowercase(),
            host: host.to_owned(),
            path: path.to_owned(),
            query: query.to_owned(),
        })
    }

    /// The host without its port and brackets.
    fn hostname(&self) -> &str {
        let host = self.host.strip_suffix(self.port()).unwrap_or(&self.host);
        let host = if self.port().is_empty() {
            host
        } else {
            host.trim_end_matches(':')
        };
        let host = host.strip_suffix(':').unwrap_or(host);
        host.strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'))
            .unwrap_or(host)
    }

    fn port(&self) -> &str {
        let after = self.host.rfind(']').map_or(0, |at| at + 1);
        self.host[after..].rsplit_once(':').map_or("", |(_, port)| port)
    }
}

/// Whether a text is an URL, or why not.
pub(super) fn is_url(text: &str) -> Result<(), String> {
    let parsed = Url::parse(text);
    parsed
        .map(drop)
        .map_err(|why| format!("parse {}: {why}", go_quote(text)))
}

fn scheme(text: &str) -> Result<(&str, &str), String> {
    for (at, letter) in text.char_indices() {
        match letter {
            'a'..='z' | 'A'..='Z' => {}
            '0'..='9' | '+' | '-' | '.' if at > 0 => {}
            ':' if at == 0 => return Err("missing protocol scheme".to_owned()),
            ':' => return Ok((&text[..at], &text[at + 1..])),
            _ => break,
        }
    }
    Ok(("", text))
}

fn check_host(host: &str) -> Result<(), String> {
    let after = match (host.starts_with('['), host.rfind(']')) {
        (true, None) => return Err("missing ']' in host".to_owned()),
        (true, Some(at)) => &host[at + 1..],
        (false, _) => host.find(':').map_or("", |at| &host[at..]),
    };
    let good = after.is_empty()
        || after
            .strip_prefix(':')
            .is_some_and(|port| port.bytes().all(|byte| byte.is_ascii_digit()));
    if !good {
        return Err(format!("invalid port {} after host", go_quote(after)));
    }
    match host.chars().find(|c| " \"<>\\^`{|}".contains(*c)) {
        Some(wrong) => Err(format!(
            "invalid character {} in host name",
            go_quote(&wrong.to_string())
        )),
        None => Ok(()),
    }
}

fn check_escapes(path: &str) -> Result<(), String> {
    for (at, _) in path.match_indices('%') {
        let digits = path.as_bytes().get(at + 1..at + 3);
        if !digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)) {
            let end = path.len().min(at + 3);
            let shown = path.get(at..end).unwrap_or("%");
            return Err(format!("invalid URL escape {}", go_quote(shown)));
        }
    }
    Ok(())
}

const PARSE: Cost = Cost::Text {
    times: 1,
    size: Size::Same,
    only_bytes: false,
};

const PART: &[&str] = &[".kubernetes.URL -> string"];

pub(super) const FUNCTIONS: &[Function] = &[
    function("url", &["string -> kubernetes.URL"], PARSE, |args| {
        let [Value::String(text)] = args else {
            return Err(no_overload("url", args));
        };
        let url = Url::parse(text).map_err(|why| {
            let quoted = go_quote(text);
            Error::text(format!(
                "URL parse error during conversion from string: parse {quoted}: {why}"
            ))
        })?;
        Ok(Value::Opaque(Opaque::Url(Rc::new(url))))
    }),
    function("isURL", &["string -> bool"], Cost::One, |args| {
        let [Value::String(text)] = args else {
            return Err(no_overload("isURL", args));
        };
        Ok(Value::Bool(Url::parse(text).is_ok()))
    }),
    function("getScheme", PART, Cost::One, |args| {
        part("getScheme", args, |url| url.scheme.clone())
    }),
    function("getHost", PART, Cost::One, |args| {
        part("getHost", args, |url| url.host.clone())
    }),
    function("getHostname", PART, Cost::One, |args| {
        part("getHostname", args, |url| url.hostname().to_owned())
    }),
    function("getPort", PART, Cost::One, |args| {
        part("getPort", args, |url| url.port().to_owned())
    }),
    function("getEscapedPath", PART, Cost::One, |args| {
        part("getEscapedPath", args, |url| escaped(&url.path))
    }),
    function(
        "getQuery",
        &[".kubernetes.URL -> map(string, list(string))"],
        Cost::One,
        query,
    ),
];

fn part<'a>(name: &str, args: &[Value<'a>], read: fn(&Url) -> String) -> Result<Value<'a>, Error> {
    match args {
        [Value::Opaque(Opaque::Url(url))] => Ok(Value::owned(read(url))),
        args => Err(no_overload(name, args)),
    }
}

/// A path with what has to be escaped.
fn escaped(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for byte in path.bytes() {
        let plain = byte.is_ascii_alphanumeric() || b"-_.~/$&+,:;=@%!*'()".contains(&byte);
        if plain {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

fn query<'a>(args: &[Value<'a>]) -> Result<Value<'a>, Error> {
    let [Value::Opaque(Opaque::Url(url))] = args else {
        return Err(no_overload("getQuery", args));
    };
    let mut found: BTreeMap<String, Vec<Value<'a>>> = BTreeMap::new();
    for pair in url
        .query
        .split('&')
        .filter(|pair| !pair.is_empty() && !pair.contains(';'))
    {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        if let (Some(key), Some(value)) = (decoded(key), decoded(value)) {
            found.entry(key).or_default().push(Value::owned(value));
        }
    }
    let entries = found
        .into_iter()
        .map(|(key, values)| (Key(Value::owned(key)), Value::list(values)));
    Ok(Value::Map(Map::of(entries.collect())))
}

fn decoded(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digit = |byte: u8| char::from(byte).to_digit(16);
                let (high, low) = (digit(bytes.next()?)?, digit(bytes.next()?)?);
                u8::try_from(high * 16 + low).ok()?
            }
            byte => byte,
        });
    }
    String::from_utf8(out).ok()
}
