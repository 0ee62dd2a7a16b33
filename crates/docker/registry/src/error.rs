//! What a client is told when there is nothing to give it (distribution-spec, "Error Codes").
//!
//! The messages are docker-registry's, whose users know them. What is special about one case stands in `detail`.

use http::{HeaderName, HeaderValue, StatusCode};
use serde_json::{Value, json};

/// The codes, each with its usual status and its message.
macro_rules! codes {
    ($($name:ident $text:literal $status:ident $message:literal;)*) => {
        /// An error's code.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Code { $($name),* }

        impl Code {
            #[cfg(test)]
            pub(crate) const ALL: &[Self] = &[$(Self::$name),*];

            pub(crate) const fn text(self) -> &'static str {
                match self { $(Self::$name => $text),* }
            }

            const fn status(self) -> StatusCode {
                match self { $(Self::$name => StatusCode::$status),* }
            }

            const fn message(self) -> &'static str {
                match self { $(Self::$name => $message),* }
            }
        }
    };
}

codes! {
    BlobUnknown "BLOB_UNKNOWN" NOT_FOUND "blob unknown to registry";
    BlobUploadInvalid "BLOB_UPLOAD_INVALID" BAD_REQUEST "blob upload invalid";
    BlobUploadUnknown "BLOB_UPLOAD_UNKNOWN" NOT_FOUND "blob upload unknown to registry";
    DigestInvalid "DIGEST_INVALID" BAD_REQUEST "provided digest did not match uploaded content";
    ManifestBlobUnknown "MANIFEST_BLOB_UNKNOWN" BAD_REQUEST "blob unknown to registry";
    ManifestInvalid "MANIFEST_INVALID" BAD_REQUEST "manifest invalid";
    ManifestUnknown "MANIFEST_UNKNOWN" NOT_FOUND "manifest unknown";
    NameInvalid "NAME_INVALID" BAD_REQUEST "invalid repository name";
    NameUnknown "NAME_UNKNOWN" NOT_FOUND "repository name not known to registry";
    SizeInvalid "SIZE_INVALID" BAD_REQUEST "provided length did not match content length";
    Unauthorized "UNAUTHORIZED" UNAUTHORIZED "authentication required";
    Denied "DENIED" FORBIDDEN "requested access to the resource is denied";
    Unsupported "UNSUPPORTED" METHOD_NOT_ALLOWED "The operation is unsupported.";
    TooManyRequests "TOOMANYREQUESTS" TOO_MANY_REQUESTS "too many requests";
    // Not the specification's, but docker-registry's, for what it has no code for.
    PaginationNumberInvalid "PAGINATION_NUMBER_INVALID" BAD_REQUEST "invalid number of results requested";
    Unknown "UNKNOWN" INTERNAL_SERVER_ERROR "unknown error";
}

/// A request's end without success.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) status: StatusCode,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    code: Code,
    /// One error for each; none is one error without.
    details: Vec<Value>,
}

impl Fault {
    /// The same with another status than the code's own.
    pub(crate) fn status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    /// With what is special about this case.
    pub(crate) fn detail(mut self, detail: impl Into<Value>) -> Self {
        self.details.push(detail.into());
        self
    }

    /// With a header of the answer.
    pub(crate) fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// The answer's body.
    pub(crate) fn body(&self) -> Vec<u8> {
        let error = |detail: Option<&Value>| {
            let mut error = json!({"code": self.code.text(), "message": self.code.message()});
            if let Some(detail) = detail {
                error["detail"] = detail.clone();
            }
            error
        };
        let errors: Vec<Value> = match self.details.as_slice() {
            [] => vec![error(None)],
            details => details.iter().map(|detail| error(Some(detail))).collect(),
        };
        format!("{}\n", json!({ "errors": errors })).into_bytes()
    }

    #[cfg(test)]
    pub(crate) const fn code(&self) -> Code {
        self.code
    }
}

impl From<Code> for Fault {
    fn from(code: Code) -> Self {
        Self {
            status: code.status(),
            headers: Vec::new(),
            code,
            details: Vec::new(),
        }
    }
}

/// What the store says, in the protocol's words. What is not the client's fault is logged, and told without its details.
impl From<image::Error> for Fault {
    fn from(error: image::Error) -> Self {
        use image::Error;
        match &error {
            Error::MissingContent(missing) => {
                let fault = Self::from(Code::ManifestBlobUnknown);
                missing.iter().fold(fault, |fault, digest| {
                    fault.detail(json!({"digest": digest.to_string()}))
                })
            }
            Error::WrongDigest { .. } | Error::WrongSize { .. } => {
                Self::from(Code::DigestInvalid).detail(error.to_string())
            }
            Error::Reference(_) => Self::from(Code::NameInvalid).detail(error.to_string()),
            _ if error.kind() == image::Kind::InvalidParameter => {
                Self::from(Code::ManifestInvalid).detail(error.to_string())
            }
            _ => internal(&error),
        }
    }
}

/// Logs what a client is not told. That the disk is full it is told: it may make room, or go elsewhere.
pub(crate) fn internal(error: &dyn std::error::Error) -> Fault {
    let mut line = error.to_string();
    let mut cause = error.source();
    let mut full = false;
    while let Some(error) = cause {
        let io = error.downcast_ref::<std::io::Error>();
        full |= io.is_some_and(|error| error.kind() == std::io::ErrorKind::StorageFull);
        line.push_str(&format!(": {error}"));
        cause = error.source();
    }
    tracing::error!(error = line, "a request to the registry failed");
    let fault = Fault::from(Code::Unknown);
    if full {
        fault.detail("no space left on device")
    } else {
        fault
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_told() {
        let full = std::io::Error::from_raw_os_error(28);
        let fault = internal(&image::Error::Source(full));
        assert_eq!(fault.details, [Value::from("no space left on device")]);
        let other = internal(&image::Error::Source(std::io::Error::from_raw_os_error(5)));
        assert_eq!(other.details, [] as [Value; 0]);
    }

    #[test]
    fn a_body_has_the_forms_of_the_specification() {
        let plain = Fault::from(Code::BlobUnknown);
        let expected = r#"{"errors":[{"code":"BLOB_UNKNOWN","message":"blob unknown to registry"}]}"#;
        assert_eq!(plain.body(), format!("{expected}\n").as_bytes());
        let digests = [image::Digest::of(b"a"), image::Digest::of(b"b")];
        let missing = Fault::from(image::Error::MissingContent(digests.to_vec()));
        let body: Value = serde_json::from_slice(&missing.body()).unwrap();
        assert_eq!(body["errors"].as_array().unwrap().len(), 2);
        assert_eq!(body["errors"][1]["code"], "MANIFEST_BLOB_UNKNOWN");
        assert_eq!(body["errors"][1]["detail"]["digest"], digests[1].to_string());
    }

    #[test]
    fn codes_are_words_in_capitals() {
        for code in Code::ALL {
            let good = |byte: u8| byte.is_ascii_uppercase() || byte == b'_';
            assert!(code.text().bytes().all(good), "{code:?}");
        }
    }
}
