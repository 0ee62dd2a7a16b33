//! Filters of the history of builds: `ref~=x`, `status==error`, `repository~=x`, `startedAt>=1h`, as buildx writes them,
//! separated by commas in the manner of CSV. A row fits if it fits any filter, and a filter if all of its terms.

use std::time::SystemTime;

use driver::golang::parse_duration;
use jiff::Timestamp as Time;

use super::filters::Filters;
use crate::grpc::{Code, Status};
use crate::progress::timestamp;
use crate::proto::Timestamp;
use crate::proto::control::BuildHistoryRecord;

/// What of a row is text.
const FIELDS: [&str; 3] = ["ref", "repository", "status"];
const OPERATORS: [&str; 4] = [">=", "<=", ">", "<"];

/// Filters of rows.
#[derive(Debug, Default)]
pub(super) struct RecordFilters(Vec<(Vec<Period>, Filters)>);

/// A term about time: seconds since 1970, or nanoseconds of a duration.
#[derive(Debug)]
struct Period {
    field: Field,
    operator: &'static str,
    bound: i64,
}

#[derive(Clone, Copy, Debug)]
enum Field {
    Started,
    Completed,
    Duration,
}

fn refused(sentence: String) -> Status {
    Status::new(Code::Unknown, sentence)
}

impl RecordFilters {
    /// Reads filters. Durations before a time are counted from `now` on.
    ///
    /// # Errors
    /// One that makes no sense.
    pub(super) fn read(filters: &[String], now: SystemTime) -> Result<Self, Status> {
        let filters = filters.iter().filter(|filter| !filter.is_empty());
        let read = |filter: &String| {
            let (mut periods, mut texts) = (Vec::new(), Vec::new());
            for term in terms(filter) {
                match Period::read(&term, now)? {
                    Some(period) => periods.push(period),
                    None => texts.push(term),
                }
            }
            let bad = |status: Status| {
                refused(format!(
                    "failed to parse history filters {filter}: {}",
                    status.message
                ))
            };
            let texts = Filters::of_terms(&texts, &FIELDS).map_err(bad)?;
            Ok((periods, texts))
        };
        Ok(Self(filters.map(read).collect::<Result<_, Status>>()?))
    }

    pub(super) fn fit(&self, record: &BuildHistoryRecord) -> bool {
        let fits = |(periods, texts): &(Vec<Period>, Filters)| {
            periods.iter().all(|period| period.fits(record)) && texts.fit(&|field| text(record, field))
        };
        self.0.is_empty() || self.0.iter().any(fits)
    }
}

/// The terms of a filter.
fn terms(filter: &str) -> Vec<String> {
    let (mut terms, mut term, mut quoted) = (Vec::new(), String::new(), false);
    let mut letters = filter.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            // A quote in a quoted term is doubled.
            '"' if quoted && letters.next_if_eq(&'"').is_some() => term.push('"'),
            '"' if quoted || term.is_empty() => quoted = !quoted,
            ',' if !quoted => terms.push(std::mem::take(&mut term)),
            letter => term.push(letter),
        }
    }
    terms.push(term);
    terms
}

