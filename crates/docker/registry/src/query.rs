//! What stands behind a path's question mark.

use std::borrow::Cow;

/// Most parameters of one request.
const MOST: usize = 256;

/// A request's parameters, in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    pub(crate) fn parse(text: Option<&str>) -> Self {
        let pairs = form_urlencoded::parse(text.unwrap_or_default().as_bytes()).take(MOST);
        Self(
            pairs
                .map(|(name, value)| (name.into_owned(), value.into_owned()))
                .collect(),
        )
    }

    /// The first value of a parameter.
    pub(crate) fn get<'a>(&'a self, name: &'a str) -> Option<&'a str> {
        self.all(name).next()
    }

    /// The first value, if it is not empty.
    pub(crate) fn given<'a>(&'a self, name: &'a str) -> Option<&'a str> {
        self.get(name).filter(|value| !value.is_empty())
    }

    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let named = move |(each, value): &'a (String, String)| (each == name).then_some(value.as_str());
        self.0.iter().filter_map(named)
    }
}

/// Writes parameters behind a path.
pub(crate) fn write(path: &str, parameters: &[(&str, Cow<'_, str>)]) -> String {
    let mut query = form_urlencoded::Serializer::for_suffix(format!("{path}?"), path.len() + 1);
    for (name, value) in parameters {
        query.append_pair(name, value);
    }
    query.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_go_in_and_out() {
        let query = Query::parse(Some("n=5&tag=a&tag=b%2Fc&empty=&last"));
        assert_eq!((query.get("n"), query.get("m")), (Some("5"), None));
        assert_eq!(query.all("tag").collect::<Vec<_>>(), ["a", "b/c"]);
        assert_eq!((query.given("empty"), query.given("last")), (None, None));
        assert_eq!(
            write("/v2/a", &[("n", "1".into()), ("last", "b/c".into())]),
            "/v2/a?n=1&last=b%2Fc"
        );
        assert_eq!(Query::parse(Some(&"a&".repeat(1000))).all("a").count(), MOST);
    }
}
