//! Names with a scheme and a port: `NAME`, `NAME:PORT`, `SCHEME:NAME:PORT` (upstream's `SplitSchemeNamePort`).

/// What is proxied to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Name<'a> {
    /// Whether TLS is spoken.
    pub(super) tls: bool,
    /// The object's name.
    pub(super) name: &'a str,
    /// A number or a name; empty where none is given.
    pub(super) port: &'a str,
}

impl<'a> Name<'a> {
    /// None for what is no name.
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        let parts: Vec<&str> = text.split(':').collect();
        let (scheme, name, port) = match parts[..] {
            [name] => ("", name, ""),
            [name, port] => ("", name, port),
            [scheme, name, port] => (scheme, name, port),
            _ => return None,
        };
        let tls = match scheme {
            "" | "http" => false,
            "https" => true,
            _ => return None,
        };
        (!name.is_empty()).then_some(Self { tls, name, port })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_split() {
        let of = |tls, name, port| Some(Name { tls, name, port });
        for (text, expected) in [
            ("a", of(false, "a", "")),
            ("a:80", of(false, "a", "80")),
            ("a:", of(false, "a", "")),
            ("http:a:web", of(false, "a", "web")),
            ("https:a:", of(true, "a", "")),
            (":a:1", of(false, "a", "1")),
            ("ftp:a:1", None),
            ("https::1", None),
            ("a:b:c:d", None),
            ("", None),
        ] {
            assert_eq!(Name::parse(text), expected, "{text}");
        }
    }
}
