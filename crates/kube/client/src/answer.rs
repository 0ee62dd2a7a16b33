//! What a server sends back.

use bytes::Bytes;
use http::Response;
use http_body_util::{BodyExt, Limited};
use schema::json::{Options, decode, pick};
use schema::object::Revision;
use schema::row::{TypeId, Types};
use schema::status::Status;
use schema::tree::Struct;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use crate::{AnswerBody, Error};

/// The largest answer that is read as a whole: a page of lists is far below.
const MAX_ANSWER: usize = 256 << 20;

/// An object as the server sent it: JSON of the version that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object(Bytes);

impl Object {
    pub(crate) fn new(json: Bytes) -> Self {
        Self(json)
    }

    /// The bytes.
    pub fn json(&self) -> &Bytes {
        &self.0
    }

    /// The text, number or boolean at a path of member names, as text; empty if there is none.
    pub fn text(&self, path: &[&str]) -> String {
        pick(&self.0, path)
            .map(|text| text.into_owned())
            .unwrap_or_default()
    }

    /// `metadata.name`
    pub fn name(&self) -> String {
        self.text(&["metadata", "name"])
    }

    /// `metadata.namespace`
    pub fn namespace(&self) -> String {
        self.text(&["metadata", "namespace"])
    }

    /// `metadata.uid`
    pub fn uid(&self) -> String {
        self.text(&["metadata", "uid"])
    }

    /// `metadata.resourceVersion`
    pub fn resource_version(&self) -> String {
        self.text(&["metadata", "resourceVersion"])
    }

    /// The version as a revision; 0 if it is none.
    pub fn revision(&self) -> Revision {
        Revision(self.resource_version().parse().unwrap_or(0))
    }

    /// The object read into a type of its own.
    ///
    /// # Errors
    /// [`Error::Answer`] where it does not fit.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, Error> {
        serde_json::from_slice(&self.0).map_err(Error::answer)
    }

    /// The object as a tree of its row.
    ///
    /// # Errors
    /// [`Error::Answer`] where it does not fit.
    pub fn tree(&self, types: &Types, ty: TypeId) -> Result<Struct, Error> {
        let options = Options {
            max_bytes: MAX_ANSWER,
            ..Options::default()
        };
        let decoded = decode(types, ty, &self.0, options).map_err(Error::answer)?;
        Ok(decoded.object)
    }
}

/// A part of a collection.
#[derive(Clone, Debug)]
pub struct List {
    /// As of when; what a watch goes on from.
    pub resource_version: String,
    /// Where the next page begins; empty at the end.
    pub continues: String,
    /// The objects.
    pub items: Vec<Object>,
}

#[derive(Deserialize)]
struct RawList<'a> {
    #[serde(default)]
    metadata: ListMeta,
    #[serde(borrow, default)]
    items: Option<Vec<&'a RawValue>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ListMeta {
    resource_version: String,
    #[serde(rename = "continue")]
    continues: String,
}

impl List {
    /// Items share the answer's bytes.
    pub(crate) fn parse(json: &Bytes) -> Result<Self, Error> {
        let list: RawList<'_> = serde_json::from_slice(json).map_err(Error::answer)?;
        let item = |raw: &RawValue| Object(json.slice_ref(raw.get().as_bytes()));
        Ok(Self {
            resource_version: list.metadata.resource_version,
            continues: list.metadata.continues,
            items: list.items.unwrap_or_default().into_iter().map(item).collect(),
        })
    }
}

/// The body of a success; a failure's Status as the error.
pub(crate) async fn read(answer: Response<AnswerBody>) -> Result<Bytes, Error> {
    let (head, body) = answer.into_parts();
    let read = Limited::new(body, MAX_ANSWER).collect().await;
    let bytes = read.map_err(Error::answer)?.to_bytes();
    if head.status.is_success() {
        return Ok(bytes);
    }
    Err(refusal(head.status.as_u16(), &bytes).into())
}

/// The Status in a refusal, or one that says what came instead.
fn refusal(code: u16, body: &[u8]) -> Status {
    let told = serde_json::from_slice::<Status>(body);
    told.map(|mut status| {
        status.code = code;
        status
    })
    .unwrap_or_else(|_| {
        let text = String::from_utf8_lossy(body);
        Status::failure(code, "", text.trim_end().chars().take(1024).collect::<String>())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_its_items_bytes() {
        let json = br#"{"kind":"PodList","metadata":{"resourceVersion":"7","continue":"c"},
            "items":[{"metadata":{"name":"a","resourceVersion":"5"}},{"metadata":{"name":"b"}}]}"#;
        let list = List::parse(&Bytes::from_static(json)).unwrap();
        let names: Vec<String> = list.items.iter().map(Object::name).collect();
        assert_eq!(
            (names, &*list.resource_version, &*list.continues),
            (vec!["a".to_owned(), "b".to_owned()], "7", "c")
        );
        assert_eq!(list.items[0].revision(), Revision(5));
        let none = List::parse(&Bytes::from_static(br#"{"items":null}"#)).unwrap();
        assert!(none.items.is_empty());
    }

    #[test]
    fn a_refusal_is_a_status_whatever_came() {
        assert_eq!(
            refusal(404, b"404 page not found\n").message,
            "404 page not found"
        );
        let told = serde_json::to_vec(&Status::unauthorized()).unwrap();
        assert_eq!(refusal(401, &told), Status::unauthorized());
    }
}
