//! Requests and answers as bytes.

use std::io::{self, Read, Write};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::refusal::Refusal;

const MAX_HEAD: usize = 16 << 10;
const MAX_FIELDS: usize = 64;
const MAX_BODY: usize = 1 << 20;

#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    /// Without a query: no service has any.
    pub(crate) path: String,
    fields: Fields,
    pub(crate) body: Vec<u8>,
}

impl Request {
    pub(super) fn read(stream: &mut impl Read) -> io::Result<Self> {
        let ((method, path), fields, body) = read(stream, request_line, Some(0))?;
        Ok(Self {
            method,
            path,
            fields,
            body,
        })
    }

    /// Of its path: `/carts/x/items` has three.
    pub(crate) fn segments(&self) -> Vec<&str> {
        self.path
            .split('/')
            .filter(|segment| !segment.is_empty())
            .collect()
    }

    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.fields.get(name)
    }

    pub(crate) fn cookie(&self, name: &str) -> Option<&str> {
        let pairs = self.field("cookie")?.split(';');
        let mut pairs = pairs.filter_map(|pair| pair.trim().split_once('='));
        pairs.find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    pub(crate) fn json<T: DeserializeOwned>(&self) -> Result<T, Refusal> {
        serde_json::from_slice(&self.body).map_err(|error| Refusal::Bad(error.to_string()))
    }
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    fields: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    fn new(kind: &str, body: Vec<u8>) -> Self {
        Self {
            status: 200,
            fields: vec![("Content-Type", kind.to_owned())],
            body,
        }
    }

    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self::new("text/plain; charset=utf-8", text.into().into_bytes())
    }

    pub(crate) fn html(page: String) -> Self {
        Self::new("text/html; charset=utf-8", page.into_bytes())
    }

    pub(crate) fn json(value: &impl Serialize) -> Self {
        // Strings, numbers and lists of them: there is nothing that JSON cannot say.
        Self::new("application/json", serde_json::to_vec(value).unwrap_or_default())
    }

    /// After a form was sent: to look at `path`.
    pub(crate) fn see(path: &str) -> Self {
        Self::text("").with("Location", path).status(303)
    }

    pub(crate) fn status(self, status: u16) -> Self {
        Self { status, ..self }
    }

    pub(crate) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.fields.push((name, value.to_owned()));
        self
    }

    /// HEAD wants everything but the body.
    pub(super) fn write(&self, stream: &mut impl Write, with_body: bool) -> io::Result<()> {
        let (status, length) = (self.status, self.body.len());
        let mut bytes = format!(
            "HTTP/1.1 {status} {}\r\nContent-Length: {length}\r\n",
            reason(status)
        )
        .into_bytes();
        for (name, value) in &self.fields {
            write!(bytes, "{name}: {value}\r\n")?;
        }
        bytes.extend_from_slice(b"Connection: close\r\n\r\n");
        if with_body {
            bytes.extend_from_slice(&self.body);
        }
        stream.write_all(&bytes)
    }
}

impl From<Refusal> for Answer {
    fn from(refusal: Refusal) -> Self {
        Self::text(format!("{refusal}\n")).status(refusal.status())
    }
}

/// What an answer says in its first line for people.
fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        303 => "See Other",
        400 => "Bad Request",
        401 => "Unauthorized",
        404 => "Not Found",
        409 => "Conflict",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        _ => "Internal Server Error",
    }
}

/// A sibling's status and body.
pub(super) fn read_answer(stream: &mut impl Read) -> io::Result<(u16, Vec<u8>)> {
    let (status, _, body) = read(stream, status_line, None)?;
    Ok((status, body))
}

/// Names in lower case.
#[derive(Debug)]
struct Fields(Vec<(String, String)>);

impl Fields {
    fn of(parsed: &[httparse::Header<'_>]) -> Self {
        let pair = |field: &httparse::Header<'_>| {
            let value = String::from_utf8_lossy(field.value).into_owned();
            (field.name.to_ascii_lowercase(), value)
        };
        Self(parsed.iter().map(pair).collect())
    }

    fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    /// Of the body, where it is told.
    fn length(&self) -> io::Result<Option<usize>> {
        if self.get("transfer-encoding").is_some() {
            return Err(invalid("a body in chunks"));
        }
        let length = self.get("content-length").map(str::parse);
        length
            .transpose()
            .map_err(|_| invalid("Content-Length is no number"))
    }
}

