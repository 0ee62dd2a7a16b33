//! `/metrics`: what was asked and how long it took, under upstream's names.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Response, StatusCode};

use crate::server::State;
use crate::{Body, Call, Verb};

/// Series that are kept: clients choose resources' names, and must not choose how many series there are.
const MAX_SERIES: usize = 4096;

/// Counts since the start.
#[derive(Debug, Default)]
pub(crate) struct Metrics(Mutex<All>);

/// By resource, so that counting one more request of a known series allocates nothing.
#[derive(Debug, Default)]
struct All {
    resources: BTreeMap<Box<str>, BTreeMap<Series, Count>>,
    series: usize,
}

/// Verb and code.
type Series = (&'static str, u16);

#[derive(Debug, Default)]
struct Count {
    requests: u64,
    time: Duration,
}

impl Metrics {
    /// Counts an answer whose head has been made.
    pub(crate) fn count(&self, verb: Verb, resource: &str, code: StatusCode, time: Duration) {
        let series = (verb.name(), code.as_u16());
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = all.count(resource, series) {
            count.requests += 1;
            count.time += time;
        }
    }

    fn print(&self, flight: [usize; 3]) -> String {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut out = String::from(
            "# HELP apiserver_request_total Requests by verb, resource and code.\n\
             # TYPE apiserver_request_total counter\n",
        );
        let labels = |resource: &str, (verb, code): &Series| {
            format!(
                "{{code=\"{code}\",resource=\"{resource}\",verb=\"{}\"}}",
                verb.to_uppercase()
            )
        };
        for (resource, series, count) in all.iter() {
            let labels = labels(resource, series);
            let _ = writeln!(out, "apiserver_request_total{labels} {}", count.requests);
        }
        out += "# HELP apiserver_request_duration_seconds Time from a request's head to its answer's head.\n\
                # TYPE apiserver_request_duration_seconds summary\n";
        for (resource, series, count) in all.iter() {
            let (labels, seconds) = (labels(resource, series), count.time.as_secs_f64());
            let _ = writeln!(out, "apiserver_request_duration_seconds_sum{labels} {seconds}");
            let _ = writeln!(
                out,
                "apiserver_request_duration_seconds_count{labels} {}",
                count.requests
            );
        }
        out += "# HELP apiserver_current_inflight_requests Requests being answered.\n\
                # TYPE apiserver_current_inflight_requests gauge\n";
        for (kind, count) in ["readOnly", "mutating", "longRunning"].iter().zip(flight) {
            let _ = writeln!(
                out,
                "apiserver_current_inflight_requests{{request_kind=\"{kind}\"}} {count}"
            );
        }
        out
    }
}

impl All {
    /// The count of a series; none for a new one where there is no room for it.
    fn count(&mut self, resource: &str, series: Series) -> Option<&mut Count> {
        let known = self
            .resources
            .get(resource)
            .is_some_and(|all| all.contains_key(&series));
        if !known {
            if self.series >= MAX_SERIES {
                return None;
            }
            self.series += 1;
            let all = self.resources.entry(resource.into()).or_default();
            all.insert(series, Count::default());
        }
        self.resources.get_mut(resource)?.get_mut(&series)
    }

    fn iter(&self) -> impl Iterator<Item = (&str, &Series, &Count)> {
        self.resources.iter().flat_map(|(resource, all)| {
            all.iter()
                .map(move |(series, count)| (&**resource, series, count))
        })
    }
}

/// Answers `/metrics`.
pub(super) fn answer(state: &Arc<State>, call: &Call) -> Option<Response<Body>> {
    if call.info.path != "/metrics" {
        return None;
    }
    let mut response = Response::new(Body::full(state.metrics.print(state.flight.counts())));
    let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    Some(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_are_bounded() {
        let metrics = Metrics::default();
        for at in 0..MAX_SERIES + 10 {
            metrics.count(
                Verb::Get,
                &at.to_string(),
                StatusCode::OK,
                Duration::from_millis(1),
            );
        }
        metrics.count(Verb::Get, "7", StatusCode::OK, Duration::from_millis(1));
        let text = metrics.print([0, 1, 2]);
        assert!(text.contains("apiserver_request_total{code=\"200\",resource=\"7\",verb=\"GET\"} 2\n"));
        assert_eq!(text.matches("apiserver_request_total{").count(), MAX_SERIES);
        assert!(text.ends_with("{request_kind=\"longRunning\"} 2\n"));
    }
}
