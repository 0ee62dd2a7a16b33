//! Which fields a kind can be selected by, and what upstream says of others.

use schema::json::go_quote;

use super::field::{FieldSelector, ParseError, Source};
use crate::Served;

/// The sentence about a field that a kind does not have: `{}` is the field, `{q}` the field in quotes.
type Sentence = &'static str;

const PLAIN: Sentence = "field label not supported: {}";

/// Kinds whose sentence is not the default one, by group and kind.
const SENTENCES: &[(&str, &str, Sentence)] = &[
    ("", "Event", PLAIN),
    ("", "Namespace", PLAIN),
    ("", "Node", PLAIN),
    ("", "Pod", PLAIN),
    ("", "ReplicationController", PLAIN),
    ("", "Secret", PLAIN),
    ("", "Service", PLAIN),
    (
        "apps",
        "StatefulSet",
        "field label not supported for appsv1.StatefulSet: {}",
    ),
    ("batch", "Job", "field label {q} not supported for Job"),
    ("certificates.k8s.io", "CertificateSigningRequest", PLAIN),
    ("certificates.k8s.io", "ClusterTrustBundle", PLAIN),
    ("events.k8s.io", "Event", PLAIN),
    (
        "resource.k8s.io",
        "ResourceSlice",
        "field label not supported for resource.k8s.io/v1, Kind=ResourceSlice: {}",
    ),
];

/// A selector for objects of a resource: every field gets its place in the stored body.
///
/// # Errors
/// A field that the kind cannot be selected by.
pub(crate) fn resolve(mut selector: FieldSelector, served: &Served) -> Result<FieldSelector, ParseError> {
    for term in &mut selector.0 {
        // Old clients send `spec.host`.
        if term.field == "spec.host" && served.def.group.is_empty() && served.def.kind == "Pod" {
            term.field = "spec.nodeName".to_owned();
        }
        term.source = source(&term.field, served).ok_or_else(|| unknown(&term.field, served))?;
    }
    Ok(selector)
}

fn source(field: &str, served: &Served) -> Option<Source> {
    match field {
        "metadata.name" => return Some(Source::Name),
        "metadata.namespace" if served.namespaced() || sentence(served).is_none() => {
            return Some(Source::Namespace);
        }
        _ => {}
    }
    let fields = served.strategy().fields;
    let own = served
        .custom_version()
        .is_some_and(|version| version.selectable.iter().any(|own| own == field));
    if own {
        return Some(Source::Path {
            paths: field.to_owned(),
            absent: String::new(),
        });
    }
    let known = fields.iter().find(|known| known.name == field)?;
    Some(Source::Path {
        paths: known.path.to_owned(),
        absent: known.absent.to_owned(),
    })
}

fn sentence(served: &Served) -> Option<Sentence> {
    if served.def.types.is_custom() {
        return Some(PLAIN);
    }
    let mut rows = SENTENCES.iter();
    let row = rows.find(|(group, kind, _)| *group == served.def.group && *kind == served.def.kind);
    row.map(|(.., sentence)| *sentence)
}

fn unknown(field: &str, served: &Served) -> ParseError {
    let quoted = go_quote(field);
    ParseError(match sentence(served) {
        Some(sentence) => sentence.replace("{q}", &quoted).replace("{}", field),
        None => {
            format!(r#"{quoted} is not a known field selector: only "metadata.name", "metadata.namespace""#)
        }
    })
}
