//! The `Accept` header (RFC 9110 §12.5.1) as upstream reads it, with the parameters that ask for another form of the
//! same answer: `as=Table;v=v1;g=meta.k8s.io`, `stream=watch`, `pretty=1`.

use http::HeaderMap;
use http::header::{ACCEPT, USER_AGENT};
use schema::status::Status;

use crate::{Answer, Call, Query};

/// The default.
pub(crate) const JSON: &str = "application/json";
/// For people.
pub(crate) const YAML: &str = "application/yaml";
/// For built-in kinds.
pub(crate) const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";

/// How an answer is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// Compact, or indented when [`Accepted::pretty`].
    Json,
    /// One document.
    Yaml,
    /// In upstream's envelope.
    Protobuf,
}

impl Encoding {
    /// All of them, the default first.
    const ALL: [Self; 3] = [Self::Json, Self::Yaml, Self::Protobuf];

    /// The media type.
    pub(crate) const fn media_type(self) -> &'static str {
        match self {
            Self::Json => JSON,
            Self::Yaml => YAML,
            Self::Protobuf => PROTOBUF,
        }
    }
}

/// Another form of the answer: `Table`, `PartialObjectMetadata`, `PartialObjectMetadataList`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Convert {
    /// `meta.k8s.io`
    pub(crate) group: String,
    /// `v1`
    pub(crate) version: String,
    /// `Table`
    pub(crate) kind: String,
}

/// What the client gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Accepted {
    /// How it is written.
    pub(crate) encoding: Encoding,
    /// Indented.
    pub(crate) pretty: bool,
    /// In which form.
    pub(crate) convert: Option<Convert>,
}

/// Negotiates the answer to a call.
///
/// # Errors
/// 406
pub(crate) fn accept(call: &Call) -> Answer<Accepted> {
    let custom = call
        .served
        .as_ref()
        .is_some_and(|served| served.def.types.is_custom());
    let mut accepted = accept_header(&call.headers, custom)?;
    accepted.pretty = accepted.pretty || is_pretty(&call.headers, &call.query);
    Ok(accepted)
}

/// Negotiates by the header alone. `custom`: the resource has no protobuf form.
///
/// # Errors
/// 406
pub(crate) fn accept_header(headers: &HeaderMap, custom: bool) -> Answer<Accepted> {
    let header = headers.get(ACCEPT).and_then(|value| value.to_str().ok());
    let default = Accepted {
        encoding: Encoding::Json,
        pretty: false,
        convert: None,
    };
    let Some(header) = header.filter(|header| !header.is_empty()) else {
        return Ok(default);
    };
    let mut clauses: Vec<Clause<'_>> = header.split(',').filter_map(Clause::parse).collect();
    clauses.sort_by(|one, other| other.weight().total_cmp(&one.weight()));
    let found = clauses.iter().find_map(|clause| {
        let encodings = Encoding::ALL.into_iter();
        encodings
            .filter(|encoding| clause.covers(encoding.media_type()))
            .find_map(|encoding| clause.accept(encoding, custom))
    });
    found.ok_or_else(|| Status::not_acceptable(&[JSON, YAML, PROTOBUF]).into())
}

/// One media range with its parameters.
struct Clause<'a> {
    range: &'a str,
    quality: f32,
    params: Vec<(&'a str, &'a str)>,
}

