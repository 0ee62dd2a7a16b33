//! Request bodies: JSON, YAML or protobuf by `Content-Type`, checked against the kind that the path expects, with
//! upstream's words for what does not fit.

use std::borrow::Cow;
use std::fmt::Display;

use http::header::CONTENT_TYPE;
use schema::cursor::Ref;
use schema::json::{self, DecodeError, Decoded, Issue, Options, go_quote, strict_error};
use schema::row::{TypeId, Types};
use schema::status::Status;
use schema::tree::{Struct, Value};
use schema::{BUILTIN, cursor, defaults, proto, yaml};

use super::accept::{JSON, PROTOBUF, YAML};
use crate::{Answer, Call, Refused, Warnings};

/// What to do about unknown and duplicate fields (`fieldValidation`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum FieldValidation {
    /// Nothing.
    Ignore,
    /// Tell the client.
    #[default]
    Warn,
    /// Refuse.
    Strict,
}

/// The kind that a path expects.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expected<'a> {
    /// The table of the type.
    pub(crate) types: &'a Types,
    /// The type.
    pub(crate) ty: TypeId,
    /// `apps/v1`
    pub(crate) api_version: &'a str,
    /// `Deployment`
    pub(crate) kind: &'a str,
}

/// Decodes a call's body as the expected kind, with the defaults that its rows declare; the object names its kind.
///
/// # Errors
/// 415, and 400 with upstream's texts.
pub(crate) fn decode(
    call: &Call,
    body: &[u8],
    expected: Expected<'_>,
    fields: FieldValidation,
) -> Answer<Struct> {
    let report = fields != FieldValidation::Ignore;
    let Decoded { mut object, issues } = match media_type(call)? {
        JSON => from_json(body, expected, report)?,
        PROTOBUF => from_proto(body, expected)?,
        _ => from_json(&yaml_to_json(body, expected)?, expected, report)?,
    };
    name_kind(&mut object, expected)?;
    judge(&call.warnings, &issues, fields, |text| {
        cannot_be_handled(expected.kind, version_of(expected.api_version), expected, text)
    })?;
    defaults::apply(expected.types, &mut object);
    Ok(object)
}

/// The options that a body is (`DeleteOptions`), as JSON text.
///
/// # Errors
/// 415, and 400 for a body that is none.
pub(crate) fn options_json<'a>(call: &'a Call, kind: &str) -> Answer<Cow<'a, [u8]>> {
    let bad = |why: &dyn Display| Refused::from(Status::bad_request(why.to_string()));
    match media_type(call)? {
        JSON => Ok(Cow::Borrowed(&call.body)),
        YAML => yaml::to_json(&call.body).map(Cow::Owned).map_err(|why| bad(&why)),
        _ => {
            let ty = BUILTIN.find("meta/v1", kind);
            let opened = proto::open(&BUILTIN, ty, &call.body, schema::MAX_REQUEST_BYTES);
            let mut out = Vec::new();
            json::encode(&BUILTIN, &opened.map_err(|why| bad(&why))?, &mut out);
            Ok(Cow::Owned(out))
        }
    }
}

fn media_type(call: &Call) -> Answer<&'static str> {
    let header = call.headers.get(CONTENT_TYPE);
    let text = header.and_then(|value| value.to_str().ok()).unwrap_or(JSON);
    let wanted = text.split(';').next().unwrap_or_default().trim();
    let wanted = if wanted.is_empty() { JSON } else { wanted };
    let offered = [JSON, YAML, PROTOBUF];
    let found = offered
        .into_iter()
        .find(|offer| offer.eq_ignore_ascii_case(wanted));
    found.ok_or_else(|| Status::unsupported_media_type(&offered).into())
}

fn from_json(body: &[u8], expected: Expected<'_>, report: bool) -> Answer<Decoded> {
    let options = Options {
        report,
        ..Options::default()
    };
    let decoded = json::decode(expected.types, expected.ty, body, options);
    let mut decoded = decoded.map_err(|error| undecodable(body, expected, &error))?;
    keep_cleared_managers(expected.types, body, &mut decoded.object);
    Ok(decoded)
}

/// An empty list of managers says that there shall be none, and is not the same as no list. Trees have no empty
/// lists, so it is put in the other way in which clients say it: as a list of one empty entry.
pub(crate) fn keep_cleared_managers(types: &Types, body: &[u8], object: &mut Struct) {
    const NAME: &[u8] = b"\"managedFields\"";
    const CLEARED: &[u8] = br#"{"metadata":{"managedFields":[{}]}}"#;
    const MANAGERS: &str = "metadata.managedFields";
    let has = Ref::new(types, object).path(MANAGERS).exists();
    if has || !body.windows(NAME.len()).any(|window| window == NAME) || !clears_managers(body) {
        return;
    }
    let cleared = json::decode(types, object.ty, CLEARED, Options::default());
    let entry = cleared
        .ok()
        .and_then(|mut cleared| cursor::remove(types, &mut cleared.object, MANAGERS));
    if let Some(entry) = entry {
        cursor::set(types, object, MANAGERS, entry);
    }
}

fn clears_managers(body: &[u8]) -> bool {
    let Ok(Value::Map(object)) = json::parse(body) else {
        return false;
    };
    let metadata = object.get("metadata").and_then(Value::as_map);
    let managers = metadata.and_then(|metadata| metadata.get("managedFields"));
    managers.and_then(Value::as_list).is_some_and(<[Value]>::is_empty)
}

