//! Answers as bytes.

use std::io::Write;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER, VARY};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use http_body::Body as _;
use schema::BUILTIN;
use schema::cursor;
use schema::json::{self, Options};
use schema::resource::type_of_kind;
use schema::row::Types;
use schema::status::Status;
use schema::tree::{Struct, Value};
use schema::{proto, yaml};

use super::accept::{Accepted, Convert, Encoding, accept, accept_header, is_pretty};
use crate::registry::convert;
use crate::server::State;
use crate::show;
use crate::{Answer, Body, Call, Refused, Reply};

/// Answers up to here are not compressed: it would cost more than it saves.
const GZIP_ABOVE: u64 = 128 << 10;

/// Puts a reply into the encoding and form that the client accepts.
pub(crate) fn respond(state: &State, call: &Call, reply: Reply) -> Response<Body> {
    let encoded = match reply {
        Reply::Http(response) => Ok(response),
        Reply::Status(status) => Ok(refusal(call, &status)),
        Reply::Object { .. } | Reply::Tree { .. } => {
            accept(call).and_then(|accepted| form(state, call, &accepted, reply))
        }
    };
    let response = encoded.unwrap_or_else(|Refused(status)| refusal(call, &status));
    compress(&call.headers, response)
}

fn form(state: &State, call: &Call, accepted: &Accepted, reply: Reply) -> Result<Response<Body>, Refused> {
    let shown = match (&accepted.convert, reply) {
        (Some(to), Reply::Object { code, served, object }) => {
            show::object(state, call, &served, &object, (to, accepted), code)?
        }
        (Some(to), reply @ Reply::Tree { .. }) => unstored(state, call, (to, accepted), reply)?,
        (_, reply) => reply,
    };
    plain(call, accepted, shown)
}

/// The forms that there are besides an object's own: what already is one is not converted again.
const FORMS: [&str; 3] = ["Table", "PartialObjectMetadata", "PartialObjectMetadataList"];

fn unstored(state: &State, call: &Call, asked: (&Convert, &Accepted), reply: Reply) -> Answer<Reply> {
    match typed(reply) {
        Reply::Tree {
            code,
            kind,
            types,
            object,
            ..
        } if !FORMS.contains(&kind.as_str()) => {
            let made = show::Unstored {
                code,
                kind: &kind,
                types: &types,
                object: &object,
            };
            show::unstored(state, call, &made, asked)
        }
        other => Ok(other),
    }
}

/// A tree that says what it is.
fn typed(mut reply: Reply) -> Reply {
    if let Reply::Tree {
        api_version,
        kind,
        types,
        object,
        ..
    } = &mut reply
    {
        cursor::set(types, object, "apiVersion", Value::str(api_version));
        cursor::set(types, object, "kind", Value::str(kind));
    }
    reply
}

/// Encodes what is in the form that was asked for.
fn plain(call: &Call, accepted: &Accepted, reply: Reply) -> Result<Response<Body>, Refused> {
    match typed(reply) {
        Reply::Object { code, served, object } => {
            if accepted.encoding == Encoding::Json && convert::is_verbatim(&served, &object) {
                return Ok(json(code, accepted.pretty, object.served(&served.prefix)));
            }
            let tree = convert::tree(&served, &object)?;
            encode(code, accepted, &served.def.types, &tree)
        }
        Reply::Tree {
            code, types, object, ..
        } => encode(code, accepted, &types, &object),
        Reply::Status(status) => Ok(refusal(call, &status)),
        Reply::Http(response) => Ok(response),
    }
}

fn encode_tree(encoding: Encoding, types: &Types, object: &Struct) -> Answer<Vec<u8>> {
    match encoding {
        Encoding::Json => {
            let mut out = Vec::new();
            json::encode(types, object, &mut out);
            Ok(out)
        }
        Encoding::Yaml => {
            let mut out = String::new();
            yaml::encode(types, object, &mut out);
            Ok(out.into_bytes())
        }
        Encoding::Protobuf => proto::seal(types, object).map_err(|error| Status::internal(error).into()),
    }
}

fn encode(
    code: StatusCode,
    accepted: &Accepted,
    types: &Types,
    object: &Struct,
) -> Result<Response<Body>, Refused> {
    let text = encode_tree(accepted.encoding, types, object)?;
    Ok(match accepted.encoding {
        Encoding::Json => json(code, accepted.pretty, text),
        other => response(code, other, text.into()),
    })
}

/// An answer of JSON: on one line that ends with a line feed, or indented and without one, as Go's encoders leave it.
pub(crate) fn json(code: StatusCode, pretty: bool, mut compact: Vec<u8>) -> Response<Body> {
    if pretty {
        compact = indent(&compact);
    } else {
        compact.push(b'\n');
    }
    response(code, Encoding::Json, compact.into())
}

fn response(code: StatusCode, encoding: Encoding, body: Bytes) -> Response<Body> {
    let mut response = pieces(encoding, [body]);
    *response.status_mut() = code;
    response
}

/// 200 with a body of pieces that are there.
pub(crate) fn pieces(encoding: Encoding, pieces: impl IntoIterator<Item = Bytes>) -> Response<Body> {
    let body = Body::pieces(pieces);
    let length = HeaderValue::from(body.size_hint().lower());
    let mut response = Response::new(body);
    let media_type = HeaderValue::from_static(encoding.media_type());
    response.headers_mut().insert(CONTENT_TYPE, media_type);
    response.headers_mut().insert(CONTENT_LENGTH, length);
    response
}

