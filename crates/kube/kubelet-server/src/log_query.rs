//! What is asked of a log, and which container's log it is.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use streaming::LogQuery;

use crate::lookup::{Pod, Terminated};
use crate::query::Query;

/// What a client wants (`PodLogOptions`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// The log of the container before this one.
    pub(crate) previous: bool,
    /// Each line begins with its time.
    pub(crate) timestamps: bool,
    /// The most bytes of the answer.
    pub(crate) limit: Option<u64>,
    /// What is read.
    pub(crate) query: LogQuery,
}

/// Why a query is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unfit {
    /// A value is none of its type.
    Undecoded,
    /// A value is out of its range.
    Invalid,
}

impl Wanted {
    /// Of a request, at this time of day.
    pub(crate) fn of(query: &Query, now: SystemTime) -> Result<Self, Unfit> {
        let tail = match query.get("tail") {
            "" => number(query.get("tailLines"))?,
            // Of old: all of it.
            "all" => None,
            old => number(old)?,
        };
        let (limit, seconds) = (
            number(query.get("limitBytes"))?,
            number(query.get("sinceSeconds"))?,
        );
        let since = match query.get("sinceTime") {
            "" => None,
            time => Some(
                time.parse::<Timestamp>()
                    .map_err(|_| Unfit::Undecoded)?
                    .as_nanosecond(),
            ),
        };
        let (stdout, stderr) = streams(query.get("stream"))?;
        let below_one = |number: Option<i64>| number.is_some_and(|number| number < 1);
        let unfit = tail.is_some_and(|lines| lines < 0)
            || below_one(limit)
            || below_one(seconds)
            || (seconds.is_some() && since.is_some())
            || (tail.is_some() && stdout != stderr);
        if unfit {
            return Err(Unfit::Invalid);
        }
        let ago = seconds.map(|seconds| before(now, Duration::from_secs(seconds.unsigned_abs())));
        Ok(Self {
            previous: is_true(query.get("previous")),
            timestamps: is_true(query.get("timestamps")),
            limit: limit.map(i64::unsigned_abs),
            query: LogQuery {
                stdout,
                stderr,
                follow: is_true(query.get("follow")),
                tail: tail.map(i64::unsigned_abs),
                since: since.or(ago),
            },
        })
    }
}

fn number(text: &str) -> Result<Option<i64>, Unfit> {
    match text {
        "" => Ok(None),
        text => text.parse().map(Some).map_err(|_| Unfit::Undecoded),
    }
}

/// Upstream's reading of a boolean parameter: there, and neither `false` nor `0`.
fn is_true(text: &str) -> bool {
    !text.is_empty() && text != "0" && !text.eq_ignore_ascii_case("false")
}

fn streams(name: &str) -> Result<(bool, bool), Unfit> {
    match name {
        "" | "All" => Ok((true, true)),
        "Stdout" => Ok((true, false)),
        "Stderr" => Ok((false, true)),
        _ => Err(Unfit::Invalid),
    }
}

/// A while before now, in nanoseconds since 1970.
fn before(now: SystemTime, ago: Duration) -> i128 {
    let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    let nanos = |duration: Duration| i128::try_from(duration.as_nanos()).unwrap_or(i128::MAX);
    nanos(now) - nanos(ago)
}

/// The id of the container whose log is meant, as the pod's status has it (upstream's `validateContainerLogStatus`).
///
/// # Errors
/// What the client is told.
pub(crate) fn container_id<'a>(pod: &'a Pod, name: &str, previous: bool) -> Result<&'a str, String> {
    let of = format!("container {name:?} in pod {:?}", pod.metadata.name);
    let status = pod.status(name).ok_or_else(|| format!("{of} is not available"))?;
    let (state, last) = (&status.state, status.last_state.terminated.as_ref());
    let known = |ended: &'a Terminated| Some(ended.container_id.as_str()).filter(|id| !id.is_empty());
    let before = last.and_then(known);
    let terminated = || format!("{of} is terminated");
    if previous {
        return before.ok_or_else(|| format!("previous terminated {of} not found"));
    }
    if state.running.is_some() {
        return Ok(&status.container_id);
    }
    // Where the next one did not start, the one before has the log.
    if let Some(ended) = &state.terminated {
        return known(ended).or(before).ok_or_else(terminated);
    }
    if last.is_some() {
        return before.ok_or_else(terminated);
    }
    Err(match &state.waiting {
        Some(waiting) => format!("{of} is waiting to start: {}", why(&waiting.reason)),
        None => format!("{of} is waiting to start - no logs yet"),
    })
}

