//! `/containerLogs`: what a container wrote.

use std::io;
use std::sync::Arc;

use apiserver::Body;
use bytes::{Bytes, BytesMut};
use futures_util::stream::{self, Stream};
use http::{Response, StatusCode};
use jiff::Timestamp;
use jiff::fmt::temporal::DateTimePrinter;
use streaming::{ContainerRef, LogFault, LogLine};

use crate::answer;
use crate::log_query::{Unfit, Wanted, container_id};
use crate::server::{Call, State};

pub(crate) async fn answer(state: Arc<State>, call: Call) -> Response<Body> {
    match lines(&state, &call).await {
        Ok(lines) => answer::stream(lines),
        Err((code, why)) => answer::text(code, why),
    }
}

type Refusal = (StatusCode, String);

async fn lines(state: &State, call: &Call) -> Result<impl Stream<Item = Bytes> + Send + use<>, Refusal> {
    let (namespace, name, container) = (&call.path[1], &call.path[2], &call.path[3]);
    for (given, missing) in [
        (name, r#"{"message": "Missing podID."}"#),
        (container, r#"{"message": "Missing container name."}"#),
        (namespace, r#"{"message": "Missing podNamespace."}"#),
    ] {
        if given.is_empty() {
            return Err((StatusCode::BAD_REQUEST, missing.to_owned()));
        }
    }
    let wanted = Wanted::of(&call.query, state.parts.env.wall()).map_err(unfit)?;
    let not_found = |why: String| (StatusCode::NOT_FOUND, why);
    let pod = state.lookup.pod(namespace, name);
    let pod = pod.ok_or_else(|| not_found(format!("pod {name:?} does not exist")))?;
    if pod.container(container).is_none() {
        return Err(not_found(format!(
            "container {container:?} not found in pod {name:?}"
        )));
    }
    let bad = |why: String| (StatusCode::BAD_REQUEST, why);
    let id = container_id(&pod, container, wanted.previous).map_err(bad)?;
    let of = ContainerRef {
        pod: pod.reference(),
        container: container.clone(),
    };
    let behind = id.split_once("://").map_or(id, |(_, behind)| behind).to_owned();
    let reading = state.parts.streams.logs(of, behind, wanted.query.clone()).await;
    let reading = reading.map_err(|fault| match fault {
        LogFault::NotFound => bad(format!("unable to retrieve container logs for {id}")),
        LogFault::Failed(why) => bad(why),
    })?;
    let printer = Printer::new(&wanted);
    Ok(stream::unfold(
        (reading, printer),
        |(mut reading, mut printer)| async move {
            loop {
                if printer.is_full() {
                    return None;
                }
                let line = std::future::poll_fn(|cx| reading.poll_recv(cx)).await?;
                let text = printer.print(line);
                if !text.is_empty() {
                    return Some((text, (reading, printer)));
                }
            }
        },
    ))
}

fn unfit(unfit: Unfit) -> Refusal {
    match unfit {
        Unfit::Undecoded => (
            StatusCode::BAD_REQUEST,
            r#"{"message": "Unable to decode query."}"#.to_owned(),
        ),
        Unfit::Invalid => (
            StatusCode::UNPROCESSABLE_ENTITY,
            r#"{"message": "Invalid request."}"#.to_owned(),
        ),
    }
}

/// RFC 3339 with nine digits, whatever they are.
const TIME: DateTimePrinter = DateTimePrinter::new().precision(Some(9));

/// Makes an answer of lines.
struct Printer {
    timestamps: bool,
    /// Bytes that may still be written; none without a limit.
    left: Option<u64>,
    /// The next piece begins a line.
    fresh: bool,
}

impl Printer {
    fn new(wanted: &Wanted) -> Self {
        Self {
            timestamps: wanted.timestamps,
            left: wanted.limit,
            fresh: true,
        }
    }

    fn is_full(&self) -> bool {
        self.left == Some(0)
    }

    fn print(&mut self, line: io::Result<LogLine>) -> Bytes {
        let line = match line {
            Ok(line) => line,
            // What has been sent cannot be taken back: as upstream, the answer ends with what went wrong.
            Err(error) => return error.to_string().into(),
        };
        let begins = std::mem::replace(&mut self.fresh, line.text.ends_with(b"\n"));
        let time = Timestamp::from_nanosecond(line.time).ok();
        let time = time.filter(|_| self.timestamps && begins);
        let text = match time {
            Some(time) => prefixed(time, &line.text),
            None => line.text,
        };
        self.cut(text)
    }

    fn cut(&mut self, text: Bytes) -> Bytes {
        let Some(left) = &mut self.left else { return text };
        let length = usize::try_from(*left).unwrap_or(usize::MAX).min(text.len());
        *left -= length as u64;
        text.slice(..length)
    }
}

fn prefixed(time: Timestamp, text: &[u8]) -> Bytes {
    let mut line = BytesMut::from(TIME.timestamp_to_string(&time).as_bytes());
    line.extend_from_slice(b" ");
    line.extend_from_slice(text);
    line.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;
    use streaming::Stream as Output;

    fn printed(timestamps: bool, left: Option<u64>, texts: &[&'static str]) -> String {
        let mut printer = Printer {
            timestamps,
            left,
            fresh: true,
        };
        let line = |text: &&'static str| {
            Ok(LogLine {
                time: 1_500_000_000,
                stream: Output::Stdout,
                text: Bytes::from_static(text.as_bytes()),
            })
        };
        let pieces = texts.iter().map(|text| printer.print(line(text)));
        pieces
            .map(|piece| String::from_utf8(piece.to_vec()).unwrap())
            .collect()
    }

    #[test]
    fn a_line_has_one_time_however_many_pieces_it_has() {
        assert_eq!(
            printed(true, None, &["a", "b\n", "c\n"]),
            "1970-01-01T00:00:01.500000000Z ab\n1970-01-01T00:00:01.500000000Z c\n"
        );
    }

    #[test]
    fn an_answer_has_its_limit() {
        assert_eq!(printed(false, Some(5), &["abc\n", "def\n", "x\n"]), "abc\nd");
        assert_eq!(printed(true, Some(3), &["abc\n"]), "197");
    }
}
