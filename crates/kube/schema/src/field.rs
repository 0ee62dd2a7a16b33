//! What is wrong with a field: upstream's `field.Path` and `field.Error`, with its texts.

use std::collections::HashSet;
use std::fmt;

use crate::cursor::Ref;
use crate::json::go_quote;

/// Where a field is: `spec.containers[0].ports[1].containerPort`, `metadata.labels[a/b]`.
///
/// A path is a value; each step makes a new one. Validation walks an object a few times a request, and makes
/// the text of a place once for each struct on the way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Path(String);

impl Path {
    /// The path of a member of the object itself.
    pub fn new(name: &str) -> Self {
        Self(name.to_owned())
    }

    /// The object itself, whose members' names stand alone.
    pub const fn root() -> Self {
        Self(String::new())
    }

    /// The member of what is here; `name` may be several, joined by dots.
    #[must_use]
    pub fn child(&self, name: &str) -> Self {
        let dot = if self.0.is_empty() { "" } else { "." };
        Self(format!("{}{dot}{name}", self.0))
    }

    /// The item of the list here.
    #[must_use]
    pub fn index(&self, index: usize) -> Self {
        Self(format!("{}[{index}]", self.0))
    }

    /// The entry of the map here.
    #[must_use]
    pub fn key(&self, key: &str) -> Self {
        Self(format!("{}[{key}]", self.0))
    }
}

/// Upstream prints the path that has no element as `<nil>`.
impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "<nil>" } else { &self.0 })
    }
}

/// In what way a field is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorType {
    /// What the value names does not exist.
    NotFound,
    /// There is no value.
    Required,
    /// The value must be the only one of its kind.
    Duplicate,
    /// The value is malformed or out of bounds.
    Invalid,
    /// The value is none of those that there are.
    NotSupported,
    /// The value is not allowed here and now.
    Forbidden,
    /// The value is too long.
    TooLong,
    /// The value is too short.
    TooShort,
    /// There are too many items.
    TooMany,
    /// There are too few items.
    TooFew,
    /// Not the user's fault.
    Internal,
    /// The value is of another type than the schema says.
    TypeInvalid,
}

impl ErrorType {
    /// The `reason` of a cause in `Status.details.causes`.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::NotFound => "FieldValueNotFound",
            Self::Required => "FieldValueRequired",
            Self::Duplicate => "FieldValueDuplicate",
            Self::Invalid => "FieldValueInvalid",
            Self::NotSupported => "FieldValueNotSupported",
            Self::Forbidden => "FieldValueForbidden",
            Self::TooLong => "FieldValueTooLong",
            Self::TooShort => "FieldValueTooShort",
            Self::TooMany => "FieldValueTooMany",
            Self::TooFew => "FieldValueTooFew",
            Self::Internal => "InternalError",
            Self::TypeInvalid => "FieldValueTypeInvalid",
        }
    }

    const fn words(self) -> &'static str {
        match self {
            Self::NotFound => "Not found",
            Self::Required => "Required value",
            Self::Duplicate => "Duplicate value",
            Self::Invalid | Self::TypeInvalid => "Invalid value",
            Self::NotSupported => "Unsupported value",
            Self::Forbidden => "Forbidden",
            Self::TooLong => "Too long",
            Self::TooShort => "Too short",
            Self::TooMany => "Too many",
            Self::TooFew => "Too few",
            Self::Internal => "Internal error",
        }
    }

    const fn shows_value(self) -> bool {
        !matches!(
            self,
            Self::Required | Self::Forbidden | Self::TooLong | Self::TooShort | Self::Internal
        )
    }
}

/// The value that is wrong, as upstream prints it: text in Go's quotes, all else as JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadValue(String);

impl BadValue {
    /// A value of which only the JSON is at hand.
    pub fn json(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl From<&str> for BadValue {
    fn from(text: &str) -> Self {
        Self(go_quote(text))
    }
}

impl From<String> for BadValue {
    fn from(text: String) -> Self {
        Self(go_quote(&text))
    }
}

impl From<i64> for BadValue {
    fn from(int: i64) -> Self {
        Self(int.to_string())
    }
}

impl From<usize> for BadValue {
    fn from(int: usize) -> Self {
        Self(int.to_string())
    }
}

impl From<bool> for BadValue {
    fn from(value: bool) -> Self {
        Self(value.to_string())
    }
}

impl From<Ref<'_>> for BadValue {
    fn from(value: Ref<'_>) -> Self {
        match value.text() {
            Some(text) => text.into(),
            None => Self(value.json()),
        }
    }
}

/// What is wrong with one field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// In what way.
    pub kind: ErrorType,
    /// Where: the text of a [`Path`].
    pub field: String,
    value: Option<BadValue>,
    /// The rest of the sentence.
    pub detail: String,
}

/// Several, in the order in which they were found.
pub type Errors = Vec<Error>;

impl Error {
    fn new(kind: ErrorType, path: &Path, value: Option<BadValue>, detail: impl Into<String>) -> Self {
        Self {
            kind,
            field: path.to_string(),
            value,
            detail: detail.into(),
        }
    }

    /// `spec.x: Not found: "value"`
    pub fn not_found(path: &Path, value: impl Into<BadValue>) -> Self {
        Self::new(ErrorType::NotFound, path, Some(value.into()), "")
    }

    /// `spec.x: Required value: detail`
    pub fn required(path: &Path, detail: impl Into<String>) -> Self {
        Self::new(ErrorType::Required, path, None, detail)
    }

