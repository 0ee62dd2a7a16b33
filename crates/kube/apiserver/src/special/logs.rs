//! A pod's log, read of its kubelet.

use bytes::{Bytes, BytesMut};
use form_urlencoded::Serializer;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Response, StatusCode};
use http_body_util::BodyExt;
use jiff::Timestamp;
use schema::cursor::Ref;
use schema::field::{Error, Errors, Path};
use schema::json::go_quote;
use schema::status::{Cause, Details, GroupName, Status};

use super::pod;
use crate::outbound::said;
use crate::registry::{Op, Options};
use crate::request_info::is_true;
use crate::server::State;
use crate::{Answer, Body, Call, Query, Reply, Served};

/// The most bytes of a refusal that are repeated.
const MAX_REFUSAL: usize = 50_000;

const OPTIONS: GroupName<'_> = GroupName {
    group: "",
    name: "PodLogOptions",
};

/// The outputs that a client may ask for (`PodLogOptions.stream`).
const STREAMS: [&str; 3] = ["All", "Stderr", "Stdout"];

/// Reads a log.
///
/// # Errors
/// 400, 404, 422; the kubelet's words as 400; 500 where the node does not answer.
pub(super) async fn get(state: &State, call: &Call, served: &Served) -> Answer<Reply> {
    let op = Op::new(state, call, served, Options::default());
    let wanted = Wanted::read(&call.query)?;
    let errors = wanted.errors();
    if !errors.is_empty() {
        return Err(Status::invalid(OPTIONS, &op.name, &errors).into());
    }
    let tree = pod::live(&op, &op.name).await?;
    let pod = Ref::new(op.types(), &tree);
    let container = pod::container(pod, call.query.get("container").unwrap_or_default())?;
    let node = pod.path("spec.nodeName").str();
    if node.is_empty() {
        return Ok(Reply::Http(nothing()));
    }
    let node = pod::target(state, node)?;
    let parameters = wanted.parameters(&call.query);
    let mark = if parameters.is_empty() { "" } else { "?" };
    let target = format!(
        "/containerLogs/{}/{}/{container}{mark}{parameters}",
        op.namespace, op.name
    );
    let answer = pod::read(state, &node, &target).await;
    let answer = answer.map_err(|error| {
        let url = pod::url(&node, &target);
        pod::failed(format!("Get {}: {error}", go_quote(&url)))
    })?;
    if (200..=206).contains(&answer.status().as_u16()) {
        return Ok(Reply::Http(text(answer.into_body())));
    }
    Err(refused(&op.name, answer).await.into())
}

fn nothing() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

fn text(body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    response
}

/// What the client is told of a kubelet's refusal.
async fn refused(name: &str, answer: Response<Body>) -> Status {
    let code = answer.status();
    let why = beginning(answer.into_body()).await;
    let why = String::from_utf8_lossy(&why).into_owned();
    match code.as_u16() {
        400 => Status::bad_request(why),
        500 => Status::internal(why),
        _ => foreign(code, name, why),
    }
}

async fn beginning(mut body: Body) -> Bytes {
    let mut all = BytesMut::new();
    while let Some(Ok(frame)) = body.frame().await {
        let Ok(data) = frame.into_data() else { continue };
        let room = MAX_REFUSAL - all.len();
        all.extend_from_slice(&data[..data.len().min(room)]);
        if all.len() == MAX_REFUSAL {
            break;
        }
    }
    all.freeze()
}

/// A status that another server gave (`NewGenericServerResponse`).
fn foreign(code: StatusCode, name: &str, why: String) -> Status {
    let reason = match code.as_u16() {
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "NotFound",
        405 => "MethodNotAllowed",
        422 => "Invalid",
        429 => "TooManyRequests",
        503 => "ServiceUnavailable",
        504 => "Timeout",
        _ => "",
    };
    let message = format!("{} ( pods/log {name})", said(code, why.as_bytes()));
    let cause = Cause {
        reason: "UnexpectedServerResponse".to_owned(),
        message: why,
        ..Cause::default()
    };
    Status::failure(code.as_u16(), reason, message).with(Details {
        name: name.to_owned(),
        kind: "pods/log".to_owned(),
        causes: vec![cause],
        ..Details::default()
    })
}

