//! The build cache as clients see it: its part of `GET /system/df`, and `POST /build/prune`.
//!
//! A prune's filters are dockerd's, which makes BuildKit's of them: one value for each name, all of them have to fit. What
//! a record either is or is not (`inuse`, `shared`, `private`) is asked for without a value; with one, nothing fits.

use builder::CacheRecord;
use http::StatusCode;
use jiff::Timestamp;
use regex_lite::Regex;
use serde_json::{Value, json};

use crate::Api;
use crate::convert::time;
use crate::error::ApiError;
use crate::filters::Filters;
use crate::server::call::Call;
use crate::server::reply::Reply;
use crate::server::version::ApiVersion;

/// The build cache as `GET /system/df` lists it.
pub(crate) fn cache_records(api: &Api, version: ApiVersion) -> Vec<Value> {
    let record = |record: CacheRecord| {
        let mut shown = json!({
            "ID": record.id,
            "Type": record.kind.name(),
            "Description": record.description,
            "InUse": record.in_use,
            "Shared": record.shared,
            "Size": record.size,
            "CreatedAt": time::rfc3339(Some(record.created)),
            "LastUsedAt": time::rfc3339(Some(record.last_used)),
            "UsageCount": record.uses,
        });
        if let Some(parent) = record.parent {
            if version.since(42) {
                shown["Parents"] = json!([parent]);
            } else {
                shown["Parent"] = parent.into();
            }
        }
        shown
    };
    api.builder.usage().into_iter().map(record).collect()
}

/// `POST /build/prune`.
pub(crate) async fn prune(call: Call<Api>) -> Result<Reply, ApiError> {
    let api = call.state.clone();
    let filters = Filters::parse(call.query.get("filters"))?;
    let chosen = Chosen::parse(&filters, api.now())?;
    let keep = space_to_keep(&call)?.of(&api.builder, &api.disk);
    let (builder, all) = (&api.builder, call.query.bool("all"));
    let mut pruned = builder.prune_to(all, keep, |record| chosen.fits(record)).await?;
    if keep == 0 && chosen.is_all() {
        pruned.reclaimed += builder.prune_fetched().await;
    }
    api.publish(
        engine::events::Kind::Builder,
        "prune",
        "",
        [("reclaimed", pruned.reclaimed.to_string())],
    );
    let deleted = Some(pruned.steps).filter(|steps| !steps.is_empty());
    Reply::json(&json!({ "CachesDeleted": deleted, "SpaceReclaimed": pruned.reclaimed }))
}

/// The names that a filter may have.
const FILTERS: [&str; 11] = [
    "description",
    "id",
    "inuse",
    // Taken and not heeded, as upstream: `docker system prune --filter label=…` sends them to everybody.
    "label",
    "label!",
    "parent",
    "private",
    "shared",
    "type",
    "until",
    "unused-for",
];

/// What fits a name and its value, if it has one.
struct Term {
    name: String,
    value: Option<String>,
    /// Of an id: it is looked for in it.
    pattern: Option<Regex>,
}

/// Which records a prune is about.
struct Chosen {
    before: Option<Timestamp>,
    terms: Vec<Term>,
}

impl Chosen {
    /// # Errors
    /// 400, in upstream's words: of unknown names, several values for one name, times that are none.
    fn parse(filters: &Filters, now: Timestamp) -> Result<Self, ApiError> {
        filters.accept(&FILTERS)?;
        let before = before(filters, now)?;
        let records = [
            "description",
            "id",
            "inuse",
            "parent",
            "private",
            "shared",
            "type",
        ];
        let named = records.iter().filter(|name| filters.has(name));
        let terms = named.map(|name| Term::parse(name, one(filters, name)?));
        Ok(Self {
            before,
            terms: terms.collect::<Result<_, _>>()?,
        })
    }

    fn is_all(&self) -> bool {
        self.before.is_none() && self.terms.is_empty()
    }

    fn fits(&self, record: &CacheRecord) -> bool {
        self.before.is_none_or(|before| record.last_used <= before)
            && self.terms.iter().all(|term| term.fits(record))
    }
}

