//! Server-side apply: the configuration is laid over the object, fields that its manager applied last time
//! and no longer does are taken out, and fields that others own are conflicts.

use schema::json::{Options, decode, encode, encode_untyped, parse};
use schema::status::Status;
use schema::tree::{Map, Struct, Value};

use super::conflict::{self, Conflict};
use super::entry::{self, Entry, Operation};
use super::update::{changes, strip};
use super::{Kind, Writer, last_applied};
use crate::fieldset::FieldSet;
use crate::typed::Malformed;
use crate::typed::collect::collect;
use crate::typed::compare::compare;
use crate::typed::merge::merge;
use crate::typed::place::Place;
use crate::typed::remove::{remove, with_named};
use crate::typed::side::Side;
use crate::typed::validate::validate;

/// The object that is applied to, and what is applied.
#[derive(Clone, Copy)]
pub struct Application<'a> {
    /// Its kind: `Deployment`
    pub name: &'a str,
    /// Type and version
    pub kind: Kind<'a>,
    /// The object as it is; nothing where the apply creates it
    pub live: Option<&'a Struct>,
    /// The configuration, as plain JSON ([`schema::json::parse`]); YAML's reader makes the same
    pub config: &'a Value,
    /// Takes fields from those that own them
    pub force: bool,
}

/// What an apply makes.
#[derive(Clone, Debug)]
pub struct Applied {
    /// The object with its managers; defaults are not set yet
    pub object: Struct,
    /// The configuration changed the object (managers apart)
    pub changed: bool,
}

/// Why a configuration cannot be applied.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApplyError {
    /// Others own fields that it wants to change; sorted by manager.
    #[error("the apply conflicts with other managers")]
    Conflicts(Vec<Conflict>),
    /// It is no configuration of this object.
    #[error("{0}")]
    BadRequest(String),
    /// It is not of the object's type. Upstream has no code for it: 500.
    #[error("{0}")]
    Typed(String),
}

impl ApplyError {
    /// The answer that kube-apiserver gives.
    pub fn status(&self) -> Status {
        match self {
            Self::Conflicts(conflicts) => conflict::status(conflicts),
            Self::BadRequest(text) => Status::bad_request(text.clone()),
            Self::Typed(text) => Status::failure(500, "", text.clone()),
        }
    }
}

/// Applies a configuration.
///
/// # Errors
/// See [`ApplyError`].
pub fn apply(application: Application<'_>, writer: &Writer<'_>) -> Result<Applied, ApplyError> {
    check(&application)?;
    let first = attempt(&application, writer);
    let outcome = match (first, writer.manager) {
        (Err(ApplyError::Conflicts(conflicts)), "kubectl") => {
            match last_applied::left_over(&application, conflicts) {
                conflicts if conflicts.is_empty() => {
                    let forced = Application {
                        force: true,
                        ..application
                    };
                    attempt(&forced, writer)
                }
                conflicts => Err(ApplyError::Conflicts(conflicts)),
            }
        }
        (outcome, _) => outcome,
    };
    let mut applied = outcome?;
    if writer.manager == "kubectl" {
        last_applied::set(&application, &mut applied.object);
    }
    Ok(applied)
}

