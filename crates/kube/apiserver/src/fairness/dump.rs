//! `/debug/api_priority_and_fairness/…`: levels, queues and those who wait, as upstream's tables.

use std::fmt::Display;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use http::Response;
use http::header::{CONTENT_TYPE, HeaderValue};

use super::level::Level;
use crate::registry::rfc3339;
use crate::server::State;
use crate::{Body, Call};

const PREFIX: &str = "/debug/api_priority_and_fairness/dump_";

const LEVELS: &[&str] = &[
    "PriorityLevelName",
    "ActiveQueues",
    "IsIdle",
    "IsQuiescing",
    "WaitingRequests",
    "ExecutingRequests",
    "DispatchedRequests",
    "RejectedRequests",
    "TimedoutRequests",
    "CancelledRequests",
];
const QUEUES: &[&str] = &[
    "PriorityLevelName",
    "Index",
    "PendingRequests",
    "ExecutingRequests",
    "SeatsInUse",
    "NextDispatchR",
    "InitialSeatsSum",
    "MaxSeatsSum",
    "TotalWorkSum",
];
const REQUESTS: &[&str] = &[
    "PriorityLevelName",
    "FlowSchemaName",
    "QueueIndex",
    "RequestIndexInQueue",
    "FlowDistingsher",
    "ArriveTime",
    "InitialSeats",
    "FinalSeats",
    "AdditionalLatency",
    "StartTime",
];

/// Answers one of the dumps.
pub(crate) fn answer(state: &State, call: &Call) -> Option<Response<Body>> {
    let what = call.info.path.strip_prefix(PREFIX)?;
    let config = state.fairness.config(state);
    let levels = config.levels.values();
    let (head, rows): (&[&str], Vec<Vec<String>>) = match what {
        "priority_levels" => (LEVELS, levels.map(level).collect()),
        "queues" => (QUEUES, levels.flat_map(queues).collect()),
        "requests" => (REQUESTS, levels.flat_map(requests).collect()),
        _ => return None,
    };
    let mut response = Response::new(Body::full(table(head, &rows)));
    let kind = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    Some(response)
}

fn level(level: &Arc<Level>) -> Vec<String> {
    let counts = &level.counts;
    let read = |count: &std::sync::atomic::AtomicU64| count.load(Ordering::Relaxed);
    let ((waiting, active), executing) = (level.waiting(), read(&counts.executing));
    let idle = waiting == 0 && executing == 0;
    let shown: [&dyn Display; 10] = [
        &level.name,
        &active,
        &idle,
        &false,
        &waiting,
        &executing,
        &read(&counts.dispatched),
        &read(&counts.rejected),
        &read(&counts.timed_out),
        &read(&counts.cancelled),
    ];
    shown.map(ToString::to_string).to_vec()
}

fn queues(level: &Arc<Level>) -> Vec<Vec<String>> {
    let queue = |(at, queue): (usize, super::level::QueueView)| {
        let waiting: u32 = queue.waiting.iter().map(|ticket| ticket.width()).sum();
        let shown: [&dyn Display; 9] = [
            &level.name,
            &at,
            &queue.waiting.len(),
            &queue.executing,
            &queue.seats,
            &format!("{}ss", queue.served),
            &waiting,
            &waiting,
            &format!("{waiting}ss"),
        ];
        shown.map(ToString::to_string).to_vec()
    };
    level.view().into_iter().enumerate().map(queue).collect()
}

fn requests(level: &Arc<Level>) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    for (queue, view) in level.view().into_iter().enumerate() {
        for (at, ticket) in view.waiting.iter().enumerate() {
            let arrived = rfc3339(ticket.arrived);
            let shown: [&dyn Display; 10] = [
                &level.name,
                &ticket.schema,
                &queue,
                &at,
                &ticket.flow,
                &arrived,
                &ticket.width(),
                &0,
                &"0s",
                &"0001-01-01T00:00:00Z",
            ];
            rows.push(shown.map(ToString::to_string).to_vec());
        }
    }
    rows
}

/// Columns ended by commas and aligned by blanks, as Go's `tabwriter` does it.
fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let head: Vec<String> = head.iter().map(|name| (*name).to_owned()).collect();
    let all: Vec<&Vec<String>> = std::iter::once(&head).chain(rows).collect();
    let width = |column: usize| {
        let longest = all.iter().map(|row| row[column].len() + 1).max();
        (longest.unwrap_or(0) + 1).max(8)
    };
    let mut out = String::new();
    for row in &all {
        let (last, others) = row
            .split_last()
            .map_or(("", &[][..]), |(last, others)| (last.as_str(), others));
        for (column, cell) in others.iter().enumerate() {
            out += &format!("{:<1$}", format!("{cell},"), width(column));
        }
        out += last;
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned() {
        let rows = [
            vec!["catch-all".to_owned(), "1".to_owned()],
            vec!["x".to_owned(), "22".to_owned()],
        ];
        let expected = "Name,      N\ncatch-all, 1\nx,         22\n";
        assert_eq!(table(&["Name", "N"], &rows), expected);
    }
}
