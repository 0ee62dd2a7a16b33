//! The smallest HTTP client that the Engine API needs: one connection, kept alive, one request at a time.
//! The same for every daemon, so that no client is measured.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

use serde_json::Value;

pub(crate) struct Client(BufReader<UnixStream>);

impl Client {
    pub(crate) fn connect(socket: &Path) -> io::Result<Self> {
        Ok(Self(BufReader::new(UnixStream::connect(socket)?)))
    }

    /// The answer's body, if the status is below 400; null where it is empty.
    pub(crate) fn call(&mut self, method: &str, path: &str, body: Option<&Value>) -> io::Result<Value> {
        let body = body.map(Value::to_string).unwrap_or_default();
        let answer = self.send(method, path, "application/json", body.as_bytes())?;
        if answer.is_empty() {
            return Ok(Value::Null);
        }
        Ok(serde_json::from_slice(&answer)?)
    }

    /// The answer's body as text, if the status is below 400.
    pub(crate) fn text(&mut self, method: &str, path: &str) -> io::Result<String> {
        let answer = self.send(method, path, "application/json", b"")?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }

    /// Loads the archive of an image.
    pub(crate) fn load(&mut self, archive: &[u8]) -> io::Result<()> {
        self.send("POST", "/v1.41/images/load?quiet=1", "application/x-tar", archive)
            .map(drop)
    }

    /// Builds from a context in an archive; answers what the daemon said of it.
    pub(crate) fn build(&mut self, query: &str, context: &Path) -> io::Result<String> {
        let mut context = File::open(context)?;
        let head = format!(
            "POST /v1.41/build?{query} HTTP/1.1\r\nHost: docker\r\nContent-Type: application/x-tar\r\nContent-Length: {}\r\n\r\n",
            context.metadata()?.len()
        );
        self.0.get_mut().write_all(head.as_bytes())?;
        io::copy(&mut context, self.0.get_mut())?;
        let answer = self.answer("POST", "/build")?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }

    /// The answer's body, if the status is below 400.
    fn send(&mut self, method: &str, path: &str, kind: &str, body: &[u8]) -> io::Result<Vec<u8>> {
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: docker\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        self.0.get_mut().write_all(&[head.as_bytes(), body].concat())?;
        self.answer(method, path)
    }

    fn answer(&mut self, method: &str, path: &str) -> io::Result<Vec<u8>> {
        let status = self.line()?;
        let code: u16 = status
            .split(' ')
            .nth(1)
            .and_then(|code| code.parse().ok())
            .ok_or_else(|| io::Error::other(format!("no HTTP: {status}")))?;
        let length = self.headers()?;
        let body = match length {
            Some(length) => self.exactly(length)?,
            None if code == 204 || code == 304 => Vec::new(),
            None => self.chunks()?,
        };
        if code >= 400 {
            let text = String::from_utf8_lossy(&body).into_owned();
            return Err(io::Error::other(format!("{method} {path}: {code} {text}")));
        }
        Ok(body)
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        if self.0.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(line.trim_end().to_owned())
    }

    /// The content's length; none if it comes in chunks or not at all.
    fn headers(&mut self) -> io::Result<Option<usize>> {
        let mut length = None;
        loop {
            let line = self.line()?;
            let Some((name, value)) = line.split_once(':') else {
                return Ok(length);
            };
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse().ok();
            }
        }
    }

    fn exactly(&mut self, length: usize) -> io::Result<Vec<u8>> {
        let mut body = vec![0; length];
        self.0.read_exact(&mut body)?;
        Ok(body)
    }

    fn chunks(&mut self) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let size = usize::from_str_radix(&self.line()?, 16).map_err(io::Error::other)?;
            body.extend(self.exactly(size)?);
            self.line()?;
            if size == 0 {
                return Ok(body);
            }
        }
    }
}
