//! What a long operation tells while it runs: one JSON object a line, as `docker build`, `load` and
//! `pull` print them.

use bytes::Bytes;
use serde::Serialize;
use serde_json::json;

use crate::error::{ApiError, in_go_words};
use crate::go_json::escape_html;

/// One object with the line end upstream's formatter uses.
pub(crate) fn line(value: &impl Serialize) -> Bytes {
    encoded(value, "\r\n")
}

/// One object with the line end of Go's encoder, which events and statistics use.
pub(crate) fn record(value: &impl Serialize) -> Bytes {
    encoded(value, "\n")
}

fn encoded(value: &impl Serialize, end: &str) -> Bytes {
    // What is told is made here of strings and numbers; a value that is no JSON would be a mistake
    // in this crate, and an empty line is the least harm then.
    let mut text = escape_html(&serde_json::to_string(value).unwrap_or_default());
    text.push_str(end);
    text.into()
}

/// `{"stream": …}`: text to print as it is.
pub(crate) fn stream(text: &str) -> Bytes {
    line(&json!({ "stream": text }))
}

/// `{"status": …}`, of a layer if it has an id.
pub(crate) fn status(id: &str, text: &str) -> Bytes {
    if id.is_empty() {
        line(&json!({ "status": text }))
    } else {
        line(&json!({ "status": text, "id": id }))
    }
}

/// The end of an operation that failed after its first line.
pub(crate) fn error(error: &ApiError) -> Bytes {
    failed(&error.message, None)
}

/// The same with the exit code of a build step.
pub(crate) fn failed(message: &str, code: Option<i32>) -> Bytes {
    let message = in_go_words(message.to_owned());
    let detail = match code {
        Some(code) => json!({ "code": code, "message": message }),
        None => json!({ "message": message }),
    };
    // The detail comes first, as clients that read no further expect.
    let text = format!("{{\"errorDetail\":{detail},\"error\":{}}}\r\n", json!(message));
    escape_html(&text).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_said_as_dockerd_says_it() {
        let said = std::io::Error::from_raw_os_error(28).to_string();
        assert_eq!(
            ApiError::internal(format!("write a blob: {said}")).message,
            "write a blob: no space left on device"
        );
        let line = failed(&said, None);
        assert!(line.ends_with(b"\"error\":\"no space left on device\"}\r\n"));
    }

    #[test]
    fn lines_are_byte_exact() {
        assert_eq!(stream(" ---> a\n"), "{\"stream\":\" ---\\u003e a\\n\"}\r\n");
        assert_eq!(status("", "done"), "{\"status\":\"done\"}\r\n");
        assert_eq!(
            error(&ApiError::bad("no & never")),
            "{\"errorDetail\":{\"message\":\"no \\u0026 never\"},\"error\":\"no \\u0026 never\"}\r\n"
        );
        assert_eq!(record(&json!({"a": 1})), "{\"a\":1}\n");
    }
}