fn check(application: &Application<'_>) -> Result<(), ApplyError> {
    let text = |name| {
        application
            .config
            .as_map()
            .and_then(|map| map.get(name))
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    let (version, kind) = (text("apiVersion"), text("kind"));
    if version != application.kind.api_version || kind != application.name {
        let shown = if version.contains('/') {
            version.to_owned()
        } else {
            format!("/{version}")
        };
        return Err(ApplyError::BadRequest(format!(
            "invalid object type: {shown}, Kind={kind}"
        )));
    }
    let metadata = application
        .config
        .as_map()
        .and_then(|map| map.get("metadata"))
        .and_then(Value::as_map);
    if metadata
        .and_then(|map| map.get("managedFields"))
        .is_some_and(|value| *value != Value::Null)
    {
        return Err(ApplyError::BadRequest(
            "metadata.managedFields must be nil".to_owned(),
        ));
    }
    let place = Place::object(application.kind.types, application.kind.ty);
    validate(place, application.config).map_err(|why| {
        let what = whose(application, metadata);
        ApplyError::Typed(format!("failed to create typed patch object ({what}): {why}"))
    })
}

/// `default/web; apps/v1, Kind=Deployment`
fn whose(application: &Application<'_>, metadata: Option<&Map>) -> String {
    let text = |name| {
        metadata
            .and_then(|map| map.get(name))
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    let version = application.kind.api_version;
    let version = if version.contains('/') {
        version.to_owned()
    } else {
        format!("/{version}")
    };
    format!(
        "{}/{}; {version}, Kind={}",
        text("namespace"),
        text("name"),
        application.name
    )
}

/// The live object as plain JSON, as upstream's converter shows it, without managers.
pub(super) fn plain(application: &Application<'_>) -> Value {
    let types = application.kind.types;
    let mut live = application
        .live
        .cloned()
        .unwrap_or_else(|| Struct::new(application.kind.ty));
    entry::take(types, &mut live);
    let mut json = Vec::new();
    encode(types, &live, &mut json);
    let mut value = parse(&json).unwrap_or(Value::Null);
    if let Value::Map(map) = &mut value {
        map.insert("apiVersion", Value::str(application.kind.api_version));
        map.insert("kind", Value::str(application.name));
    }
    value
}

fn attempt(application: &Application<'_>, writer: &Writer<'_>) -> Result<Applied, ApplyError> {
    let Application {
        kind, live, config, ..
    } = *application;
    let typed = |why: Malformed| ApplyError::Typed(format!("failed to merge config: {why}"));
    let entries = live.map_or(Ok(Vec::new()), |live| entry::decode(kind.types, live));
    let mut entries =
        entries.map_err(|why| ApplyError::Typed(format!("failed to decode managed fields: {why}")))?;
    if entries.is_empty() {
        entries.extend(before_first(application, writer));
    }
    let place = Place::object(kind.types, kind.ty);
    let old = plain(application);
    let merged = merge(place, old.clone(), config).map_err(typed)?;
    let mut fields = collect(place, Side::of(config)).map_err(typed)?.1;
    fields.subtract_deep(&writer.excluded());

    let last = replace(&mut entries, fields, kind, writer);
    let new = match last.as_ref().filter(|last| !last.fields.is_empty()) {
        Some(last) => prune(place, merged, &entries, &last.fields).map_err(typed)?,
        None => merged,
    };
    let mut compared = compare(kind.types, kind.ty, Side::of(&old), Side::of(&new)).map_err(typed)?;
    compared.exclude(&writer.excluded());
    let is_own = |entry: &Entry<'_>| {
        entry.applied() && entry.manager == writer.name() && entry.subresource == writer.subresource
    };
    entries.retain(|entry| {
        is_own(entry) || entry.api_version == kind.api_version || (kind.served)(&entry.api_version)
    });
    let wanted = compared.added.union(compared.modified);
    if !application.force {
        let conflicts = conflicts(entries.iter().filter(|entry| !is_own(entry)), &wanted);
        if !conflicts.is_empty() {
            return Err(ApplyError::Conflicts(conflicts));
        }
    }
    let changed = old != new;
    for entry in &mut entries {
        if is_own(entry) {
            strip(entry.fields_mut());
            let before = last.as_ref().and_then(|last| last.time.clone());
            entry.time = if changed { Some(writer.time.into()) } else { before };
        } else {
            entry.fields_mut().subtract(&wanted);
            entry.fields_mut().subtract(&compared.removed);
        }
    }
    finish(application, changed, &new, entries)
}

/// The object of the new JSON, or the live one where nothing changed, with its managers.
fn finish(
    application: &Application<'_>,
    changed: bool,
    new: &Value,
    entries: Vec<Entry<'_>>,
) -> Result<Applied, ApplyError> {
    let types = application.kind.types;
    let mut object = match application.live.filter(|_| !changed) {
        Some(live) => live.clone(),
        None => read(application, new)?,
    };
    let entries = entry::encode(types, &object, entries);
    entry::put(types, &mut object, entries);
    Ok(Applied { object, changed })
}

fn read(application: &Application<'_>, new: &Value) -> Result<Struct, ApplyError> {
    let mut json = Vec::new();
    encode_untyped(new, &mut json);
    let options = Options {
        max_bytes: json.len(),
        ..Options::default()
    };
    let decoded = decode(application.kind.types, application.kind.ty, &json, options);
    decoded.map(|decoded| decoded.object).map_err(|why| {
        let metadata = new
            .as_map()
            .and_then(|map| map.get("metadata"))
            .and_then(Value::as_map);
        let what = whose(application, metadata);
        ApplyError::Typed(format!(
            "failed to convert new object ({what}) to proper version: {why}"
        ))
    })
}

/// The manager of all that was there before anybody applied or was tracked.
fn before_first<'a>(application: &Application<'a>, writer: &Writer<'a>) -> Option<Entry<'a>> {
    let kind = application.kind;
    let changes = changes(kind, None, application.live?, writer).ok()?;
    let mut fields = changes.added.union(changes.modified);
    fields.subtract_deep(&FieldSet::path(&["metadata", "managedFields"]));
    strip(&mut fields);
    let mut entry = Entry::new(
        Operation::Update,
        "before-first-apply",
        kind.api_version,
        writer.subresource,
    );
    entry.time = Some(writer.time.into());
    *entry.fields_mut() = fields;
    (!entry.fields.is_empty()).then_some(entry)
}

/// Puts what the manager applies now in place of what it applied last time, which is returned.
fn replace<'a>(
    entries: &mut Vec<Entry<'a>>,
    fields: FieldSet<'a>,
    kind: Kind<'a>,
    writer: &Writer<'a>,
) -> Option<Entry<'a>> {
    let mut now = Entry::new(
        Operation::Apply,
        writer.name(),
        kind.api_version,
        writer.subresource,
    );
    *now.fields_mut() = fields;
    match entries.iter_mut().find(|entry| entry.is(&now)) {
        Some(last) => Some(std::mem::replace(last, now)),
        None => {
            entries.push(now);
            None
        }
    }
}

