//! `GET /containers/ID/logs`.

use engine::logs::{LogEntry, LogQuery};
use http::HeaderValue;

use crate::Api;
use crate::convert::time;
use crate::error::ApiError;
use crate::server::call::Call;
use crate::server::query::Query;
use crate::server::reply::Reply;
use crate::stream::frame::{Channel, Framing};

/// `GET /containers/ID/logs`.
pub(crate) async fn logs(call: Call<Api>) -> Result<Reply, ApiError> {
    let query = &call.query;
    if !query.bool("stdout") && !query.bool("stderr") {
        return Err(ApiError::bad(
            "Bad parameters: you must choose at least one stream",
        ));
    }
    let container = call.state.find(&call.name)?;
    let framing = Framing::of(container.spec.tty);
    let line = Line {
        timestamps: query.bool("timestamps"),
        details: query.bool("details"),
        framing,
    };
    let mut entries = call.state.engine.logs(&container.id, log_query(query)?)?;
    let (sender, reply) = Reply::stream(media_type(framing, call.version.since(42)));
    tokio::spawn(async move {
        loop {
            // `recv` is cancel-safe.
            let entry = tokio::select! {
                biased;
                () = sender.closed() => return,
                entry = entries.recv() => entry,
            };
            let Some(entry) = entry else { return };
            if !sender.send(line.of(entry)).await {
                return;
            }
        }
    });
    Ok(reply)
}

/// The media type of output: frames have a name of their own since 1.42.
pub(crate) fn media_type(framing: Framing, since_42: bool) -> HeaderValue {
    HeaderValue::from_static(match framing {
        Framing::Multiplexed if since_42 => "application/vnd.docker.multiplexed-stream",
        _ => "application/vnd.docker.raw-stream",
    })
}

/// A `tail` that is no number, or `all`, means everything.
fn log_query(query: &Query) -> Result<LogQuery, ApiError> {
    Ok(LogQuery {
        stdout: query.bool("stdout"),
        stderr: query.bool("stderr"),
        since: time::timestamp(query.get("since"))?.filter(|since| since.as_nanosecond() != 0),
        until: time::timestamp(query.get("until"))?.filter(|until| until.as_nanosecond() != 0),
        tail: query.get("tail").parse().ok(),
        follow: query.bool("follow"),
    })
}

/// How an entry is written.
#[derive(Clone, Copy)]
struct Line {
    timestamps: bool,
    details: bool,
    framing: Framing,
}

impl Line {
    fn of(self, entry: std::io::Result<LogEntry>) -> bytes::Bytes {
        match entry {
            Ok(entry) => self.framing.wrap(entry.stream.into(), self.text(&entry)),
            Err(cause) => self
                .framing
                .wrap(Channel::System, format!("Error grabbing logs: {cause}\n").into()),
        }
    }

    fn text(self, entry: &LogEntry) -> bytes::Bytes {
        if !self.timestamps && !self.details {
            return entry.line.clone();
        }
        let mut text = Vec::with_capacity(entry.line.len() + 40);
        if self.timestamps {
            text.extend_from_slice(format!("{} ", time::rfc3339_nano(entry.time)).as_bytes());
        }
        if self.details {
            text.extend_from_slice(attributes(entry).as_bytes());
            text.push(b' ');
        }
        text.extend_from_slice(&entry.line);
        text.into()
    }
}

/// `name=value,…` by name, escaped as in a query.
fn attributes(entry: &LogEntry) -> String {
    let escape = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let pairs = entry
        .attributes
        .iter()
        .map(|(name, value)| format!("{}={}", escape(name), escape(value)));
    pairs.collect::<Vec<_>>().join(",")
}