/// A status in the form that the call's client accepts.
pub(crate) fn refusal(call: &Call, status: &Status) -> Response<Body> {
    respond_status(&call.headers, is_pretty(&call.headers, &call.query), status)
}

/// A status in the encoding that the headers accept, or in JSON if they accept none.
pub(crate) fn respond_status(headers: &HeaderMap, pretty: bool, status: &Status) -> Response<Body> {
    let code = StatusCode::from_u16(status.code.max(200)).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let text = serde_json::to_vec(status).unwrap_or_default();
    let encoding = accept_header(headers, false).map_or(Encoding::Json, |accepted| accepted.encoding);
    let mut response = if encoding == Encoding::Json {
        json(code, pretty, text)
    } else {
        other_status(code, encoding, &text).unwrap_or_else(|| json(code, pretty, text))
    };
    let wait = status
        .details
        .as_ref()
        .map_or(0, |details| details.retry_after_seconds);
    if wait > 0 {
        response
            .headers_mut()
            .insert(RETRY_AFTER, HeaderValue::from(wait));
    }
    response
}

fn other_status(code: StatusCode, encoding: Encoding, text: &[u8]) -> Option<Response<Body>> {
    let ty = type_of_kind("", "v1", "Status")?;
    let tree = json::decode(&BUILTIN, ty, text, Options::default()).ok()?.object;
    let accepted = Accepted {
        encoding,
        pretty: false,
        convert: None,
    };
    encode(code, &accepted, &BUILTIN, &tree).ok()
}

/// Compresses a large answer for clients that take gzip. Streams go as they are: each frame is awaited.
fn compress(headers: &HeaderMap, mut response: Response<Body>) -> Response<Body> {
    let offered = headers
        .get(ACCEPT_ENCODING)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let takes = offered.split(',').any(|coding| coding.trim() == "gzip");
    let size = response.body().size_hint().exact();
    if !takes
        || size.is_none_or(|size| size <= GZIP_ABOVE)
        || response.headers().contains_key(CONTENT_ENCODING)
    {
        return response;
    }
    let pieces = std::mem::replace(response.body_mut(), Body::empty()).into_pieces();
    let Some(packed) = gzip(&pieces) else {
        *response.body_mut() = Body::pieces(pieces);
        return response;
    };
    let set = response.headers_mut();
    set.insert(CONTENT_LENGTH, HeaderValue::from(packed.len()));
    set.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    set.append(VARY, HeaderValue::from_static("Accept-Encoding"));
    *response.body_mut() = Body::full(packed);
    response
}

fn gzip(pieces: &[Bytes]) -> Option<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    for piece in pieces {
        encoder.write_all(piece).ok()?;
    }
    encoder.finish().ok()
}

/// Go's `json.Indent` with two spaces, of compact JSON.
pub(crate) fn indent(compact: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(compact.len() * 2);
    let (mut depth, mut quoted, mut escaped) = (0_usize, false, false);
    let line = |out: &mut Vec<u8>, depth: usize| {
        out.push(b'\n');
        out.extend(std::iter::repeat_n(b' ', depth * 2));
    };
    for (at, &byte) in compact.iter().enumerate() {
        if quoted {
            out.push(byte);
            quoted = escaped || byte != b'"';
            escaped = !escaped && byte == b'\\';
            continue;
        }
        match byte {
            b'{' | b'[' => {
                out.push(byte);
                depth += 1;
                if !matches!(compact.get(at + 1), Some(b'}' | b']')) {
                    line(&mut out, depth);
                }
            }
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                if !matches!(compact.get(at.wrapping_sub(1)), Some(b'{' | b'[')) {
                    line(&mut out, depth);
                }
                out.push(byte);
            }
            b',' => {
                out.push(byte);
                line(&mut out, depth);
            }
            b':' => out.extend_from_slice(b": "),
            _ => {
                quoted = byte == b'"';
                out.push(byte);
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_get_indented_json() {
        let text = indent(br#"{"a":[],"b":{"c":"x:,{\"}"},"d":[1,2]}"#);
        let expected =
            "{\n  \"a\": [],\n  \"b\": {\n    \"c\": \"x:,{\\\"}\"\n  },\n  \"d\": [\n    1,\n    2\n  ]\n}";
        assert_eq!(String::from_utf8(text).unwrap(), expected);
    }

    #[test]
    fn large_answers_are_compressed_for_those_who_take_it() {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("deflate, gzip"));
        let answer = |size: usize| json(StatusCode::OK, false, vec![b'1'; size]);
        let packed = compress(&headers, answer(200 << 10));
        assert_eq!(packed.headers()[CONTENT_ENCODING], "gzip");
        assert!(packed.body().size_hint().exact().unwrap() < 20_000);
        assert!(
            !compress(&headers, answer(1000))
                .headers()
                .contains_key(CONTENT_ENCODING)
        );
        assert!(
            !compress(&HeaderMap::new(), answer(200 << 10))
                .headers()
                .contains_key(CONTENT_ENCODING)
        );
    }
}
