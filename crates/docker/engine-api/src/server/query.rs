//! The query of a request, with upstream's rules for what counts as true and what as a number.

use form_urlencoded::parse;

use crate::error::ApiError;

/// Name and value pairs in the order they were sent. A name may occur more than once.
#[derive(Clone, Debug, Default)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    /// Reads the part of a URL behind `?`.
    ///
    /// # Errors
    /// 400 for a `%` that does not begin an escape, and for `;` as a separator.
    pub(crate) fn parse(text: &str) -> Result<Self, ApiError> {
        if text.contains(';') {
            return Err(ApiError::bad("invalid semicolon separator in query"));
        }
        if let Some(escape) = broken_escape(text) {
            return Err(ApiError::bad(format!("invalid URL escape {escape:?}")));
        }
        Ok(Self(parse(text.as_bytes()).into_owned().collect()))
    }

    /// The first value of `name`; empty when there is none.
    pub(crate) fn get(&self, name: &str) -> &str {
        self.all(name).next().unwrap_or("")
    }

    /// The first value of `name` unless it is missing or empty.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        Some(self.get(name)).filter(|value| !value.is_empty())
    }

    /// Every value of `name`.
    pub(crate) fn all<'q>(&'q self, name: &str) -> impl Iterator<Item = &'q str> + use<'q> {
        let found: Vec<_> = self.0.iter().filter(|(key, _)| key == name).collect();
        found.into_iter().map(|(_, value)| value.as_str())
    }

    /// Whether `name` occurs, with or without a value.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.all(name).next().is_some()
    }

    /// Upstream's `BoolValue`: empty, `0`, `no`, `false` and `none` are false, all else is true.
    pub(crate) fn bool(&self, name: &str) -> bool {
        let value = self.get(name).trim().to_ascii_lowercase();
        !matches!(value.as_str(), "" | "0" | "no" | "false" | "none")
    }

    /// [`Self::bool`], or `default` when the name does not occur at all.
    pub(crate) fn bool_or(&self, name: &str, default: bool) -> bool {
        if self.has(name) { self.bool(name) } else { default }
    }

    /// A whole number, `None` when missing or empty.
    ///
    /// # Errors
    /// Upstream lets the text of its number parser through with status 500; so do we.
    pub(crate) fn integer(&self, name: &str) -> Result<Option<i64>, ApiError> {
        self.text(name)
            .map(|text| atoi(text).map_err(ApiError::internal))
            .transpose()
    }

    /// A whole number, 0 when missing or malformed (upstream's `Int64ValueOrZero`).
    pub(crate) fn integer_or_zero(&self, name: &str) -> i64 {
        self.get(name).parse().unwrap_or(0)
    }

    /// One side of a terminal's size (upstream's `Uint32Value`).
    ///
    /// # Errors
    /// 400 naming `what` when it is missing, no number or out of range.
    pub(crate) fn size(&self, name: &str, what: &str) -> Result<u32, ApiError> {
        let text = self.get(name);
        uint32(text).map_err(|reason| ApiError::bad(format!("invalid resize {what} {text:?}: {reason}")))
    }
}

fn uint32(text: &str) -> Result<u32, &'static str> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err("invalid syntax");
    }
    text.parse().map_err(|_| "value out of range")
}

/// Go's `strconv.Atoi` with its error texts.
fn atoi(text: &str) -> Result<i64, String> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let reason = if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        "invalid syntax"
    } else {
        "value out of range"
    };
    text.parse()
        .map_err(|_| format!("strconv.Atoi: parsing {text:?}: {reason}"))
}

/// The first `%` and what follows it (at most two characters) that is not an escape.
fn broken_escape(text: &str) -> Option<String> {
    text.match_indices('%').find_map(|(at, _)| {
        let digits = text.as_bytes().get(at + 1..at + 3);
        let sound = digits.is_some_and(|pair| pair.iter().all(u8::is_ascii_hexdigit));
        (!sound).then(|| text[at..].chars().take(3).collect())
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn query(text: &str) -> Query {
        Query::parse(text).unwrap()
    }

    #[test]
    fn truth_is_upstreams() {
        for (text, value) in [
            ("", false),
            ("a", false),
            ("a=", false),
            ("a=0", false),
            ("a=No", false),
            ("a=FALSE", false),
            ("a=none", false),
            ("a=%20false%20", false),
            ("a=1", true),
            ("a=true", true),
            ("a=anything", true),
        ] {
            assert_eq!(query(text).bool("a"), value, "{text}");
        }
        assert!(query("").bool_or("a", true));
        assert!(!query("a=").bool_or("a", true));
    }

    #[test]
    fn values_keep_their_order_and_are_decoded() {
        let query = query("t=a%2Fb&t=c+d&x=%7B%7D");
        assert_eq!(query.all("t").collect::<Vec<_>>(), ["a/b", "c d"]);
        assert_eq!(query.get("x"), "{}");
    }

    #[test]
    fn malformed_queries_are_refused_in_words() {
        let refusal = |text| Query::parse(text).unwrap_err().message;
        assert_eq!(refusal("a=%zz"), "invalid URL escape \"%zz\"");
        assert_eq!(refusal("a=%"), "invalid URL escape \"%\"");
        assert_eq!(refusal("a;b"), "invalid semicolon separator in query");
    }

    #[test]
    fn numbers_say_why_they_are_none() {
        let query = query("a=12&b=x&c=99999999999999999999&h=-1&w=70000000000");
        assert_eq!(query.integer("a").unwrap(), Some(12));
        assert_eq!(query.integer("missing").unwrap(), None);
        let reason = |name| query.integer(name).unwrap_err().message;
        assert_eq!(reason("b"), "strconv.Atoi: parsing \"x\": invalid syntax");
        assert_eq!(
            reason("c"),
            "strconv.Atoi: parsing \"99999999999999999999\": value out of range"
        );
        let size = |name| query.size(name, "height").unwrap_err().message;
        assert_eq!(size("h"), "invalid resize height \"-1\": value out of range");
        assert_eq!(
            size("w"),
            "invalid resize height \"70000000000\": value out of range"
        );
        assert_eq!(size("missing"), "invalid resize height \"\": invalid syntax");
    }

    proptest! {
        #[test]
        fn no_query_makes_it_panic(text in "\\PC{0,80}") {
            if let Ok(query) = Query::parse(&text) {
                query.bool("a");
                let _ = query.integer("a");
                let _ = query.size("a", "width");
            }
        }
    }
}
