//! A request's parameters.

/// The parameters, decoded, in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    pub(crate) fn parse(query: Option<&str>) -> Self {
        let pairs = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
        Self(
            pairs
                .map(|(key, value)| (key.into_owned(), value.into_owned()))
                .collect(),
        )
    }

    /// The first value of a parameter; empty if there is none.
    pub(crate) fn get(&self, name: &str) -> &str {
        let mut of = self.0.iter().filter(|(key, _)| key == name);
        of.next().map_or("", |(_, value)| value.as_str())
    }

    /// Every value of a parameter.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let of = self.0.iter().filter(move |(key, _)| key == name);
        of.map(|(_, value)| value.as_str())
    }

    /// Whether it is `1`, which is how the kubelet's API says yes.
    pub(crate) fn is_set(&self, name: &str) -> bool {
        self.get(name) == "1"
    }
}