impl Term {
    fn parse(name: &str, value: Option<&str>) -> Result<Self, ApiError> {
        let pattern = match value {
            Some(value) if name == "id" => Some(Regex::new(value).map_err(|cause| {
                ApiError::bad(format!("failed to parse prune filters [id~={value}]: {cause}"))
            })?),
            _ => None,
        };
        Ok(Self {
            name: name.to_owned(),
            value: value.map(String::from),
            pattern,
        })
    }

    fn fits(&self, record: &CacheRecord) -> bool {
        let flag = |is: bool| is.then_some("");
        let found = match &*self.name {
            "id" => Some(&*record.id),
            "parent" => record.parent.as_deref(),
            "description" => Some(&*record.description).filter(|text| !text.is_empty()),
            "type" => Some(record.kind.name()),
            "inuse" => flag(record.in_use),
            "shared" => flag(record.shared),
            _ => flag(!record.shared),
        };
        match (found, &self.pattern, &self.value) {
            (None, ..) => false,
            (Some(found), Some(pattern), _) => pattern.is_match(found),
            (Some(found), None, Some(value)) => found == value,
            (Some(_), None, None) => true,
        }
    }
}

/// The one value of a name, if it has one.
fn one<'a>(filters: &'a Filters, name: &str) -> Result<Option<&'a str>, ApiError> {
    let mut values = filters.values(name);
    match (values.next(), values.next()) {
        (value, None) => Ok(value),
        _ => Err(ApiError::bad("filters expect only one value")),
    }
}

/// The time before which a record must have been used last; `unused-for` is an older name of `until`.
fn before(filters: &Filters, now: Timestamp) -> Result<Option<Timestamp>, ApiError> {
    let (until, unused_for) = (one(filters, "until")?, one(filters, "unused-for")?);
    let (name, text) = match (until, unused_for) {
        (Some(_), Some(_)) => {
            return Err(ApiError::bad("conflicting filters: \"until\" and \"unused-for\""));
        }
        (None, Some(text)) => ("unused-for", text),
        (Some(text), None) => ("until", text),
        (None, None) => return Ok(None),
    };
    let read = time::until(text, now).map_err(|error| {
        let sentence = format!(
            "{name:?} filter expects a duration (e.g., '24h') or a timestamp: {}",
            error.message
        );
        ApiError::new(StatusCode::BAD_REQUEST, sentence)
    });
    read.map(Some)
}

/// How much of the cache a prune leaves, in bytes; 0 is nothing said. (BuildKit's `PruneInfo`.)
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Keep {
    /// So much stays in any case.
    pub(crate) reserved: u64,
    /// No more than so much stays.
    pub(crate) max_used: u64,
    /// So much of the disk shall be free.
    pub(crate) min_free: u64,
}

impl Keep {
    /// What stays of this cache on this disk.
    pub(crate) fn of(self, builder: &builder::Builder, disk: &disk::Disk) -> u64 {
        if self == Self::default() {
            return 0;
        }
        let own = builder.usage().into_iter().filter(|record| !record.shared);
        let free = disk
            .space()
            .map_or(0, |space| space.total.saturating_sub(space.used));
        self.bytes(own.map(|record| record.size).sum(), free)
    }

    /// Of `total` bytes of cache on a disk with so many free, what stays; 0 if no space is kept.
    fn bytes(self, total: u64, free: u64) -> u64 {
        let excess = self.min_free.saturating_sub(free);
        let most = match (self.max_used, self.min_free) {
            (0, 0) => 0,
            (0, _) => total.saturating_sub(excess),
            (most, _) if excess > 0 => most.min(total.saturating_sub(excess)),
            (most, _) => most,
        };
        most.max(self.reserved)
    }
}

/// Since 1.48 `reserved-space` stands for `keep-storage`, and there are two more.
fn space_to_keep(call: &Call<Api>) -> Result<Keep, ApiError> {
    let space = |name: &str| {
        let text = call.query.get(name);
        let sentence = format!("{name} is in bytes and expects an integer, got {text}");
        if text.is_empty() {
            Ok(0)
        } else {
            text.parse::<u64>().map_err(|_| ApiError::bad(sentence))
        }
    };
    let since_48 = call.version.since(48);
    let reserved = if since_48 { space("reserved-space")? } else { 0 };
    let since = |name: &str| if since_48 { space(name) } else { Ok(0) };
    Ok(Keep {
        reserved: if reserved == 0 {
            space("keep-storage")?
        } else {
            reserved
        },
        max_used: since("max-used-space")?,
        min_free: since("min-free-space")?,
    })
}