/// The first line, the fields, and how many bytes they are; `None` while there is more to come.
type Head<T> = io::Result<Option<(T, Fields, usize)>>;

fn request_line(bytes: &[u8]) -> Head<(String, String)> {
    let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
    let mut head = httparse::Request::new(&mut fields);
    let httparse::Status::Complete(end) = head.parse(bytes).map_err(invalid)? else {
        return Ok(None);
    };
    let target = head.path.unwrap_or_default();
    let path = target.split_once('?').map_or(target, |(path, _)| path).to_owned();
    let method = head.method.unwrap_or_default().to_owned();
    Ok(Some(((method, path), Fields::of(head.headers), end)))
}

fn status_line(bytes: &[u8]) -> Head<u16> {
    let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
    let mut head = httparse::Response::new(&mut fields);
    let httparse::Status::Complete(end) = head.parse(bytes).map_err(invalid)? else {
        return Ok(None);
    };
    Ok(Some((
        head.code.unwrap_or_default(),
        Fields::of(head.headers),
        end,
    )))
}

/// A whole message. A body whose length nobody tells has `untold` bytes, or all that come.
fn read<T>(
    stream: &mut impl Read,
    parse: fn(&[u8]) -> Head<T>,
    untold: Option<usize>,
) -> io::Result<(T, Fields, Vec<u8>)> {
    let (mut bytes, mut chunk) = (Vec::new(), [0; 4096]);
    let (first, fields, end) = loop {
        if let Some(head) = parse(&bytes)? {
            break head;
        }
        let count = stream.read(&mut chunk)?;
        if count == 0 || bytes.len() >= MAX_HEAD {
            return Err(invalid("its head does not end"));
        }
        bytes.extend_from_slice(&chunk[..count]);
    };
    let mut body = bytes.split_off(end);
    let length = fields.length()?.or(untold);
    if length.is_some_and(|length| length > MAX_BODY) {
        return Err(invalid("its body is too long"));
    }
    let rest = length.unwrap_or(MAX_BODY).saturating_sub(body.len());
    stream.by_ref().take(rest as u64).read_to_end(&mut body)?;
    match length {
        Some(length) if body.len() < length => return Err(invalid("its body is cut off")),
        length => body.truncate(length.unwrap_or(MAX_BODY)),
    }
    Ok((first, fields, body))
}

fn invalid(why: impl ToString) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(text: &str) -> io::Result<Request> {
        Request::read(&mut text.as_bytes())
    }

    #[test]
    fn a_request_has_the_body_that_its_length_says_and_no_more() {
        let text =
            "POST /carts/a/items?x HTTP/1.1\r\nContent-Length: 2\r\nCookie: a=1; cart=me\r\n\r\n{}GET /";
        let request = request(text).unwrap();
        assert_eq!(
            (request.method.as_str(), request.path.as_str()),
            ("POST", "/carts/a/items")
        );
        assert_eq!(request.segments(), ["carts", "a", "items"]);
        assert_eq!(request.cookie("cart"), Some("me"));
        assert_eq!(request.body, b"{}");
    }

    #[test]
    fn what_is_cut_off_or_has_no_bounds_is_refused() {
        let long = format!("GET /{} HTTP/1.1\r\n", "a".repeat(2 * MAX_HEAD));
        let large = format!("POST / HTTP/1.1\r\nContent-Length: {}\r\n\r\n", MAX_BODY + 1);
        let cut = "POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\n{}";
        let chunks = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
        for text in [
            "",
            "GET / HTTP/1.1\r\n",
            &long,
            &large,
            cut,
            chunks,
            "\u{1}\r\n\r\n",
        ] {
            assert!(request(text).is_err(), "{text:.40}");
        }
    }

    #[test]
    fn an_answer_is_read_as_it_was_written() {
        let mut bytes = Vec::new();
        Answer::text("no").status(404).write(&mut bytes, true).unwrap();
        assert_eq!(read_answer(&mut &bytes[..]).unwrap(), (404, b"no".to_vec()));
        let untold = b"HTTP/1.0 200 OK\r\n\r\nall that comes";
        assert_eq!(
            read_answer(&mut &untold[..]).unwrap(),
            (200, b"all that comes".to_vec())
        );
    }
}