fn why(reason: &str) -> &str {
    match reason {
        "ErrImagePull" => "image can't be pulled",
        "ImagePullBackOff" => "trying and failing to pull image",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn wanted(query: &str) -> Result<Wanted, Unfit> {
        Wanted::of(&Query::parse(Some(query)), UNIX_EPOCH + Duration::from_secs(100))
    }

    #[test]
    fn options_are_read() {
        let all = LogQuery {
            stdout: true,
            stderr: true,
            ..LogQuery::default()
        };
        let of = |query| Wanted {
            query,
            ..Wanted::default()
        };
        assert_eq!(wanted(""), Ok(of(all.clone())));
        assert_eq!(wanted("tail=all&tailLines=3"), Ok(of(all.clone())));
        for (query, expected) in [
            (
                "tailLines=0",
                LogQuery {
                    tail: Some(0),
                    ..all.clone()
                },
            ),
            (
                "tail=7",
                LogQuery {
                    tail: Some(7),
                    ..all.clone()
                },
            ),
            (
                "sinceSeconds=40&follow=true",
                LogQuery {
                    since: Some(60_000_000_000),
                    follow: true,
                    ..all.clone()
                },
            ),
            (
                "sinceTime=1970-01-01T00:00:05Z",
                LogQuery {
                    since: Some(5_000_000_000),
                    ..all.clone()
                },
            ),
            (
                "stream=Stdout",
                LogQuery {
                    stderr: false,
                    ..all.clone()
                },
            ),
        ] {
            assert_eq!(wanted(query), Ok(of(expected)), "{query}");
        }
        let more = wanted("previous=true&timestamps=1&limitBytes=9&follow=false").unwrap();
        assert_eq!(
            (more.previous, more.timestamps, more.limit, more.query),
            (true, true, Some(9), all)
        );
    }

    #[test]
    fn options_out_of_their_range_are_refused() {
        for query in [
            "tailLines=-1",
            "limitBytes=0",
            "sinceSeconds=0",
            "sinceSeconds=1&sinceTime=1970-01-01T00:00:05Z",
            "stream=x",
            "stream=Stderr&tailLines=1",
        ] {
            assert_eq!(wanted(query), Err(Unfit::Invalid), "{query}");
        }
        for query in ["tailLines=x", "limitBytes=1.5", "sinceTime=yesterday"] {
            assert_eq!(wanted(query), Err(Unfit::Undecoded), "{query}");
        }
    }

    fn pod(status: &Value) -> Pod {
        let mut status = status.clone();
        status["name"] = "c".into();
        let pod = json!({
            "metadata": {"name": "p", "namespace": "ns", "uid": "u"}, "spec": {"containers": [{"name": "c"}]},
            "status": {"containerStatuses": [status]},
        });
        serde_json::from_value(pod).unwrap()
    }

    #[test]
    fn the_status_says_whose_log_it_is() {
        let ended = |id: &str| json!({"terminated": {"exitCode": 1, "containerID": id}});
        let waiting = |reason: &str| json!({"waiting": {"reason": reason}});
        let running = json!({"running": {"startedAt": "2026-01-01T00:00:00Z"}});
        let (of, none) = (r#"container "c" in pod "p""#, Value::Null);
        let cases = [
            (&running, &none, false, Ok("g://now")),
            (&running, &ended("g://old"), true, Ok("g://old")),
            (
                &running,
                &none,
                true,
                Err(format!("previous terminated {of} not found")),
            ),
            (&ended("g://end"), &none, false, Ok("g://end")),
            (&ended(""), &ended("g://old"), false, Ok("g://old")),
            (&ended(""), &none, false, Err(format!("{of} is terminated"))),
            (
                &waiting("CrashLoopBackOff"),
                &ended("g://old"),
                false,
                Ok("g://old"),
            ),
            (
                &waiting("ContainerCreating"),
                &none,
                false,
                Err(format!("{of} is waiting to start: ContainerCreating")),
            ),
            (
                &waiting("ErrImagePull"),
                &none,
                false,
                Err(format!("{of} is waiting to start: image can't be pulled")),
            ),
            (
                &waiting("ImagePullBackOff"),
                &none,
                false,
                Err(format!(
                    "{of} is waiting to start: trying and failing to pull image"
                )),
            ),
            (
                &none,
                &none,
                false,
                Err(format!("{of} is waiting to start - no logs yet")),
            ),
        ];
        for (state, last, previous, expected) in cases {
            let mut status = json!({"containerID": "g://now"});
            for (member, value) in [("state", state), ("lastState", last)] {
                if !value.is_null() {
                    status[member] = value.clone();
                }
            }
            let pod = pod(&status);
            assert_eq!(container_id(&pod, "c", previous), expected, "{status}");
        }
        let pod = pod(&json!({}));
        assert_eq!(
            container_id(&pod, "d", false),
            Err(r#"container "d" in pod "p" is not available"#.to_owned())
        );
    }
}
