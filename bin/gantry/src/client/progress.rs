//! Answers that are a line of JSON for each step: builds and pulls.

use std::io::{self, Write};

use http_body_util::BodyExt;
use hyper::Response;
use hyper::body::Incoming;
use serde_json::Value;

use super::http::Error;

/// At most so many bytes of one line.
const MAX_LINE: usize = 4 << 20;

/// Reads an answer's lines as they come.
pub(super) struct Lines {
    body: Incoming,
    pending: Vec<u8>,
}

impl Lines {
    pub(super) fn of(response: Response<Incoming>) -> Self {
        Self {
            body: response.into_body(),
            pending: Vec::new(),
        }
    }

    /// None at the end.
    ///
    /// # Errors
    /// A line that is no JSON or reports an error: that is the daemon's last word.
    pub(super) async fn next(&mut self) -> Result<Option<Value>, Error> {
        loop {
            if let Some(line) = self.complete() {
                return message(&line).map(Some);
            }
            if self.pending.len() > MAX_LINE {
                return Err(Error::Answer("a line does not end".to_owned()));
            }
            match self.body.frame().await.transpose()? {
                Some(frame) => self.pending.extend(frame.into_data().unwrap_or_default()),
                None => return Ok(None),
            }
        }
    }

    fn complete(&mut self) -> Option<Vec<u8>> {
        let end = self.pending.iter().position(|byte| *byte == b'\n')?;
        Some(self.pending.drain(..=end).collect())
    }
}

fn message(line: &[u8]) -> Result<Value, Error> {
    let line: Value = serde_json::from_slice(line).map_err(|error| Error::Answer(error.to_string()))?;
    match line["error"].as_str() {
        Some(error) => Err(Error::Daemon {
            status: 0,
            message: error.to_owned(),
        }),
        None => Ok(line),
    }
}

/// Prints what a person reads of a line.
pub(super) fn print(out: &mut dyn Write, line: &Value) -> io::Result<()> {
    if let Some(text) = line["stream"].as_str() {
        out.write_all(text.as_bytes())?;
        return out.flush();
    }
    // Bars are for terminals that can be painted over; the words are enough.
    let counts = line["progressDetail"]["current"].is_u64();
    match (line["status"].as_str(), line["id"].as_str()) {
        (Some(status), Some(id)) if !counts => writeln!(out, "{id}: {status}"),
        (Some(status), None) => writeln!(out, "{status}"),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_line_that_reports_an_error_is_one() {
        assert_eq!(message(b"{\"stream\":\"x\"}\n").unwrap()["stream"], "x");
        let error = message(b"{\"errorDetail\":{\"message\":\"no\"},\"error\":\"no\"}\n").unwrap_err();
        assert_eq!(error.to_string(), "no");
        assert!(message(b"half").is_err());
    }

    #[test]
    fn people_read_the_words_and_no_bars() {
        let mut out = Vec::new();
        for line in [
            json!({"stream": "Step 1/2\n"}),
            json!({"aux": {"ID": "sha256:1"}}),
            json!({"id": "abc", "status": "Downloading", "progressDetail": {"current": 5}}),
            json!({"id": "abc", "status": "Pull complete", "progressDetail": {}}),
            json!({"status": "Digest: sha256:2"}),
        ] {
            print(&mut out, &line).unwrap();
        }
        assert_eq!(out, b"Step 1/2\nabc: Pull complete\nDigest: sha256:2\n");
    }
}