impl<'a> Clause<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.split(';').map(str::trim);
        let range = parts.next().filter(|range| range.contains('/'))?;
        let mut clause = Self {
            range,
            quality: 1.0,
            params: Vec::new(),
        };
        for (name, value) in parts.filter_map(|part| part.split_once('=')) {
            match name.trim() {
                "q" => clause.quality = value.trim().parse().unwrap_or(1.0),
                name => clause.params.push((name, value.trim().trim_matches('"'))),
            }
        }
        Some(clause)
    }

    /// Quality first; of equal ones the more specific.
    fn weight(&self) -> f32 {
        let stars = self.range.bytes().filter(|byte| *byte == b'*').count();
        let specific = if stars == 0 { 0.0005 } else { 0.0 };
        self.quality + specific - if stars == 2 { 0.0002 } else { 0.0 }
    }

    fn covers(&self, media_type: &str) -> bool {
        let kind = media_type.split('/').next().unwrap_or_default();
        let all = self.range.strip_suffix("/*");
        self.range == media_type || all.is_some_and(|of| of == "*" || of == kind)
    }

    /// What the clause asks for in this encoding; nothing if that cannot be had.
    fn accept(&self, encoding: Encoding, custom: bool) -> Option<Accepted> {
        let mut accepted = Accepted {
            encoding,
            pretty: false,
            convert: None,
        };
        for (name, value) in &self.params {
            let convert = &mut accepted.convert;
            match *name {
                "as" => (*value).clone_into(&mut convert.get_or_insert_default().kind),
                "g" => (*value).clone_into(&mut convert.get_or_insert_default().group),
                "v" => (*value).clone_into(&mut convert.get_or_insert_default().version),
                "stream" if !value.is_empty() && *value != "watch" => return None,
                "sv" if !value.is_empty() && *value != "v1" => return None,
                "pretty" => accepted.pretty = *value == "1",
                _ => {}
            }
        }
        let offered = match &accepted.convert {
            None => !(custom && encoding == Encoding::Protobuf),
            Some(convert) => convert.offered(encoding),
        };
        offered.then_some(accepted)
    }
}

impl Convert {
    fn offered(&self, encoding: Encoding) -> bool {
        let known = self.group == "meta.k8s.io" && ["v1", "v1beta1"].contains(&self.version.as_str());
        match self.kind.as_str() {
            "Table" => known && encoding != Encoding::Protobuf,
            "PartialObjectMetadata" | "PartialObjectMetadataList" => known,
            _ => false,
        }
    }
}

/// Upstream indents for browsers and for people's tools.
pub(crate) fn is_pretty(headers: &HeaderMap, query: &Query) -> bool {
    if let Some(pretty) = query.get("pretty").filter(|pretty| !pretty.is_empty()) {
        return ["1", "t", "T", "true", "TRUE", "True"].contains(&pretty);
    }
    let agent = headers.get(USER_AGENT).and_then(|agent| agent.to_str().ok());
    let people = ["curl", "Wget", "Mozilla/5.0"];
    agent.is_some_and(|agent| people.iter().any(|tool| agent.starts_with(tool)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepted(header: &str, custom: bool) -> Option<(Encoding, String)> {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, header.parse().unwrap());
        let accepted = accept_header(&headers, custom).ok()?;
        Some((
            accepted.encoding,
            accepted.convert.map(|to| to.kind).unwrap_or_default(),
        ))
    }

    #[test]
    fn the_best_form_that_can_be_had_is_taken() {
        const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";
        let cases = [
            ("*/*", false, Some((Encoding::Json, ""))),
            ("application/*", false, Some((Encoding::Json, ""))),
            ("application/yaml", false, Some((Encoding::Yaml, ""))),
            (
                "application/vnd.kubernetes.protobuf,application/json",
                false,
                Some((Encoding::Protobuf, "")),
            ),
            (
                "application/vnd.kubernetes.protobuf,application/json",
                true,
                Some((Encoding::Json, "")),
            ),
            (
                "application/json;q=0.1, application/yaml",
                false,
                Some((Encoding::Yaml, "")),
            ),
            (TABLE, false, Some((Encoding::Json, "Table"))),
            (
                "application/json;as=Chair;v=v1;g=meta.k8s.io,application/json",
                false,
                Some((Encoding::Json, "")),
            ),
            ("text/plain", false, None),
            ("application/json;as=Chair;v=v1;g=meta.k8s.io", false, None),
        ];
        for (header, custom, expected) in cases {
            let expected = expected.map(|(encoding, kind)| (encoding, kind.to_owned()));
            assert_eq!(accepted(header, custom), expected, "{header}");
        }
    }
}
