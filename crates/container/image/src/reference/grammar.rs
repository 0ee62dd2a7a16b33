//! The grammar of references, as a recogniser that never goes back:
//!
//! ```text
//! reference      := domain '/' path [ ':' tag ] [ '@' digest ]
//! domain         := ( component { '.' component } | '[' ipv6 ']' ) [ ':' digit+ ]
//! component      := alphanumeric, with '-' inside
//! path           := element { '/' element }
//! element        := [a-z0-9]+ { ( '.' | '_' | '__' | '-'+ ) [a-z0-9]+ }
//! tag            := [\w] [\w.-]{0,127}
//! digest         := algorithm ':' hexdigit{32,}
//! ```

/// The parts of a reference, not yet judged for length or algorithm.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Parts<'a> {
    pub(super) domain: &'a str,
    pub(super) path: &'a str,
    pub(super) tag: Option<&'a str>,
    pub(super) digest: Option<&'a str>,
}

/// Takes a normalised reference apart; `None` if it follows another grammar.
pub(super) fn parse(text: &str) -> Option<Parts<'_>> {
    let (domain, rest) = text.split_once('/')?;
    let (rest, digest) = cut(rest, '@');
    let (path, tag) = cut(rest, ':');
    let good = is_domain(domain)
        && path.split('/').all(is_element)
        && tag.is_none_or(is_tag)
        && digest.is_none_or(is_digest);
    good.then_some(Parts {
        domain,
        path,
        tag,
        digest,
    })
}

fn cut(text: &str, at: char) -> (&str, Option<&str>) {
    text.split_once(at)
        .map_or((text, None), |(before, after)| (before, Some(after)))
}

/// 64 lowercase hexadecimal digits: an image's id.
pub(super) fn is_identifier(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

pub(super) fn is_tag(text: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let first = text.bytes().next().is_some_and(word);
    first && text.len() <= 128 && text.bytes().all(|byte| word(byte) || matches!(byte, b'.' | b'-'))
}

fn is_domain(text: &str) -> bool {
    if let Some((address, port)) = text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        let hex = |byte: u8| byte.is_ascii_hexdigit() || byte == b':';
        return !address.is_empty() && address.bytes().all(hex) && is_port_suffix(port);
    }
    let (host, port) = text.find(':').map_or((text, ""), |at| text.split_at(at));
    host.split('.').all(is_component) && is_port_suffix(port)
}

fn is_port_suffix(text: &str) -> bool {
    let digits = |port: &str| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    text.is_empty() || text.strip_prefix(':').is_some_and(digits)
}

fn is_component(text: &str) -> bool {
    let inside = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    !text.is_empty() && text.bytes().all(inside) && !text.starts_with('-') && !text.ends_with('-')
}

fn is_element(text: &str) -> bool {
    let bytes = text.as_bytes();
    let alphanumeric = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    bytes.first().is_some_and(alphanumeric)
        && bytes.last().is_some_and(alphanumeric)
        && bytes.split(alphanumeric).all(is_separator)
}

/// What may stand between two runs of letters and digits; nothing stands within one.
fn is_separator(bytes: &[u8]) -> bool {
    matches!(bytes, b"" | b"." | b"_" | b"__") || bytes.iter().all(|byte| *byte == b'-')
}

fn is_digest(text: &str) -> bool {
    let Some((algorithm, hex)) = text.split_once(':') else {
        return false;
    };
    let part = |part: &str| {
        part.starts_with(|first: char| first.is_ascii_alphabetic())
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric())
    };
    algorithm.split(['-', '_', '+', '.']).all(part)
        && hex.len() >= 32
        && hex.bytes().all(|byte| byte.is_ascii_hexdigit())
}
