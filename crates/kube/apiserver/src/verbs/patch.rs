//! PATCH: JSON patch (RFC 6902), merge patch (RFC 7386), strategic merge patch, server-side apply.

use http::header::CONTENT_TYPE;
use patch::Format;
use schema::cursor::Ref;
use schema::json::{self, Options as Decoding};
use schema::row::{TypeId, Types};
use schema::status::Status;
use schema::tree::{Struct, Value};
use schema::{defaults, yaml};

use super::unfit::unfit;
use super::update::{check_name, reply};
use super::write_options::write_options;
use crate::negotiate::{FieldValidation, keep_cleared_managers};
use crate::registry::{self, Live, Op, Plan, convert, ensure_namespace};
use crate::server::State;
use crate::{Answer, Call, Refused, Reply, Served};

/// What a patch is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A change of the object's JSON.
    Of(Format),
    /// A configuration.
    Apply,
}

const KINDS: [(&str, Kind); 4] = [
    ("application/json-patch+json", Kind::Of(Format::Json)),
    ("application/merge-patch+json", Kind::Of(Format::Merge)),
    (
        "application/strategic-merge-patch+json",
        Kind::Of(Format::Strategic),
    ),
    ("application/apply-patch+yaml", Kind::Apply),
];

/// Changes the object as the body describes; an apply also creates it.
///
/// # Errors
/// 415, what the patch, admission, the kind's rules and the store say.
pub(super) async fn patch(state: &State, call: &Call, served: &Served) -> Answer<Reply> {
    let config = configuration(call, served)?;
    let options = write_options(call, "PatchOptions", Some(config.is_some()))?;
    let op = Op {
        applied: config.is_some(),
        ..Op::new(state, call, served, options)
    };
    let make = |live: Option<&Live>| match (&config, live) {
        (Some(config), live) => apply(&op, live, config),
        (None, Some(live)) => change(&op, live),
        (None, None) => Err(Status::not_found(served.group_resource(), &op.name).into()),
    };
    let plan = Plan {
        may_create: op.applied && op.subresource.is_empty(),
        uid: None,
        by_rules: true,
        view: None,
        make,
    };
    reply(&op, registry::update(&op, plan).await?)
}

fn kind_of(call: &Call, served: &Served) -> Answer<Kind> {
    let header = call
        .headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let wanted = header
        .unwrap_or_default()
        .split(';')
        .next()
        .unwrap_or_default()
        .trim();
    let custom = served.def.types.is_custom();
    let offered = KINDS
        .into_iter()
        .filter(|(_, kind)| !custom || *kind != Kind::Of(Format::Strategic));
    let found = offered.clone().find(|(name, _)| *name == wanted);
    let names: Vec<&str> = offered.map(|(name, _)| name).collect();
    found
        .map(|(_, kind)| kind)
        .ok_or_else(|| Status::unsupported_media_type(&names).into())
}

/// The configuration that the body applies; nothing where it is a patch of another kind.
///
/// # Errors
/// 415, and 400 for what is no YAML.
pub(crate) fn configuration(call: &Call, served: &Served) -> Answer<Option<Value>> {
    if kind_of(call, served)? != Kind::Apply {
        return Ok(None);
    }
    let undecodable =
        |error: &dyn std::fmt::Display| Status::bad_request(format!("error decoding YAML: {error}"));
    let (json, twice) = yaml::parse(&call.body).map_err(|error| undecodable(&error))?;
    match (twice, call.query.get("fieldValidation")) {
        (Some(twice), Some("Strict")) => {
            return Err(Status::bad_request(format!("error strict decoding YAML: {twice}")).into());
        }
        (Some(_), Some("Ignore")) | (None, _) => {}
        // One line for each key, behind the one that says what they are.
        (Some(twice), _) => {
            let text = twice.to_string();
            text.lines()
                .skip(1)
                .for_each(|line| call.warnings.add(line.trim()));
        }
    }
    let config = json::parse(&json).map_err(|error| undecodable(&error))?;
    Ok(Some(config))
}

fn apply(op: &Op<'_>, live: Option<&Live>, config: &Value) -> Answer<Struct> {
    let spoken = live
        .map(|live| convert::tree(op.served, &live.shown))
        .transpose()?;
    let tree = registry::apply(op, spoken.as_ref(), config)?;
    let uid = Ref::new(op.types(), &tree).path("metadata.uid").str();
    if live.is_none() && !uid.is_empty() {
        let why = format!(
            "uid mismatch: the provided object specified uid {uid}, and no existing object was found"
        );
        return Err(Status::conflict(op.served.group_resource(), &op.name, &why).into());
    }
    finish(op, tree)
}

fn change(op: &Op<'_>, live: &Live) -> Answer<Struct> {
    let document = convert::bytes(op.served, &live.shown)?;
    let tree = patch_bytes(op, op.types(), op.served.version().schema, &document)?;
    finish(op, tree)
}

/// Applies the call's patch, which is no apply, to the JSON of an object of a type.
///
/// # Errors
/// 415, 400 and 422 with upstream's texts.
pub(crate) fn patch_bytes(op: &Op<'_>, types: &Types, ty: TypeId, document: &[u8]) -> Answer<Struct> {
    let Kind::Of(format) = kind_of(op.call, op.served)? else {
        return Err(Status::unsupported_media_type(&[KINDS[0].0, KINDS[1].0, KINDS[2].0]).into());
    };
    let body = &op.call.body;
    let patched = match format {
        Format::Json => patch::json_patch(document, body),
        Format::Merge => patch::merge_patch(document, body),
        Format::Strategic => patch::strategic(types, ty, document, body),
    };
    let patched = patched.map_err(|error| Refused::from(error.status()))?;
    let report = op.options.fields != FieldValidation::Ignore;
    let options = Decoding {
        report,
        ..Decoding::default()
    };
    let decoded = json::decode(types, ty, &patched, options);
    let mut decoded = decoded.map_err(|error| unfit(format, body, &patched, &error.to_string()))?;
    keep_cleared_managers(types, &patched, &mut decoded.object);
    let mut issues = if report {
        patch::issues(format, body)
    } else {
        Vec::new()
    };
    issues.extend(decoded.issues.iter().map(ToString::to_string));
    match op.options.fields {
        FieldValidation::Strict if !issues.is_empty() => {
            let why = format!("strict decoding error: {}", issues.join(", "));
            return Err(unfit(format, body, &patched, &why));
        }
        FieldValidation::Warn => issues.into_iter().for_each(|issue| op.call.warnings.add(issue)),
        _ => {}
    }
    Ok(decoded.object)
}

fn finish(op: &Op<'_>, mut tree: Struct) -> Answer<Struct> {
    let types = op.types();
    check_kind(op, &tree)?;
    defaults::apply(types, &mut tree);
    op.complete(&mut tree);
    ensure_namespace(types, &mut tree, op.namespace)?;
    check_name(types, &tree, &op.name)?;
    convert::to_stored(op.served, tree)
}

/// A patch cannot make an object one of another kind.
fn check_kind(op: &Op<'_>, tree: &Struct) -> Answer<()> {
    let object = Ref::new(op.types(), tree);
    let (version, kind) = (object.at("apiVersion").str(), object.at("kind").str());
    if version == op.served.api_version() && kind == op.served.def.kind {
        return Ok(());
    }
    let why = format!(
        "the API version in the data ({version}, kind {kind}) does not match the expected API version ({}, kind {})",
        op.served.api_version(),
        op.served.def.kind
    );
    Err(Status::bad_request(why).into())
}
