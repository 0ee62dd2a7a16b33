//! Lists that come in pages (`n`, `last`, `Link`).

use std::borrow::Cow;

use http::header::LINK;

use crate::error::{Code, Fault};
use crate::query::{self, Query};
use crate::reply::{self, Reply};

/// Entries of a page where a client does not say, and the most that it gets at once.
pub(crate) const MOST: usize = 10_000;

/// The page that a client wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Page {
    /// Most entries of it.
    pub(crate) limit: usize,
    /// Entries come after this one.
    pub(crate) last: String,
}

impl Page {
    /// # Errors
    /// `PAGINATION_NUMBER_INVALID`.
    pub(crate) fn parse(query: &Query) -> Result<Self, Fault> {
        let invalid = |text: &str| {
            let shown: String = text.chars().take(40).collect();
            Fault::from(Code::PaginationNumberInvalid).detail(serde_json::json!({ "n": shown }))
        };
        let limit = match query.given("n") {
            None => MOST,
            Some(text) => {
                let wanted: u64 = text.parse().map_err(|_| invalid(text))?;
                usize::try_from(wanted).map_or(MOST, |wanted| wanted.min(MOST))
            }
        };
        Ok(Self {
            limit,
            last: query.get("last").unwrap_or_default().to_owned(),
        })
    }

    /// Cuts what is more than a page, and says in the answer where it goes on: entries are asked for one more than wanted.
    pub(crate) fn cut<T>(&self, entries: &mut Vec<T>) -> bool {
        let more = self.limit > 0 && entries.len() > self.limit;
        entries.truncate(self.limit);
        more
    }

    /// The way to the next page.
    pub(crate) fn link(&self, reply: &mut Reply, path: &str, last: &str, more: &[(&str, &str)]) {
        let mut parameters: Vec<(&str, Cow<'_, str>)> =
            vec![("last", last.into()), ("n", self.limit.to_string().into())];
        parameters.extend(more.iter().map(|(name, value)| (*name, Cow::from(*value))));
        let link = format!("<{}>; rel=\"next\"", query::write(path, &parameters));
        reply::set(reply, LINK, &link);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_bounded() {
        let page = |text: &str| Page::parse(&Query::parse(Some(text)));
        assert_eq!(
            page("").unwrap(),
            Page {
                limit: MOST,
                last: String::new()
            }
        );
        assert_eq!(
            page("n=5&last=a").unwrap(),
            Page {
                limit: 5,
                last: "a".into()
            }
        );
        assert_eq!(page("n=0").unwrap().limit, 0);
        assert_eq!(page("n=18446744073709551615").unwrap().limit, MOST);
        for bad in ["n=-1", "n=a", "n=1.5", "n=99999999999999999999999"] {
            assert_eq!(
                page(bad).unwrap_err().code(),
                Code::PaginationNumberInvalid,
                "{bad}"
            );
        }
        let mut entries = vec![1, 2, 3];
        assert!(page("n=2").unwrap().cut(&mut entries));
        assert_eq!(entries, [1, 2]);
        assert!(!page("n=0").unwrap().cut(&mut entries));
    }
}
