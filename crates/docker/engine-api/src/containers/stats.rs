//! `GET /containers/ID/stats`: a sample now, or one a second.

use std::time::Duration;

use engine::Status;
use engine::stats::{BlockEntry, CpuStats, NetworkCounters, Stats};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::Api;
use crate::convert::time::rfc3339;
use crate::error::ApiError;
use crate::server::call::Call;
use crate::server::reply::{JSON, Reply};
use crate::stream::progress::record;

/// Time between two samples.
const INTERVAL: Duration = Duration::from_secs(1);

/// What came before a sample, to compute percentages from.
#[derive(Clone, Copy, Default)]
struct Before {
    cpu: CpuStats,
    read: Option<Timestamp>,
}

/// `GET /containers/ID/stats`.
pub(crate) async fn stats(call: Call<Api>) -> Result<Reply, ApiError> {
    let stream = call.query.bool_or("stream", true);
    let one_shot = call.version.since(41) && call.query.bool("one-shot");
    let container = call.state.find(&call.name)?;
    if stream && one_shot {
        return Err(ApiError::bad("cannot have stream=true and one-shot=true"));
    }
    let who = Who {
        id: container.id.to_string(),
        name: format!("/{}", container.name),
    };
    if stream {
        return Ok(streamed(&call, who));
    }
    let running = matches!(container.state.status, Status::Running | Status::Paused);
    let first = if running {
        sample(&call.state, &who.id).await?
    } else {
        Stats::default()
    };
    if one_shot || first.read.is_none() {
        return Ok(one(&who, &first, Before::default()));
    }
    // A second sample is what percentages are computed from.
    tokio::time::sleep(INTERVAL).await;
    let second = sample(&call.state, &who.id).await?;
    Ok(one(
        &who,
        &second,
        Before {
            cpu: first.cpu,
            read: first.read,
        },
    ))
}

struct Who {
    id: String,
    name: String,
}

fn one(who: &Who, stats: &Stats, before: Before) -> Reply {
    let body = record(&document(who, stats, before)).to_vec();
    Reply::Http(crate::server::reply::with_type(
        http::StatusCode::OK,
        JSON,
        body.into(),
    ))
}

/// A sample; an empty one of a container that has stopped since.
async fn sample(api: &Api, id: &str) -> Result<Stats, ApiError> {
    match api.engine.stats(id).await {
        Ok(stats) => Ok(stats),
        Err(error) if error.kind() == engine::Kind::Conflict => Ok(Stats::default()),
        Err(error) => Err(error.into()),
    }
}

/// One sample a second until the client goes or the container is removed.
fn streamed(call: &Call<Api>, who: Who) -> Reply {
    let (sender, reply) = Reply::stream(JSON);
    let api = call.state.clone();
    tokio::spawn(async move {
        let mut before = Before::default();
        loop {
            let Ok(stats) = sample(&api, &who.id).await else {
                return;
            };
            if !sender.send(record(&document(&who, &stats, before))).await {
                return;
            }
            before = Before {
                cpu: stats.cpu,
                read: stats.read,
            };
            // Both arms only wait.
            tokio::select! {
                biased;
                () = sender.closed() => return,
                () = tokio::time::sleep(INTERVAL) => {}
            }
        }
    });
    reply
}

fn document(who: &Who, stats: &Stats, before: Before) -> Value {
    let mut document = json!({
        "name": who.name,
        "id": who.id,
        "read": rfc3339(stats.read),
        "preread": rfc3339(before.read),
        "pids_stats": pids(stats),
        "blkio_stats": block(stats),
        "num_procs": 0,
        "storage_stats": {},
        "cpu_stats": cpu(&stats.cpu),
        "precpu_stats": cpu(&before.cpu),
        "memory_stats": memory(stats),
    });
    if !stats.networks.is_empty() {
        document["networks"] = stats
            .networks
            .iter()
            .map(|(name, counters)| (name.clone(), network(counters)))
            .collect();
    }
    document
}

/// Members that upstream leaves out when they are zero.
fn nonzero(members: &[(&str, u64)]) -> Map<String, Value> {
    let there = members.iter().filter(|(_, value)| *value != 0);
    there
        .map(|(name, value)| ((*name).to_owned(), json!(value)))
        .collect()
}