#[cfg(test)]
mod tests {
    use builder::CacheKind;

    use super::*;

    #[test]
    fn what_a_prune_keeps_is_buildkits() {
        let keep = |reserved, max_used, min_free| Keep {
            reserved,
            max_used,
            min_free,
        };
        // Of 100 bytes of cache, while 50 are free.
        for (keep, bytes) in [
            (keep(0, 0, 0), 0),
            (keep(10, 0, 0), 10),
            (keep(0, 30, 0), 30),
            (keep(40, 30, 0), 40),
            (keep(0, 0, 50), 100),
            (keep(0, 0, 70), 80),
            (keep(0, 90, 70), 80),
            (keep(0, 30, 70), 30),
            (keep(95, 90, 70), 95),
            (keep(0, 0, 900), 0),
        ] {
            assert_eq!(keep.bytes(100, 50), bytes, "{keep:?}");
        }
    }

    fn record(id: &str) -> CacheRecord {
        CacheRecord {
            id: id.to_owned(),
            kind: CacheKind::Step,
            image: None,
            parent: Some("p1".to_owned()),
            description: "RUN true".to_owned(),
            size: 1,
            created: Timestamp::UNIX_EPOCH,
            last_used: Timestamp::from_second(1000).unwrap(),
            uses: 0,
            shared: true,
            in_use: false,
        }
    }

    fn chosen(filters: &str) -> Result<Chosen, String> {
        let now = Timestamp::from_second(5000).unwrap();
        Chosen::parse(&Filters::parse(filters).unwrap(), now).map_err(|error| error.message)
    }

    #[test]
    fn a_filter_chooses_as_buildkits() {
        for (filters, fits) in [
            (r#"{}"#, true),
            (r#"{"id":["b"]}"#, true),
            (r#"{"id":["^abc$"]}"#, true),
            (r#"{"id":["^b"]}"#, false),
            (r#"{"parent":["p1"]}"#, true),
            (r#"{"parent":["p"]}"#, false),
            (r#"{"type":["regular"]}"#, true),
            (r#"{"type":["source.local"]}"#, false),
            (r#"{"description":["RUN true"]}"#, true),
            (r#"{"description":["RUN"]}"#, false),
            (r#"{"shared":[]}"#, true),
            (r#"{"shared":["true"]}"#, false),
            (r#"{"private":[]}"#, false),
            (r#"{"inuse":[]}"#, false),
            (r#"{"label":["x"],"label!":["y"]}"#, true),
            (r#"{"until":["1h"]}"#, true),
            (r#"{"until":["2h"]}"#, false),
            (r#"{"unused-for":["1h"],"type":["regular"]}"#, true),
            (r#"{"until":["1000"]}"#, true),
            (r#"{"until":["999"]}"#, false),
        ] {
            assert_eq!(chosen(filters).unwrap().fits(&record("abc")), fits, "{filters}");
        }
    }

    #[test]
    fn filters_that_make_no_sense_are_refused_in_upstreams_words() {
        for (filters, sentence) in [
            (r#"{"mutable":[]}"#, "invalid filter 'mutable'"),
            (r#"{"type":["a","b"]}"#, "filters expect only one value"),
            (r#"{"until":["1h","2h"]}"#, "filters expect only one value"),
            (
                r#"{"until":["1h"],"unused-for":["1h"]}"#,
                "conflicting filters: \"until\" and \"unused-for\"",
            ),
            (
                r#"{"unused-for":["soon"]}"#,
                "\"unused-for\" filter expects a duration (e.g., '24h') or a timestamp: failed to parse value as time or duration: \"soon\"",
            ),
        ] {
            assert_eq!(chosen(filters).err().as_deref(), Some(sentence), "{filters}");
        }
        assert!(
            chosen(r#"{"id":["["]}"#)
                .is_err_and(|error| error.starts_with("failed to parse prune filters [id~=[]"))
        );
    }
}