fn undecodable(body: &[u8], expected: Expected<'_>, error: &DecodeError) -> Refused {
    let DecodeError::Syntax(syntax) = error else {
        let named = json::parse(body).ok();
        let (api_version, kind) = named.as_ref().map(type_meta).unwrap_or_default();
        let kind = if kind.is_empty() { expected.kind } else { kind };
        let version = if api_version.is_empty() {
            expected.api_version
        } else {
            api_version
        };
        return cannot_be_handled(kind, version_of(version), expected, &error.to_string());
    };
    let why = format!("couldn't get version/kind; json parse error: {syntax}");
    unrecognized(body, expected, &why)
}

fn unrecognized(body: &[u8], expected: Expected<'_>, why: &str) -> Refused {
    Status::bad_request(format!(
        "the object provided is unrecognized (must be of type {}): {why} ({})",
        expected.kind,
        summary(body)
    ))
    .into()
}

fn type_meta(value: &Value) -> (&str, &str) {
    let Value::Map(map) = value else {
        return Default::default();
    };
    let text = |name| map.get(name).and_then(Value::as_str).unwrap_or_default();
    (text("apiVersion"), text("kind"))
}

/// The first 30 bytes: as they are if they look like JSON, else in hexadecimal.
fn summary(body: &[u8]) -> String {
    let head = &body[..body.len().min(30)];
    let dots = if head.len() < body.len() { " ..." } else { "" };
    match body.first() {
        None => "<empty>".to_owned(),
        Some(b'{') => format!("{}{dots}", String::from_utf8_lossy(head)),
        Some(_) => {
            let hex: String = head.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("{hex}{dots}")
        }
    }
}

fn yaml_to_json(body: &[u8], expected: Expected<'_>) -> Answer<Vec<u8>> {
    yaml::to_json(body).map_err(|error| {
        let why = format!("couldn't get version/kind; json parse error: {error}");
        unrecognized(body, expected, &why)
    })
}

fn from_proto(body: &[u8], expected: Expected<'_>) -> Answer<Decoded> {
    if expected.types.is_custom() {
        return Err(Status::unsupported_media_type(&[JSON, YAML]).into());
    }
    let opened = proto::open(expected.types, Some(expected.ty), body, schema::MAX_REQUEST_BYTES);
    let object = opened.map_err(|error| unrecognized(body, expected, &error.to_string()))?;
    Ok(Decoded {
        object,
        issues: Vec::new(),
    })
}

/// Checks `kind` and `apiVersion`, or fills them in.
fn name_kind(object: &mut Struct, expected: Expected<'_>) -> Answer<()> {
    let api_version =
        take_text(expected, object, "apiVersion").unwrap_or_else(|| expected.api_version.into());
    let kind = take_text(expected, object, "kind").unwrap_or_else(|| expected.kind.into());
    if kind != expected.kind || api_version != expected.api_version {
        return Err(wrong_kind(&api_version, &kind, expected));
    }
    for (name, text) in [("apiVersion", api_version), ("kind", kind)] {
        if let Some(slot) = expected.types.slot(expected.ty, name, 0) {
            object.set(slot, Value::Str(text.into()));
        }
    }
    Ok(())
}

fn take_text(expected: Expected<'_>, object: &mut Struct, name: &str) -> Option<String> {
    let slot = expected.types.slot(expected.ty, name, 0)?;
    let text = object.get(slot)?.as_str().filter(|text| !text.is_empty())?;
    Some(text.to_owned())
}

const SCHEME: &str = "k8s.io/kubernetes/pkg/api/legacyscheme/scheme.go:30";

/// Which of upstream's three complaints it is depends on whether the server knows the kind that was sent.
fn wrong_kind(api_version: &str, kind: &str, expected: Expected<'_>) -> Refused {
    let (group, version) = split(api_version);
    let (own_group, own_version) = split(expected.api_version);
    if kind == expected.kind && (expected.types.is_custom() || group != own_group) {
        return Status::bad_request(format!(
            "the API version in the data ({api_version}) does not match the expected API version ({})",
            expected.api_version
        ))
        .into();
    }
    if schema::resource::type_of_kind(group, version, kind).is_none() {
        let why = format!(
            "no kind {} is registered for version {} in scheme {}",
            go_quote(kind),
            go_quote(api_version),
            go_quote(SCHEME)
        );
        return cannot_be_handled(kind, version, expected, &why);
    }
    if kind == expected.kind {
        return Status::bad_request(format!(
            "the API version in the data ({api_version}) does not match the expected API version ({own_version})"
        ))
        .into();
    }
    let hub = if own_group.is_empty() {
        "core"
    } else {
        own_group.split('.').next().unwrap_or_default()
    };
    let why = format!(
        "converting ({version}.{kind}) to ({hub}.{}): unknown conversion",
        expected.kind
    );
    cannot_be_handled(kind, version, expected, &why)
}

fn split(api_version: &str) -> (&str, &str) {
    api_version.split_once('/').unwrap_or(("", api_version))
}

fn version_of(api_version: &str) -> &str {
    split(api_version).1
}

fn cannot_be_handled(kind: &str, version: &str, expected: Expected<'_>, why: &str) -> Refused {
    Status::bad_request(format!(
        "{kind} in version {} cannot be handled as a {}: {why}",
        go_quote(version),
        expected.kind
    ))
    .into()
}

/// Refuses or tells what is odd about the fields.
fn judge(
    warnings: &Warnings,
    issues: &[Issue],
    fields: FieldValidation,
    refuse: impl FnOnce(&str) -> Refused,
) -> Answer<()> {
    match (fields, strict_error(issues)) {
        (FieldValidation::Strict, Some(text)) => return Err(refuse(&text)),
        (FieldValidation::Warn, _) => issues.iter().for_each(|issue| warnings.add(issue.to_string())),
        _ => {}
    }
    Ok(())
}