/// # Errors
/// 400, as Go says it.
fn time(text: &str) -> Answer<Timestamp> {
    text.parse().map_err(|_| {
        let (text, layout) = (go_quote(text), r#""2006-01-02T15:04:05Z07:00""#);
        let why = format!("parsing time {text} as {layout}: cannot parse {text} as \"2006\"");
        Status::bad_request(why).into()
    })
}

/// The options that have rules.
#[derive(Debug, Default, PartialEq, Eq)]
struct Wanted {
    tail_lines: Option<i64>,
    limit_bytes: Option<i64>,
    since_seconds: Option<i64>,
    since_time: Option<Timestamp>,
    stream: Option<String>,
}

impl Wanted {
    /// # Errors
    /// 400 for what is no number or no time.
    fn read(query: &Query) -> Answer<Self> {
        let number = |name: &str| -> Answer<Option<i64>> {
            let Some(text) = query.get(name) else {
                return Ok(None);
            };
            text.parse().map(Some).map_err(|_| {
                let why = format!("strconv.ParseInt: parsing {}: invalid syntax", go_quote(text));
                Status::bad_request(why).into()
            })
        };
        let since = query.get("sinceTime").filter(|text| !["", "null"].contains(text));
        Ok(Self {
            tail_lines: number("tailLines")?,
            limit_bytes: number("limitBytes")?,
            since_seconds: number("sinceSeconds")?,
            since_time: since.map(time).transpose()?,
            stream: query.get("stream").map(str::to_owned),
        })
    }

    /// What breaks the rules (`ValidatePodLogOptions`).
    fn errors(&self) -> Errors {
        let (root, mut errors) = (Path::root(), Errors::default());
        if let Some(lines) = self.tail_lines.filter(|lines| *lines < 0) {
            let why = "must be greater than or equal to 0";
            errors.push(Error::invalid(&root.child("tailLines"), lines, why));
        }
        let mut positive = |name: &str, number: Option<i64>| {
            if let Some(number) = number.filter(|number| *number < 1) {
                errors.push(Error::invalid(
                    &root.child(name),
                    number,
                    "must be greater than 0",
                ));
            }
        };
        positive("limitBytes", self.limit_bytes);
        if self.since_time.is_none() {
            positive("sinceSeconds", self.since_seconds);
        } else if self.since_seconds.is_some() {
            let why = "at most one of `sinceTime` or `sinceSeconds` may be specified";
            errors.push(Error::forbidden(&root, why));
        }
        if let Some(stream) = &self.stream {
            if !STREAMS.contains(&stream.as_str()) {
                errors.push(Error::not_supported(
                    &root.child("stream"),
                    stream.as_str(),
                    &STREAMS,
                ));
            } else if stream != "All" && self.tail_lines.is_some() {
                let why = "`tailLines` and specific `stream` are mutually exclusive for now";
                errors.push(Error::forbidden(&root, why));
            }
        }
        errors
    }

    /// The kubelet's query.
    fn parameters(&self, query: &Query) -> String {
        let mut parameters = Serializer::new(String::new());
        for name in ["follow", "previous", "timestamps"] {
            if is_true(query, name) {
                parameters.append_pair(name, "true");
            }
        }
        let numbers = [
            ("sinceSeconds", self.since_seconds),
            ("tailLines", self.tail_lines),
            ("limitBytes", self.limit_bytes),
        ];
        for (name, number) in numbers {
            if let Some(number) = number {
                parameters.append_pair(name, &number.to_string());
            }
        }
        if let Some(time) = self.since_time {
            // Whole seconds, as upstream passes them on.
            let time = Timestamp::from_second(time.as_second()).unwrap_or(time);
            parameters.append_pair("sinceTime", &time.to_string());
        }
        if let Some(stream) = &self.stream {
            parameters.append_pair("stream", stream);
        }
        parameters.finish()
    }
}
