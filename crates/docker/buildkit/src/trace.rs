//! Traces of builds: the spans that clients send (OTLP, `TraceService.Export`), and one for each step, written as BuildKit
//! writes them into its history: a JSON document behind the other, each a span in the words of OpenTelemetry's Go library.

use std::collections::BTreeMap;
use std::collections::VecDeque;

use bytes::Bytes;
use image::Digest;
use prost::Message;
use serde_json::{Value, json};

use crate::progress::rfc3339;
use crate::proto::Timestamp;
use crate::proto::control::{StatusResponse, Vertex};

/// The media type of such a document.
pub(crate) const MEDIA_TYPE: &str = "application/vnd.buildkit.otlp.json.v0";
/// Traces of which spans are kept, and spans and attributes of one.
const MAX_TRACES: usize = 64;
const MAX_SPANS: usize = 1000;
const MAX_ATTRIBUTES: usize = 64;
/// The longest text of a span.
const MAX_TEXT: usize = 4096;

/// `ExportTraceServiceRequest`, as far as it is kept.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct ExportRequest {
    #[prost(message, repeated, tag = "1")]
    resources: Vec<ResourceSpans>,
}

#[derive(Clone, PartialEq, Message)]
struct ResourceSpans {
    #[prost(message, optional, tag = "1")]
    resource: Option<Resource>,
    #[prost(message, repeated, tag = "2")]
    scopes: Vec<ScopeSpans>,
}

#[derive(Clone, PartialEq, Message)]
struct Resource {
    #[prost(message, repeated, tag = "1")]
    attributes: Vec<KeyValue>,
}

#[derive(Clone, PartialEq, Message)]
struct ScopeSpans {
    #[prost(message, optional, tag = "1")]
    scope: Option<Scope>,
    #[prost(message, repeated, tag = "2")]
    spans: Vec<Span>,
}

#[derive(Clone, PartialEq, Message)]
struct Scope {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    version: String,
}

#[derive(Clone, PartialEq, Message)]
struct Span {
    #[prost(bytes = "vec", tag = "1")]
    trace: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    id: Vec<u8>,
    #[prost(bytes = "vec", tag = "4")]
    parent: Vec<u8>,
    #[prost(string, tag = "5")]
    name: String,
    #[prost(int32, tag = "6")]
    kind: i32,
    #[prost(fixed64, tag = "7")]
    start: u64,
    #[prost(fixed64, tag = "8")]
    end: u64,
    #[prost(message, repeated, tag = "9")]
    attributes: Vec<KeyValue>,
    #[prost(message, optional, tag = "15")]
    status: Option<SpanStatus>,
}

#[derive(Clone, PartialEq, Message)]
struct SpanStatus {
    #[prost(string, tag = "2")]
    message: String,
    #[prost(int32, tag = "3")]
    code: i32,
}

#[derive(Clone, PartialEq, Message)]
struct KeyValue {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(message, optional, tag = "2")]
    value: Option<AnyValue>,
}

/// Lists and maps are not kept.
#[derive(Clone, PartialEq, Message)]
struct AnyValue {
    #[prost(oneof = "Any", tags = "1, 2, 3, 4")]
    value: Option<Any>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum Any {
    #[prost(string, tag = "1")]
    Text(String),
    #[prost(bool, tag = "2")]
    Switch(bool),
    #[prost(int64, tag = "3")]
    Number(i64),
    #[prost(double, tag = "4")]
    Float(f64),
}

/// `ExportTraceServiceResponse`: all of it was taken.
#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct ExportAnswer {}

/// Where a build belongs in its client's trace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Context {
    /// The trace, in 32 hexadecimal digits.
    pub(crate) trace: String,
    /// The client's span, in 16.
    parent: String,
}

