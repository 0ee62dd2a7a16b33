//! What a webhook is asked, and what may be believed of its answer (`apiextensions.k8s.io` ConversionReview).

use serde_json::{Map, Value};

/// A version of the review.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    V1,
    V1beta1,
}

impl Version {
    pub(super) fn named(name: &str) -> Option<Self> {
        match name {
            "v1" => Some(Self::V1),
            "v1beta1" => Some(Self::V1beta1),
            _ => None,
        }
    }

    const fn api_version(self) -> &'static str {
        match self {
            Self::V1 => "apiextensions.k8s.io/v1",
            Self::V1beta1 => "apiextensions.k8s.io/v1beta1",
        }
    }
}

/// One request for conversion.
#[derive(Clone, Copy, Debug)]
pub(super) struct Question<'a> {
    pub(super) version: Version,
    pub(super) uid: &'a str,
    /// `stable.example.com/v1`
    pub(super) desired: &'a str,
}

impl Question<'_> {
    /// The review that is sent; `objects` are JSON.
    pub(super) fn body<'o>(&self, objects: impl Iterator<Item = &'o [u8]>) -> Vec<u8> {
        let (version, uid, desired) = (self.version.api_version(), self.uid, self.desired);
        let mut out = format!(
            r#"{{"kind":"ConversionReview","apiVersion":"{version}","request":{{"uid":"{uid}","desiredAPIVersion":"{desired}","objects":["#
        )
        .into_bytes();
        for (at, object) in objects.enumerate() {
            if at > 0 {
                out.push(b',');
            }
            out.extend_from_slice(object);
        }
        out.extend_from_slice(b"]}}");
        out
    }

    /// The objects of an answer that says it succeeded.
    ///
    /// # Errors
    /// What is wrong with it, or what it says went wrong.
    pub(super) fn answer(&self, body: &[u8]) -> Result<Vec<Value>, String> {
        let mut review: Value = serde_json::from_slice(body)
            .map_err(|error| format!("couldn't get version/kind; json parse error: {error}"))?;
        let strict = self.version == Version::V1;
        if strict {
            self.is_review(&review)?;
        }
        let response = review
            .get_mut("response")
            .filter(|response| !response.is_null())
            .ok_or("no response provided")?;
        let uid = text(response, "uid");
        if strict && uid != self.uid {
            return Err(format!("expected response.uid={:?}, got {uid:?}", self.uid));
        }
        let (status, message) = (
            text(&response["result"], "status"),
            text(&response["result"], "message"),
        );
        match (status, message) {
            ("Success", _) => {}
            (status, "") => return Err(format!("response.result.status was '{status}', not 'Success'")),
            (_, message) => return Err(message.to_owned()),
        }
        match response["convertedObjects"].take() {
            Value::Array(objects) => Ok(objects),
            _ => Ok(Vec::new()),
        }
    }

    fn is_review(&self, review: &Value) -> Result<(), String> {
        let (version, kind) = (text(review, "apiVersion"), text(review, "kind"));
        let wanted = self.version.api_version();
        if (version, kind) == (wanted, "ConversionReview") {
            return Ok(());
        }
        Err(format!(
            "expected webhook response of {wanted}, Kind=ConversionReview, got {}, Kind={kind}",
            if version.is_empty() { "/" } else { version }
        ))
    }
}

fn text<'a>(object: &'a Value, member: &str) -> &'a str {
    object[member].as_str().unwrap_or_default()
}

/// What is wrong with a converted object.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// It is none, or of another version or kind.
    Kind(String),
    /// It is another object.
    Object(String),
    /// Its labels or annotations are none.
    Metadata(String),
}

impl Fault {
    /// As upstream says it, which tells one object from several.
    pub(super) fn told(&self, one: bool, at: usize) -> String {
        match (self, one) {
            (Self::Kind(why), true) => format!("returned invalid object at index {at}: {why}"),
            (Self::Object(why), true) => format!("returned invalid object: {why}"),
            (Self::Metadata(why), true) => format!("returned invalid metadata: {why}"),
            (Self::Kind(why) | Self::Object(why), false) => {
                format!("returned invalid converted object at index {at}: {why}")
            }
            (Self::Metadata(why), false) => {
                format!("returned invalid metadata in object at index {at}: {why}")
            }
        }
    }
}

/// A converted object with the metadata of the original, but for labels and annotations, which a webhook may change.
///
/// # Errors
/// See [`Fault`].
pub(super) fn settle(
    original: &[u8],
    mut converted: Value,
    version: &str,
    kind: &str,
) -> Result<Value, Fault> {
    let original: Value =
        serde_json::from_slice(original).map_err(|error| Fault::Object(error.to_string()))?;
    let got = (text(&converted, "apiVersion"), text(&converted, "kind"));
    if got.0 != version {
        let why = format!("invalid groupVersion (expected {version}, received {})", got.0);
        return Err(Fault::Kind(why));
    }
    if got.1 != kind {
        let why = format!("invalid kind (expected {kind}, received {})", got.1);
        return Err(Fault::Kind(why));
    }
    same(&original, &converted)?;
    let metadata = restored(&original["metadata"], converted.get_mut("metadata"))?;
    converted["metadata"] = metadata;
    Ok(converted)
}

fn same(original: &Value, converted: &Value) -> Result<(), Fault> {
    for (member, name) in [("name", "name"), ("namespace", "namespace"), ("uid", "UID")] {
        let (was, is) = (
            text(&original["metadata"], member),
            text(&converted["metadata"], member),
        );
        if was != is {
            return Err(Fault::Object(format!("must have the same {name}: {was} != {is}")));
        }
    }
    Ok(())
}

