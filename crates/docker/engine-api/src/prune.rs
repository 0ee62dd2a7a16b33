//! What every prune shares: which filters there are, and what they say of age and labels.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::convert::time;
use crate::error::ApiError;
use crate::filters::Filters;
use crate::server::query::Query;

/// The filters of a prune request.
pub(crate) struct Prune {
    /// All of them.
    pub filters: Filters,
    until: Option<Timestamp>,
}

impl Prune {
    /// Reads the request's filters; `accepted` are the names this area knows.
    ///
    /// # Errors
    /// 400 for unknown names and times that are none.
    pub(crate) fn parse(query: &Query, accepted: &[&str], now: Timestamp) -> Result<Self, ApiError> {
        let filters = Filters::parse(query.get("filters"))?;
        filters.accept(accepted)?;
        if filters.values("until").count() > 1 {
            return Err(ApiError::bad("more than one until filter specified"));
        }
        let until = filters
            .values("until")
            .next()
            .map(|text| time::until(text, now))
            .transpose()?;
        Ok(Self { filters, until })
    }

    /// Whether something made then, with these labels, may go.
    pub(crate) fn admits(&self, created: Option<Timestamp>, labels: &BTreeMap<String, String>) -> bool {
        let old = self
            .until
            .is_none_or(|until| created.is_some_and(|created| created <= until));
        old && self.filters.labels("label", labels) && self.filters.without_labels("label!", labels)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn age_and_labels_decide() {
        let now: Timestamp = "2024-01-02T00:00:00Z".parse().unwrap();
        let created = |text: &str| Some(text.parse::<Timestamp>().unwrap());
        let query =
            Query::parse("filters=%7B%22until%22%3A%5B%221h%22%5D%2C%22label%21%22%3A%5B%22keep%22%5D%7D")
                .unwrap();
        let prune = Prune::parse(&query, &["until", "label!"], now).unwrap();
        let keep = BTreeMap::from([("keep".to_owned(), String::new())]);
        assert!(prune.admits(created("2024-01-01T00:00:00Z"), &BTreeMap::new()));
        assert!(!prune.admits(created("2024-01-01T23:30:00Z"), &BTreeMap::new()));
        assert!(!prune.admits(created("2024-01-01T00:00:00Z"), &keep));
        assert!(!prune.admits(None, &BTreeMap::new()));
    }
}