impl Context {
    /// `traceparent` (W3C Trace Context, section 3.2): version, trace, span, flags.
    pub(crate) fn read(header: &str) -> Option<Self> {
        let mut parts = header.split('-');
        let (_, trace, parent) = (parts.next()?, parts.next()?, parts.next()?);
        let is_id = |text: &str, length: usize| {
            let hex = text.bytes().all(|byte| byte.is_ascii_hexdigit());
            text.len() == length && hex && text.bytes().any(|byte| byte != b'0')
        };
        (is_id(trace, 32) && is_id(parent, 16)).then(|| Self {
            trace: trace.to_ascii_lowercase(),
            parent: parent.to_ascii_lowercase(),
        })
    }

    /// Of a build whose client has no trace.
    pub(crate) fn of(build: &str) -> Self {
        Self {
            trace: Digest::of(build.as_bytes()).hex()[..32].to_owned(),
            parent: String::new(),
        }
    }
}

/// Spans that clients have sent, by their traces; the oldest traces go first.
#[derive(Debug, Default)]
pub(crate) struct Spans(VecDeque<(String, Vec<Value>)>);

impl Spans {
    /// Takes spans in; answers of which traces.
    pub(crate) fn add(&mut self, request: ExportRequest) -> Vec<String> {
        let mut traces = Vec::new();
        for (trace, span) in request.resources.into_iter().flat_map(ResourceSpans::written) {
            let at = match self.0.iter().position(|(known, _)| *known == trace) {
                Some(at) => at,
                None => {
                    if self.0.len() >= MAX_TRACES {
                        self.0.pop_front();
                    }
                    self.0.push_back((trace.clone(), Vec::new()));
                    self.0.len() - 1
                }
            };
            let spans = &mut self.0[at].1;
            if spans.len() < MAX_SPANS {
                spans.push(span);
            }
            if !traces.contains(&trace) {
                traces.push(trace);
            }
        }
        traces
    }

    /// Those of a trace.
    pub(crate) fn of(&self, trace: &str) -> Vec<Value> {
        let found = self.0.iter().find(|(known, _)| known == trace);
        found.map(|(_, spans)| spans.clone()).unwrap_or_default()
    }
}

impl ResourceSpans {
    fn written(self) -> Vec<(String, Value)> {
        let resource = attributes(&self.resource.unwrap_or_default().attributes);
        let mut spans = Vec::new();
        for scope in self.scopes {
            let library = scope.scope.unwrap_or_default();
            let library = json!({ "Name": short(&library.name), "Version": short(&library.version) });
            for span in scope.spans.into_iter().take(MAX_SPANS) {
                let trace = hex(&span.trace);
                if trace.len() == 32 {
                    spans.push((trace, span.written(&resource, &library)));
                }
            }
        }
        spans
    }
}

impl Span {
    fn written(&self, resource: &Value, library: &Value) -> Value {
        let trace = hex(&self.trace);
        let status = self.status.clone().unwrap_or_default();
        let code = match status.code {
            1 => "Ok",
            2 => "Error",
            _ => "Unset",
        };
        json!({
            "Name": short(&self.name),
            "SpanContext": context(&trace, &hex(&self.id)),
            "Parent": context(&trace, &hex(&self.parent)),
            "SpanKind": self.kind,
            "StartTime": nanoseconds(self.start),
            "EndTime": nanoseconds(self.end),
            "Attributes": attributes(&self.attributes),
            "Status": { "Code": code, "Description": short(&status.message) },
            "Resource": resource,
            "InstrumentationLibrary": library,
        })
    }
}

fn attributes(given: &[KeyValue]) -> Value {
    let written = given.iter().take(MAX_ATTRIBUTES).filter_map(|each| {
        let value = match each.value.as_ref()?.value.as_ref()? {
            Any::Text(text) => json!({ "Type": "STRING", "Value": short(text) }),
            Any::Switch(on) => json!({ "Type": "BOOL", "Value": on }),
            Any::Number(number) => json!({ "Type": "INT64", "Value": number }),
            Any::Float(number) => json!({ "Type": "FLOAT64", "Value": number }),
        };
        Some(json!({ "Key": short(&each.key), "Value": value }))
    });
    written.collect()
}