/// A field of a row.
fn text(record: &BuildHistoryRecord, field: &str) -> Option<String> {
    match field {
        "ref" => Some(record.r#ref.clone()),
        "status" => {
            let state = match (&record.completed_at, &record.error) {
                (None, _) => "running",
                (Some(_), None) => "completed",
                (Some(_), Some(error)) if error.message.contains("context canceled") => "canceled",
                (Some(_), Some(_)) => "error",
            };
            Some(state.to_owned())
        }
        "repository" => {
            let said = record.frontend_attrs.get("vcs:source").cloned();
            said.or_else(|| remote(record.frontend_attrs.get("context")?))
        }
        _ => None,
    }
}

/// The repository of a context's address.
fn remote(context: &str) -> Option<String> {
    let (remote, _) = context.split_once('#').unwrap_or((context, ""));
    let scp = remote.split_once('@').is_some_and(|(_, rest)| rest.contains(':'));
    (remote.contains("://") || scp).then(|| remote.to_owned())
}

fn seconds(time: Option<Timestamp>) -> i64 {
    time.map_or(0, |time| time.seconds)
}

impl Period {
    /// Reads a term; `None` if it is none about time.
    fn read(term: &str, now: SystemTime) -> Result<Option<Self>, Status> {
        let parts = OPERATORS.into_iter().find_map(|operator| {
            let (field, value) = term.split_once(operator)?;
            Some((field, operator, value))
        });
        let Some((field, operator, value)) = parts else {
            return Ok(None);
        };
        let (field, bound) = match field {
            "startedAt" => (Field::Started, time(value, now)?),
            "completedAt" => (Field::Completed, time(value, now)?),
            "duration" => {
                let bad = || refused(format!("invalid duration {value}"));
                (Field::Duration, parse_duration(value).map_err(|_| bad())?)
            }
            _ => return Ok(None),
        };
        Ok(Some(Self {
            field,
            operator,
            bound,
        }))
    }

    fn fits(&self, record: &BuildHistoryRecord) -> bool {
        let value = match self.field {
            Field::Started => seconds(record.created_at),
            Field::Completed => seconds(record.completed_at),
            Field::Duration => lasted(record),
        };
        match self.operator {
            ">=" => value >= self.bound,
            "<=" => value <= self.bound,
            ">" => value > self.bound,
            _ => value < self.bound,
        }
    }
}

/// How long a build was under way in nanoseconds; nothing, if it is.
fn lasted(record: &BuildHistoryRecord) -> i64 {
    let Some((began, ended)) = record.created_at.zip(record.completed_at) else {
        return 0;
    };
    let whole = ended.seconds.saturating_sub(began.seconds);
    whole
        .saturating_mul(1_000_000_000)
        .saturating_add(i64::from(ended.nanos) - i64::from(began.nanos))
}

/// A time in seconds since 1970: so long before now, or as RFC 3339 writes it.
fn time(value: &str, now: SystemTime) -> Result<i64, Status> {
    if let Ok(ago) = parse_duration(value) {
        let now = seconds(timestamp(now));
        return Ok(now.saturating_sub(ago.div_euclid(1_000_000_000)));
    }
    let time: Result<Time, _> = value.parse();
    time.map(Time::as_second)
        .map_err(|_| refused(format!("invalid time {value}")))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use super::*;
    use crate::proto::rpc;

    fn at(seconds: i64) -> Option<Timestamp> {
        Some(Timestamp { seconds, nanos: 0 })
    }

    #[test]
    fn rows_are_chosen() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(10_000);
        let record = |error: Option<&str>, attrs: (&str, &str)| BuildHistoryRecord {
            r#ref: "abc".to_owned(),
            created_at: at(9_000),
            completed_at: at(9_090),
            error: error.map(|message| rpc::Status {
                message: message.to_owned(),
                ..rpc::Status::default()
            }),
            frontend_attrs: BTreeMap::from([(attrs.0.to_owned(), attrs.1.to_owned())]),
            ..BuildHistoryRecord::default()
        };
        let done = record(None, ("vcs:source", "https://h/a.git"));
        let failed = record(Some("no luck"), ("context", "https://h/b.git#main"));
        let gone = record(Some("context canceled"), ("context", "."));
        let running = BuildHistoryRecord {
            completed_at: None,
            ..done.clone()
        };
        let all = [&done, &failed, &gone, &running];
        for (filters, expected) in [
            (&[""][..], [true; 4]),
            (&["ref~=^a.c$"], [true; 4]),
            (&["ref!=abc"], [false; 4]),
            (&["status==completed"], [true, false, false, false]),
            (&["status==error", "status==canceled"], [false, true, true, false]),
            (&["status!=running"], [true, true, true, false]),
            (&["repository~=h/b"], [false, true, false, false]),
            (
                &["repository~=https://h,status==completed"],
                [true, false, false, false],
            ),
            (&["\"repository~=h/a.git\""], [true, false, false, true]),
            (&["startedAt>=20m"], [true; 4]),
            (&["startedAt>=10m"], [false; 4]),
            (&["startedAt<1970-01-01T02:30:01Z"], [true; 4]),
            (&["completedAt>1h"], [true, true, true, false]),
            (&["duration>=1m30s"], [true, true, true, false]),
            (&["duration<1.5m"], [false, false, false, true]),
        ] {
            let filters: Vec<String> = filters.iter().map(|filter| (*filter).to_owned()).collect();
            let read = RecordFilters::read(&filters, now).unwrap();
            assert_eq!(all.map(|record| read.fit(record)), expected, "{filters:?}");
        }
        for (filter, sentence) in [
            ("startedAt>x", "invalid time x"),
            ("duration<1", "invalid duration 1"),
            ("strange==x", "failed to parse history filters strange==x: "),
            ("ref~=(", "failed to parse history filters ref~=(: "),
        ] {
            let read = RecordFilters::read(&[filter.to_owned()], now);
            let said = read.unwrap_err().message;
            assert!(said.starts_with(sentence), "{said}");
        }
    }

    #[test]
    fn terms_are_quoted_as_in_csv() {
        assert_eq!(terms("a,b"), ["a", "b"]);
        assert_eq!(terms("\"a,b\",c\"d,\"e\"\"f\""), ["a,b", "c\"d", "e\"f"]);
    }
}