/// No limit is the largest number.
fn pids(stats: &Stats) -> Map<String, Value> {
    let limit = if stats.read.is_some() {
        stats.pids_limit.unwrap_or(u64::MAX)
    } else {
        0
    };
    nonzero(&[("current", stats.pids), ("limit", limit)])
}

fn cpu(cpu: &CpuStats) -> Value {
    let mut shown = json!({
        "cpu_usage": {
            "total_usage": cpu.total,
            "usage_in_kernelmode": cpu.kernel,
            "usage_in_usermode": cpu.user,
        },
        "throttling_data": {
            "periods": cpu.periods,
            "throttled_periods": cpu.throttled_periods,
            "throttled_time": cpu.throttled_time,
        },
    });
    for (name, value) in nonzero(&[
        ("system_cpu_usage", cpu.machine),
        ("online_cpus", cpu.online.into()),
    ]) {
        shown[name] = value;
    }
    shown
}

fn memory(stats: &Stats) -> Value {
    let memory = &stats.memory;
    let mut shown = nonzero(&[
        ("usage", memory.usage),
        ("max_usage", memory.peak.unwrap_or(0)),
        ("failcnt", memory.failures),
        ("limit", memory.limit),
    ]);
    if !memory.detail.is_empty() {
        shown.insert("stats".into(), json!(memory.detail));
    }
    Value::Object(shown)
}

/// Upstream's eight lists; those that this kernel does not count are `null`, as with cgroup v2.
fn block(stats: &Stats) -> Value {
    let rows = |entries: &[BlockEntry]| -> Value {
        if entries.is_empty() {
            return Value::Null;
        }
        let row = |entry: &BlockEntry| json!({ "major": entry.major, "minor": entry.minor, "op": entry.operation, "value": entry.value });
        entries.iter().map(row).collect()
    };
    json!({
        "io_service_bytes_recursive": rows(&stats.block_bytes),
        "io_serviced_recursive": rows(&stats.block_operations),
        "io_queue_recursive": null,
        "io_service_time_recursive": null,
        "io_wait_time_recursive": null,
        "io_merged_recursive": null,
        "io_time_recursive": null,
        "sectors_recursive": null,
    })
}

fn network(counters: &NetworkCounters) -> Value {
    json!({
        "rx_bytes": counters.rx_bytes,
        "rx_packets": counters.rx_packets,
        "rx_errors": counters.rx_errors,
        "rx_dropped": counters.rx_dropped,
        "tx_bytes": counters.tx_bytes,
        "tx_packets": counters.tx_packets,
        "tx_errors": counters.tx_errors,
        "tx_dropped": counters.tx_dropped,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_that_does_not_run_has_an_empty_sample() {
        let who = Who {
            id: "i".into(),
            name: "/n".into(),
        };
        let shown = document(&who, &Stats::default(), Before::default());
        assert_eq!(shown["read"], "0001-01-01T00:00:00Z");
        assert_eq!(
            (&shown["memory_stats"], &shown["pids_stats"]),
            (&json!({}), &json!({}))
        );
        assert_eq!(shown["cpu_stats"]["cpu_usage"]["total_usage"], 0);
        assert!(shown["cpu_stats"].get("system_cpu_usage").is_none() && shown.get("networks").is_none());
    }

    #[test]
    fn what_is_counted_is_shown() {
        let mut stats = Stats {
            read: Some(Timestamp::UNIX_EPOCH),
            pids: 3,
            ..Stats::default()
        };
        (stats.cpu.total, stats.cpu.machine, stats.cpu.online) = (5, 100, 2);
        stats.block_bytes = vec![BlockEntry {
            major: 8,
            minor: 0,
            operation: "read",
            value: 9,
        }];
        stats.networks.insert(
            "eth0".into(),
            NetworkCounters {
                rx_bytes: 7,
                ..NetworkCounters::default()
            },
        );
        let who = Who {
            id: "i".into(),
            name: "/n".into(),
        };
        let shown = document(&who, &stats, Before::default());
        assert_eq!(shown["pids_stats"], json!({"current": 3, "limit": u64::MAX}));
        assert_eq!(
            (
                &shown["cpu_stats"]["online_cpus"],
                &shown["networks"]["eth0"]["rx_bytes"]
            ),
            (&json!(2), &json!(7))
        );
        assert_eq!(shown["blkio_stats"]["io_service_bytes_recursive"][0]["value"], 9);
    }
}