fn context(trace: &str, span: &str) -> Value {
    let none = |text: &str, length: usize| match text.is_empty() {
        true => "0".repeat(length),
        false => text.to_owned(),
    };
    let nobody = span.is_empty();
    json!({
        "TraceID": if nobody { none("", 32) } else { trace.to_owned() },
        "SpanID": none(span, 16),
        "TraceFlags": if nobody { "00" } else { "01" },
        "TraceState": "",
        "Remote": false,
    })
}

fn nanoseconds(time: u64) -> String {
    let time = jiff::Timestamp::from_nanosecond(time.into()).unwrap_or_default();
    time.to_string()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

fn short(text: &str) -> &str {
    let end = (0..=MAX_TEXT.min(text.len()))
        .rev()
        .find(|at| text.is_char_boundary(*at));
    &text[..end.unwrap_or(0)]
}

/// A build, as far as its trace shows it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Traced<'a> {
    pub(crate) id: &'a str,
    pub(crate) context: &'a Context,
    pub(crate) started: Option<Timestamp>,
    pub(crate) ended: Option<Timestamp>,
    pub(crate) error: Option<&'a str>,
}

/// The trace of a build: itself, its steps below it, and what its client has sent.
pub(crate) fn document(build: Traced<'_>, messages: &[StatusResponse], sent: &[Value]) -> Bytes {
    let mut steps: BTreeMap<&str, &Vertex> = BTreeMap::new();
    let mut order = Vec::new();
    for vertex in messages.iter().flat_map(|message| &message.vertexes) {
        if steps.insert(&vertex.digest, vertex).is_none() {
            order.push(&*vertex.digest);
        }
    }
    let own = |name: &str| Digest::of(format!("{}\0{name}", build.id).as_bytes()).hex()[..16].to_owned();
    let (trace, root) = (&build.context.trace, own(""));
    let span = |name: &str,
                (id, parent): (&str, &str),
                times: (Option<Timestamp>, Option<Timestamp>),
                error: &str| {
        json!({
            "Name": short(name),
            "SpanContext": context(trace, id),
            "Parent": context(trace, parent),
            "SpanKind": 1,
            "StartTime": rfc3339(times.0),
            "EndTime": rfc3339(times.1.or(times.0)),
            "Status": {
                "Code": if error.is_empty() { "Unset" } else { "Error" }, "Description": short(error),
            },
            "Resource": [{ "Key": "service.name", "Value": { "Type": "STRING", "Value": "gantry" } }],
            "InstrumentationLibrary": { "Name": "gantry", "Version": "" },
        })
    };
    let times = (build.started, build.ended);
    let mut whole = span(
        "build",
        (&root, &build.context.parent),
        times,
        build.error.unwrap_or_default(),
    );
    whole["Attributes"] = json!([{ "Key": "build.ref", "Value": { "Type": "STRING", "Value": build.id } }]);
    let mut spans = vec![whole];
    for digest in order {
        let Some(step) = steps.get(digest).filter(|step| step.started.is_some()) else {
            continue;
        };
        let times = (step.started, step.completed.or(build.ended));
        let mut shown = span(&step.name, (&own(digest), &root), times, &step.error);
        shown["Attributes"] = json!([
            { "Key": "vertex", "Value": { "Type": "STRING", "Value": digest } },
            { "Key": "cached", "Value": { "Type": "BOOL", "Value": step.cached } },
        ]);
        spans.push(shown);
    }
    let written = spans.iter().chain(sent).map(|span| format!("{span:#}\n"));
    written.collect::<String>().into()
}

