//! One watch: events out of a stream of bytes.

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use schema::json::pick;
use schema::status::Status;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{AnswerBody, Error, Object};

/// The longest event that is taken: an object of the largest size, and what goes around it.
const MAX_FRAME: usize = 2 * schema::MAX_REQUEST_BYTES;

/// What a watch tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// It is there, or begins to be selected.
    Added(Object),
    /// It is another.
    Modified(Object),
    /// It is gone, or ceases to be selected; as it was last, with the version at which it went.
    Deleted(Object),
    /// Everything up to this version has been told.
    Bookmark(String),
}

impl Event {
    /// The version that a watch goes on from after this.
    pub fn resource_version(&self) -> String {
        match self {
            Self::Added(object) | Self::Modified(object) | Self::Deleted(object) => object.resource_version(),
            Self::Bookmark(version) => version.clone(),
        }
    }
}

/// A running watch. Dropped, it is given up. Bounded by one event.
pub struct Watch {
    body: AnswerBody,
    rest: BytesMut,
    /// How much of the rest is known to hold no end of a line.
    looked: usize,
}

#[derive(Deserialize)]
struct Frame<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    #[serde(borrow)]
    object: &'a RawValue,
}

impl Watch {
    pub(crate) fn new(body: AnswerBody) -> Self {
        Self {
            body,
            rest: BytesMut::new(),
            looked: 0,
        }
    }

    /// The next event; none when the server has ended the watch.
    ///
    /// Cancel-safe: what has been read stays.
    ///
    /// # Errors
    /// The Status of an `ERROR` event, and what breaks the stream. Nothing follows.
    pub async fn next(&mut self) -> Result<Option<Event>, Error> {
        loop {
            if let Some(line) = self.line() {
                return event(&line).map(Some);
            }
            if self.rest.len() > MAX_FRAME {
                return Err(Error::answer("an event is too long"));
            }
            match self.body.frame().await {
                Some(frame) => {
                    if let Ok(data) = frame?.into_data() {
                        self.rest.extend_from_slice(&data);
                    }
                }
                None => return Ok(None),
            }
        }
    }

    /// What has been read up to the end of a line.
    fn line(&mut self) -> Option<Bytes> {
        let end = self.rest[self.looked..].iter().position(|byte| *byte == b'\n');
        let Some(end) = end else {
            self.looked = self.rest.len();
            return None;
        };
        let line = self.rest.split_to(self.looked + end + 1);
        self.looked = 0;
        Some(line.freeze())
    }
}

fn event(line: &Bytes) -> Result<Event, Error> {
    let frame: Frame<'_> = serde_json::from_slice(line).map_err(Error::answer)?;
    let json = line.slice_ref(frame.object.get().as_bytes());
    let version = || pick(&json, &["metadata", "resourceVersion"]).map(|version| version.into_owned());
    Ok(match frame.kind {
        "ADDED" => Event::Added(Object::new(json)),
        "MODIFIED" => Event::Modified(Object::new(json)),
        "DELETED" => Event::Deleted(Object::new(json)),
        "BOOKMARK" => Event::Bookmark(version().unwrap_or_default()),
        "ERROR" => return Err(failure(&json)),
        other => return Err(Error::answer(format!("an event of type {other:?}"))),
    })
}

fn failure(json: &[u8]) -> Error {
    match serde_json::from_slice::<Status>(json) {
        Ok(status) => status.into(),
        Err(error) => Error::answer(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TransportError;
    use futures_util::{FutureExt, stream};
    use http_body::Frame as BodyFrame;
    use http_body_util::{BodyExt, StreamBody};

    /// A watch over pieces that end nowhere in particular.
    fn watch(text: &str, piece: usize) -> Watch {
        let pieces: Vec<Result<BodyFrame<Bytes>, TransportError>> = text
            .as_bytes()
            .chunks(piece)
            .map(|chunk| Ok(BodyFrame::data(Bytes::copy_from_slice(chunk))))
            .collect();
        Watch::new(StreamBody::new(stream::iter(pieces)).boxed_unsync())
    }

    fn next(watch: &mut Watch) -> Result<Option<Event>, Error> {
        watch.next().now_or_never().unwrap()
    }

    const TEXT: &str = concat!(
        r#"{"type":"ADDED","object":{"metadata":{"name":"a","resourceVersion":"3"}}}"#,
        "\n",
        r#"{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"9"}}}"#,
        "\n",
        r#"{"type":"ERROR","object":{"kind":"Status","apiVersion":"v1","metadata":{},"reason":"Expired","code":410}}"#,
        "\n"
    );

    #[test]
    fn events_come_whole_however_the_bytes_are_cut() {
        for piece in [1, 7, 64, 4096] {
            let mut watch = watch(TEXT, piece);
            let added = next(&mut watch).unwrap().unwrap();
            assert_eq!(added.resource_version(), "3");
            assert_eq!(next(&mut watch).unwrap(), Some(Event::Bookmark("9".to_owned())));
            assert!(next(&mut watch).unwrap_err().is_expired());
        }
    }

    #[test]
    fn a_watch_that_ends_or_lies_says_so() {
        assert_eq!(next(&mut watch("", 1)).unwrap(), None);
        assert!(next(&mut watch("{\"type\":\"X\",\"object\":{}}\n", 9)).is_err());
        let endless = "x".repeat(MAX_FRAME + 2);
        assert!(next(&mut watch(&endless, 1 << 20)).is_err());
    }
}