fn restored(original: &Value, converted: Option<&mut Value>) -> Result<Value, Fault> {
    let converted =
        converted.ok_or_else(|| Fault::Metadata("missing metadata in converted object".into()))?;
    let Value::Object(told) = converted else {
        let why = format!(
            "invalid metadata of type {} in converted object",
            go_type(converted)
        );
        return Err(Fault::Metadata(why));
    };
    let mut metadata = original.as_object().cloned().unwrap_or_default();
    for member in ["labels", "annotations"] {
        match told.get_mut(member).map(Value::take) {
            None | Some(Value::Null) => drop(metadata.remove(member)),
            Some(Value::Object(texts)) => drop(metadata.insert(member.to_owned(), strings(member, texts)?)),
            Some(other) => {
                let why = format!(
                    "invalid metadata.{member} of type {} in converted object",
                    go_type(&other)
                );
                return Err(Fault::Metadata(why));
            }
        }
    }
    Ok(Value::Object(metadata))
}

fn strings(member: &str, texts: Map<String, Value>) -> Result<Value, Fault> {
    match texts.iter().find(|(_, value)| !value.is_string()) {
        None => Ok(Value::Object(texts)),
        Some((key, value)) => Err(Fault::Metadata(format!(
            "metadata.{member}[{key}] must be a string, but is {} in converted object",
            go_type(value)
        ))),
    }
}

/// Go's `%T`.
fn go_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "<nil>",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float64",
        Value::Number(_) => "int64",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const QUESTION: Question<'_> = Question {
        version: Version::V1,
        uid: "u",
        desired: "g.io/v2",
    };

    #[test]
    fn a_question_is_a_review_of_raw_objects() {
        let objects: [&[u8]; 2] = [b"{\"a\":1}", b"{}"];
        let body = String::from_utf8(QUESTION.body(objects.into_iter())).unwrap();
        assert_eq!(
            body,
            r#"{"kind":"ConversionReview","apiVersion":"apiextensions.k8s.io/v1","request":{"uid":"u","desiredAPIVersion":"g.io/v2","objects":[{"a":1},{}]}}"#
        );
    }

    #[test]
    fn an_answer_must_be_one_to_the_question_and_say_success() {
        let review = |response: Value| json!({"kind": "ConversionReview", "apiVersion": "apiextensions.k8s.io/v1", "response": response});
        let cases = [
            (
                json!({"kind": "Pod", "apiVersion": "v1"}),
                "expected webhook response of apiextensions.k8s.io/v1, Kind=ConversionReview, got v1, Kind=Pod",
            ),
            (review(Value::Null), "no response provided"),
            (
                review(json!({"uid": "x"})),
                "expected response.uid=\"u\", got \"x\"",
            ),
            (
                review(json!({"uid": "u", "result": {"status": "Failure"}})),
                "response.result.status was 'Failure', not 'Success'",
            ),
            (
                review(json!({"uid": "u", "result": {"status": "Failure", "message": "no"}})),
                "no",
            ),
        ];
        for (answer, why) in cases {
            assert_eq!(QUESTION.answer(answer.to_string().as_bytes()).unwrap_err(), why);
        }
        let good =
            review(json!({"uid": "u", "result": {"status": "Success"}, "convertedObjects": [{"a": 1}]}));
        assert_eq!(
            QUESTION.answer(good.to_string().as_bytes()).unwrap(),
            [json!({"a": 1})]
        );
    }

    #[test]
    fn only_labels_and_annotations_of_the_metadata_are_the_webhooks() {
        let original = json!({"metadata": {"name": "a", "uid": "1", "labels": {"a": "b"}, "annotations": {"c": "d"}, "generation": 3}});
        let settle = |converted: Value| settle(original.to_string().as_bytes(), converted, "g.io/v2", "K");
        let object = |metadata: Value| json!({"apiVersion": "g.io/v2", "kind": "K", "metadata": metadata});
        let good = settle(object(
            json!({"name": "a", "uid": "1", "labels": {"x": "y"}, "generation": 9}),
        ));
        assert_eq!(
            good.unwrap()["metadata"],
            json!({"name": "a", "uid": "1", "labels": {"x": "y"}, "generation": 3})
        );
        let cases = [
            (
                json!({"apiVersion": "g.io/v1", "kind": "K"}),
                "returned invalid object at index 0: invalid groupVersion (expected g.io/v2, received g.io/v1)",
            ),
            (
                json!({"apiVersion": "g.io/v2", "kind": "L"}),
                "returned invalid object at index 0: invalid kind (expected K, received L)",
            ),
            (
                object(json!({"name": "b", "uid": "1"})),
                "returned invalid object: must have the same name: a != b",
            ),
            (
                object(json!({"name": "a", "uid": "2"})),
                "returned invalid object: must have the same UID: 1 != 2",
            ),
            (
                object(json!({"name": "a", "uid": "1", "labels": {"a": 1}})),
                "returned invalid metadata: metadata.labels[a] must be a string, but is int64 in converted object",
            ),
            (
                object(json!({"name": "a", "uid": "1", "annotations": "x"})),
                "returned invalid metadata: invalid metadata.annotations of type string in converted object",
            ),
        ];
        for (converted, why) in cases {
            assert_eq!(settle(converted).unwrap_err().told(true, 0), why);
        }
    }
}
