//! In-toto statements: what is said about a result, of whatever kind (<https://in-toto.io/Statement/v0.1>).

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::grpc::{Code, Status};

/// What is said about a result; of what it is said, whoever has its digests adds.
#[derive(Clone, Debug)]
pub struct Predicate {
    kind: String,
    /// JSON, as it came: it may be large.
    value: Arc<RawValue>,
    /// About what; about the result itself if nothing is said.
    subjects: Vec<Subject>,
    /// What a file of it is called.
    pub name: String,
    /// Only images that have manifests anyhow carry it.
    pub inline_only: bool,
}

/// What something is said about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    /// The result, by this name too; empty for its own names only.
    Result(String),
    /// Something else: a name, and digests (`sha256:…`).
    Other(String, Vec<String>),
}

/// A name that is none.
const NAMELESS: &str = "_";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Statement<'a> {
    #[serde(rename = "_type")]
    kind: &'static str,
    predicate_type: &'a str,
    subject: Vec<Value>,
    predicate: &'a RawValue,
}

/// A statement that somebody else has made.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Read<'a> {
    #[serde(default)]
    predicate_type: String,
    #[serde(default)]
    subject: Option<Vec<Named>>,
    #[serde(borrow)]
    predicate: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Named {
    #[serde(default)]
    name: String,
    #[serde(default)]
    digest: BTreeMap<String, String>,
}

fn refused(sentence: String) -> Status {
    Status::new(Code::Unknown, sentence)
}

impl Predicate {
    /// Of JSON.
    ///
    /// # Errors
    /// It is none.
    pub(crate) fn new(
        kind: &str,
        value: &[u8],
        subjects: Vec<Subject>,
        (name, inline_only): (&str, bool),
    ) -> Result<Self, Status> {
        let value: &RawValue = match value {
            [] => RawValue::NULL,
            value => serde_json::from_slice(value)
                .map_err(|cause| refused(format!("{name}: a predicate is no JSON: {cause}")))?,
        };
        Ok(Self {
            kind: kind.to_owned(),
            value: Arc::from(value.to_owned()),
            subjects,
            name: name.to_owned(),
            inline_only,
        })
    }

    /// Of a whole statement, which has to be of this kind if one is said.
    ///
    /// # Errors
    /// It is none, or of another kind.
    pub(crate) fn of_statement(
        bytes: &[u8],
        kind: &str,
        (name, inline_only): (&str, bool),
    ) -> Result<Self, Status> {
        let read: Read<'_> = serde_json::from_slice(bytes)
            .map_err(|cause| refused(format!("cannot decode in-toto statement: {cause}")))?;
        if !kind.is_empty() && read.predicate_type != kind {
            return Err(refused(format!(
                "bundle entry {} does not match required predicate type {kind}",
                read.predicate_type
            )));
        }
        let digests = |named: &Named| {
            let each = named.digest.iter();
            each.map(|(algorithm, hex)| format!("{algorithm}:{hex}"))
                .collect()
        };
        let subjects = read.subject.unwrap_or_default().into_iter();
        let subjects = subjects.map(|named| Subject::Other(named.name.clone(), digests(&named)));
        let value = read.predicate.map_or("null", RawValue::get);
        Self::new(
            &read.predicate_type,
            value.as_bytes(),
            subjects.collect(),
            (name, inline_only),
        )
    }

    /// Its type: a URL.
    #[must_use]
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// What it says, of nothing in particular.
    pub(crate) fn document(&self) -> Bytes {
        Bytes::copy_from_slice(self.value.get().as_bytes())
    }

    /// The in-toto statement about the result, which has these names and digests (`sha256:…`).
    #[must_use]
    pub fn statement(&self, result: &[(String, String)]) -> Bytes {
        let own = [Subject::Result(String::new())];
        let subjects = match &self.subjects[..] {
            [] => &own[..],
            subjects => subjects,
        };
        let named = |name: &str, digests: Value| {
            let name = if name.is_empty() { NAMELESS } else { name };
            json!({ "name": name, "digest": digests })
        };
        let mut all = Vec::new();
        for subject in subjects {
            match subject {
                Subject::Result(also) => {
                    for (name, digest) in result {
                        all.push(named(name, digest_set(digest)));
                        all.extend((!also.is_empty()).then(|| named(also, digest_set(digest))));
                    }
                }
                Subject::Other(name, digests) => {
                    let pairs = digests.iter().filter_map(|digest| digest.split_once(':'));
                    all.push(named(
                        name,
                        pairs.collect::<BTreeMap<_, _>>().into_iter().collect(),
                    ));
                }
            }
        }
        let statement = Statement {
            kind: "https://in-toto.io/Statement/v0.1",
            predicate_type: &self.kind,
            subject: all,
            predicate: &self.value,
        };
        // Names and digests are strings, and the predicate has been read as JSON.
        serde_json::to_vec_pretty(&statement).unwrap_or_default().into()
    }
}

/// `sha256:…` as in-toto has it.
pub(crate) fn digest_set(digest: &str) -> Value {
    match digest.split_once(':') {
        Some((algorithm, hex)) => json!({ algorithm: hex }),
        None if digest.len() == 64 => json!({ "sha256": digest }),
        None => json!({ "sha1": digest }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPDX: &str = "https://spdx.dev/Document";

    fn told(predicate: &Predicate) -> Value {
        let result = [("pkg".to_owned(), "sha256:1".to_owned())];
        serde_json::from_slice(&predicate.statement(&result)).unwrap()
    }

    #[test]
    fn statements_of_others_are_taken_over() {
        let of = |text: &str| Predicate::of_statement(text.as_bytes(), SPDX, ("sbom.spdx.json", false));
        let about_itself = of(r#"{"predicateType":"https://spdx.dev/Document","predicate":{"a":1.0}}"#);
        let told_of_itself = told(&about_itself.unwrap());
        assert_eq!(
            told_of_itself["subject"],
            json!([{ "name": "pkg", "digest": { "sha256": "1" } }])
        );
        assert_eq!(told_of_itself["predicate"], json!({ "a": 1.0 }));
        let other = of(
            r#"{"predicateType":"https://spdx.dev/Document","subject":[{"name":"","digest":{"sha1":"2"}}],"predicate":null}"#,
        );
        assert_eq!(
            told(&other.unwrap())["subject"],
            json!([{ "name": "_", "digest": { "sha1": "2" } }])
        );
        for (text, sentence) in [
            ("no", "cannot decode in-toto statement: expected"),
            (
                r#"{"predicateType":"x"}"#,
                "bundle entry x does not match required predicate type https://spdx.dev/Document",
            ),
            (
                r#"{"predicateType":"x"} {}"#,
                "cannot decode in-toto statement: trailing",
            ),
        ] {
            let refused = of(text).unwrap_err().message;
            assert!(refused.starts_with(sentence), "{refused}");
        }
    }

    #[test]
    fn a_result_may_have_more_names() {
        let subjects = vec![
            Subject::Result("also".to_owned()),
            Subject::Other("x".to_owned(), vec!["sha256:3".to_owned()]),
        ];
        let predicate = Predicate::new("k", b"[1]", subjects, ("n", true)).unwrap();
        let told = told(&predicate);
        let names: Vec<&str> = told["subject"]
            .as_array()
            .unwrap()
            .iter()
            .map(|subject| subject["name"].as_str().unwrap())
            .collect();
        assert_eq!(names, ["pkg", "also", "x"]);
        assert!(Predicate::new("k", b"[1", Vec::new(), ("n", true)).is_err());
    }
}