    /// `spec.x: Duplicate value: "value"`
    pub fn duplicate(path: &Path, value: impl Into<BadValue>) -> Self {
        Self::new(ErrorType::Duplicate, path, Some(value.into()), "")
    }

    /// `spec.x: Invalid value: "value": detail`
    pub fn invalid(path: &Path, value: impl Into<BadValue>, detail: impl Into<String>) -> Self {
        Self::new(ErrorType::Invalid, path, Some(value.into()), detail)
    }

    /// `spec.x: Invalid value: detail`, where the value is too large to be shown.
    pub fn invalid_omitted(path: &Path, detail: impl Into<String>) -> Self {
        Self::new(ErrorType::Invalid, path, None, detail)
    }

    /// The same where the value is not of the schema's type.
    pub fn type_invalid(path: &Path, value: impl Into<BadValue>, detail: impl Into<String>) -> Self {
        Self::new(ErrorType::TypeInvalid, path, Some(value.into()), detail)
    }

    /// `spec.x: Unsupported value: "value": supported values: "a", "b"`
    pub fn not_supported(path: &Path, value: impl Into<BadValue>, supported: &[&str]) -> Self {
        let quoted: Vec<String> = supported.iter().map(|value| go_quote(value)).collect();
        let detail = match quoted.as_slice() {
            [] => String::new(),
            quoted => format!("supported values: {}", quoted.join(", ")),
        };
        Self::new(ErrorType::NotSupported, path, Some(value.into()), detail)
    }

    /// `spec.x: Forbidden: detail`
    pub fn forbidden(path: &Path, detail: impl Into<String>) -> Self {
        Self::new(ErrorType::Forbidden, path, None, detail)
    }

    /// `spec.x: Too long: may not be more than 63 bytes`
    pub fn too_long(path: &Path, max: usize) -> Self {
        let detail = format!("may not be more than {max} {}", counted(max, "byte"));
        Self::new(ErrorType::TooLong, path, None, detail)
    }

    /// `spec.x: Too short: must be at least 1 character`
    pub fn too_short(path: &Path, min: usize) -> Self {
        let detail = format!("must be at least {min} {}", counted(min, "character"));
        Self::new(ErrorType::TooShort, path, None, detail)
    }

    /// `spec.x: Too many: 9: must have at most 8 items`
    pub fn too_many(path: &Path, found: usize, max: usize) -> Self {
        let detail = format!("must have at most {max} {}", counted(max, "item"));
        Self::new(ErrorType::TooMany, path, Some(found.into()), detail)
    }

    /// `spec.x: Internal error: detail`
    pub fn internal(path: &Path, detail: impl Into<String>) -> Self {
        Self::new(ErrorType::Internal, path, None, detail)
    }

    /// The same error without the value: upstream's `OmitValueType`.
    #[must_use]
    pub fn without_value(self) -> Self {
        Self { value: None, ..self }
    }

    /// The sentence without the field, as a cause's `message` has it.
    pub fn body(&self) -> String {
        let shown = self.value.as_ref().filter(|_| self.kind.shows_value());
        let parts = [
            Some(self.kind.words()),
            shown.map(|value| value.0.as_str()),
            Some(self.detail.as_str()).filter(|detail| !detail.is_empty()),
        ];
        parts.into_iter().flatten().collect::<Vec<_>>().join(": ")
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.body())
    }
}

/// All of them in one text, each said once: upstream's aggregate.
pub fn aggregate(errors: &[Error]) -> String {
    // A request of 3 MB may have hundreds of thousands.
    let mut seen = HashSet::new();
    let mut texts: Vec<String> = errors.iter().map(Error::to_string).collect();
    texts.retain(|text| seen.insert(text.clone()));
    match texts.as_slice() {
        [one] => one.clone(),
        texts => format!("[{}]", texts.join(", ")),
    }
}

fn counted(number: usize, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{noun}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_upstreams() {
        let path = Path::new("spec").child("containers").index(0).child("ports");
        let texts = [
            Error::required(&path, ""),
            Error::invalid(&path, "a\"b", "must be good"),
            Error::invalid(&path, 70_000_i64, "must be between 1 and 65535, inclusive"),
            Error::not_supported(&path, "X", &["TCP", "UDP"]),
            Error::too_long(&path, 1),
            Error::too_many(&path, 9, 8),
            Error::duplicate(&Path::new("metadata").key("a/b"), true),
        ]
        .map(|error| error.to_string());
        assert_eq!(
            texts,
            [
                "spec.containers[0].ports: Required value",
                r#"spec.containers[0].ports: Invalid value: "a\"b": must be good"#,
                "spec.containers[0].ports: Invalid value: 70000: must be between 1 and 65535, inclusive",
                r#"spec.containers[0].ports: Unsupported value: "X": supported values: "TCP", "UDP""#,
                "spec.containers[0].ports: Too long: may not be more than 1 byte",
                "spec.containers[0].ports: Too many: 9: must have at most 8 items",
                "metadata[a/b]: Duplicate value: true",
            ]
        );
    }

    #[test]
    fn several_are_told_once_each() {
        let error = |name: &str| Error::required(&Path::new(name), "");
        assert_eq!(aggregate(&[error("a")]), "a: Required value");
        assert_eq!(
            aggregate(&[error("a"), error("b"), error("a")]),
            "[a: Required value, b: Required value]"
        );
    }
}