fn conflicts<'e, 'a: 'e>(
    others: impl Iterator<Item = &'e Entry<'a>>,
    wanted: &FieldSet<'_>,
) -> Vec<Conflict> {
    let mut out = Vec::new();
    for entry in others {
        let manager = conflict::manager(entry);
        let owned = entry.fields.intersection(wanted).into_owned();
        out.extend(owned.paths().into_iter().map(|path| Conflict {
            manager: manager.clone(),
            path,
        }));
    }
    out.sort_by(|one, other| one.manager.cmp(&other.manager));
    out
}

/// Takes out what the manager applied last time, does not now, and nobody else owns.
fn prune(
    place: Place<'_>,
    merged: Value,
    entries: &[Entry<'_>],
    last: &FieldSet<'_>,
) -> Result<Value, Malformed> {
    let fields = |value: &Value| -> Result<FieldSet<'static>, Malformed> {
        let (_, fields) = collect(place, Side::of(value))?;
        Ok(with_named(place, &fields).into_owned())
    };
    let without = |fields: &FieldSet<'_>| {
        remove(place, merged.clone(), fields).unwrap_or_else(|| Value::Map(Box::default()))
    };
    let last = with_named(place, last);
    let all = fields(&merged)?;

    let pruned = without(&last);
    let owned = entries
        .iter()
        .fold(FieldSet::default(), |all, entry| all.union(entry.fields.clone()));
    let mut gone = all.clone();
    gone.subtract(&fields(&pruned)?.union(with_named(place, &owned)));
    let pruned = without(&gone);

    let mut gone = all;
    gone.subtract(&fields(&pruned)?);
    Ok(without(&gone.intersection(&last)))
}