/// What a client sends: so many spans of a trace.
#[cfg(test)]
pub(crate) fn sample(trace: Vec<u8>, spans: usize) -> ExportRequest {
    let span = Span {
        trace,
        id: vec![1; 8],
        name: "é".repeat(MAX_TEXT),
        kind: 3,
        start: 1_500_000_000,
        attributes: vec![KeyValue {
            key: "k".to_owned(),
            value: Some(AnyValue {
                value: Some(Any::Number(7)),
            }),
        }],
        ..Span::default()
    };
    let scope = ScopeSpans {
        scope: None,
        spans: vec![span; spans],
    };
    let resource = ResourceSpans {
        resource: None,
        scopes: vec![scope.clone(), scope],
    };
    ExportRequest {
        resources: vec![resource],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
    const PARENT: &str = "b7ad6b7169203331";

    #[test]
    fn contexts_are_read() {
        let read = Context::read(&format!("00-{TRACE}-{PARENT}-01")).unwrap();
        assert_eq!((&*read.trace, &*read.parent), (TRACE, PARENT));
        for wrong in ["", "00-1-2-01", &format!("00-{}-{PARENT}-01", "0".repeat(32))] {
            assert_eq!(Context::read(wrong), None);
        }
        assert_eq!(Context::of("x").trace.len(), 32);
    }

    fn request(trace: u8, spans: usize) -> ExportRequest {
        sample(vec![trace; 16], spans)
    }

    #[test]
    fn sent_spans_are_bounded() {
        let mut spans = Spans::default();
        for trace in 0..=u8::try_from(MAX_TRACES).unwrap() {
            let sent = request(trace, 1).encode_to_vec();
            spans.add(ExportRequest::decode(&sent[..]).unwrap());
        }
        assert_eq!((spans.0.len(), spans.of(&"00".repeat(16)).len()), (MAX_TRACES, 0));
        let kept = spans.of(&"01".repeat(16));
        assert_eq!(kept.len(), 2);
        assert_eq!(kept[0]["StartTime"], "1970-01-01T00:00:01.5Z");
        assert_eq!(
            kept[0]["Attributes"][0]["Value"],
            json!({ "Type": "INT64", "Value": 7 })
        );
        assert!(kept[0]["Name"].as_str().unwrap().len() <= MAX_TEXT);
        assert_eq!(spans.add(request(1, MAX_SPANS)), ["01".repeat(16)]);
        assert_eq!(spans.of(&"01".repeat(16)).len(), MAX_SPANS);
    }

    #[test]
    fn steps_stand_below_their_build() {
        let at = |seconds| Some(Timestamp { seconds, nanos: 0 });
        let vertex = |completed| Vertex {
            digest: "sha256:a".to_owned(),
            name: "step".to_owned(),
            started: at(2),
            completed,
            ..Vertex::default()
        };
        let message = |vertex| StatusResponse {
            vertexes: vec![vertex],
            ..StatusResponse::default()
        };
        let context = Context::read(&format!("00-{TRACE}-{PARENT}-01")).unwrap();
        let build = Traced {
            id: "b",
            context: &context,
            started: at(1),
            ended: at(9),
            error: Some("no luck"),
        };
        let messages = [message(vertex(None)), message(vertex(at(3)))];
        let text = document(build, &messages, &[json!({ "Name": "sent" })]);
        let spans: Vec<Value> = serde_json::Deserializer::from_slice(&text)
            .into_iter()
            .collect::<Result<_, _>>()
            .unwrap();
        assert_eq!(spans.len(), 3);
        assert_eq!(spans[0]["Parent"]["SpanID"], PARENT);
        assert_eq!(spans[0]["Status"]["Description"], "no luck");
        assert_eq!(spans[1]["Parent"]["SpanID"], spans[0]["SpanContext"]["SpanID"]);
        assert_eq!(
            (&spans[1]["StartTime"], &spans[1]["EndTime"]),
            (&json!("1970-01-01T00:00:02Z"), &json!("1970-01-01T00:00:03Z"))
        );
        assert_eq!(spans[2]["Name"], "sent");
    }
}
