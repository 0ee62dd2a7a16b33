//! A new object: names and system fields, the strategy, validation, the write.

use http::StatusCode;
use kinds::Generation;
use schema::cursor::{self, Ref};
use schema::field::Errors;
use schema::status::Status;
use schema::tree::{Struct, Value};
use store::Expect;

use super::admit::admit;
use super::live::{Put, get, put};
use super::metadata;
use super::op::{Op, Stored};
use super::time::rfc3339;
use crate::admission::{self, Request};
use crate::{Answer, Refused, custom};

/// How often a name is generated before the client hears that there is none left.
const NAME_ATTEMPTS: usize = 8;

/// Kinds whose status clients may set when they create an object.
const KEEP_STATUS: [(&str, &str); 1] = [("", "nodes")];

/// Creates an object from a tree of the stored version: records whose it is, lets admission change and judge it.
///
/// # Errors
/// 422, 409 `AlreadyExists`, what admission says, and the store's.
pub(crate) async fn create(op: &Op<'_>, mut tree: Struct) -> Answer<Stored> {
    not_terminating(op, &tree)?;
    admit(op, &Request::create(op, &op.name), None, &mut tree).await?;
    let metadata = Ref::new(op.types(), &tree).at("metadata");
    let has_version = !matches!(metadata.at("resourceVersion").str(), "" | "0");
    if has_version && !op.applied && !op.options.dry_run {
        // Upstream's store finds this last, and has no code for it.
        let why = "resourceVersion should not be set on objects to be created";
        return Err(Status::failure(500, "", why).into());
    }
    if !metadata.at("name").is_empty() || metadata.at("generateName").is_empty() {
        return attempt(op, tree).await;
    }
    let mut last = None;
    for _ in 0..NAME_ATTEMPTS {
        match attempt(op, tree.clone()).await {
            Err(Refused(status)) if status.reason == "AlreadyExists" => last = Some(Refused(status)),
            done => return done,
        }
    }
    Err(last.unwrap_or_else(|| Status::internal("no name was generated").into()))
}

async fn attempt(op: &Op<'_>, mut tree: Struct) -> Answer<Stored> {
    fill(op, &mut tree);
    let hold = op.state.services.hold(op, &mut tree, None)?;
    before(op, &mut tree)?;
    let object = Ref::new(op.types(), &tree);
    let name = object.path("metadata.name").str().to_owned();
    let _pass = admission::validate(&Request::create(op, &name), Some(object)).await?;
    let key = op.key(&name);
    if op.options.dry_run {
        return match get(op.state, &key).await? {
            Some(_) => Err(exists(op, &tree, &key).await),
            None => Ok(Stored::Dry(Box::new(tree))),
        };
    }
    let value = op.value(&tree).await?;
    match put(op, &key, value, Expect::Absent, false).await? {
        Put::Done(object) => {
            if let Some(hold) = hold {
                hold.commit(op, &tree).await;
            }
            Ok(Stored::Object(object))
        }
        Put::Lost => Err(exists(op, &tree, &key).await),
    }
}

/// Uid, time and, from `generateName`, the name.
fn fill(op: &Op<'_>, tree: &mut Struct) {
    let types = op.types();
    metadata::wipe(types, tree);
    cursor::set(types, tree, "metadata.uid", Value::Str(op.state.uuid().into()));
    let time = rfc3339(op.now);
    cursor::set(types, tree, "metadata.creationTimestamp", Value::Str(time.into()));
    let metadata = Ref::new(types, tree).at("metadata");
    let base = metadata.at("generateName").str();
    if metadata.at("name").is_empty() && !base.is_empty() {
        let name = op.state.with_rng(|rng| super::names::generate(rng, base));
        cursor::set(types, tree, "metadata.name", Value::Str(name.into()));
    }
}

/// Prepares and validates the object (upstream's `rest.BeforeCreate`).
///
/// # Errors
/// 400 for another namespace, 422.
fn before(op: &Op<'_>, tree: &mut Struct) -> Answer<()> {
    let types = op.types();
    metadata::ensure_namespace(types, tree, op.namespace)?;
    let keeps = KEEP_STATUS.contains(&(&op.served.def.group, &op.served.def.plural));
    if op.has_status() && !keeps {
        cursor::remove(types, tree, "status");
    }
    metadata::set_generation(types, tree, i64::from(counts(op) != Generation::None));
    op.with_context(|context| (op.strategy.prepare_create)(context, tree));
    let object = Ref::new(types, tree);
    let mut errors = Errors::new();
    metadata::validate(object, op.served.namespaced(), op.strategy.name, &mut errors);
    op.with_context(|context| (op.strategy.validate_create)(context, object, &mut errors));
    custom::create(op, object, &mut errors);
    refuse(op, object, &errors)?;
    let warnings = op.with_context(|context| (op.strategy.warn)(context, object, None));
    warnings
        .into_iter()
        .chain(
            op.served
                .custom()
                .map_or_else(Vec::new, |_| custom::warnings(object, None)),
        )
        .for_each(|warning| op.call.warnings.add(warning));
    Ok(())
}

/// Nothing new comes to a custom resource whose definition is on its way out.
fn not_terminating(op: &Op<'_>, tree: &Struct) -> Answer<()> {
    if op.served.custom().is_none_or(|custom| !custom.terminating) {
        return Ok(());
    }
    let name = Ref::new(op.types(), tree).path("metadata.name").str();
    let why = "create not allowed while custom resource definition is terminating";
    Err(Status::forbidden(op.served.group_resource(), name, why).into())
}

/// When the kind's generation is counted; custom resources all count theirs.
pub(super) fn counts(op: &Op<'_>) -> Generation {
    if op.types().is_custom() {
        Generation::Content
    } else {
        op.strategy.generation
    }
}

/// 422 if there are errors.
pub(super) fn refuse(op: &Op<'_>, object: Ref<'_>, errors: &Errors) -> Answer<()> {
    if errors.is_empty() {
        return Ok(());
    }
    let name = object.path("metadata.name").str();
    Err(Status::invalid(op.served.group_kind(), name, errors).into())
}

/// 409, which also says whether a name was generated and whether the other object is on its way out.
async fn exists(op: &Op<'_>, tree: &Struct, key: &str) -> Refused {
    let metadata = Ref::new(op.types(), tree).at("metadata");
    let name = metadata.at("name").str();
    let resource = op.served.group_resource();
    let mut status = if metadata.at("generateName").is_empty() {
        Status::already_exists(resource, name)
    } else {
        Status::generated_name_exists(resource, name)
    };
    if let Ok(Some(other)) = get(op.state, key).await
        && other.meta.deletion_timestamp.is_some()
    {
        status.message = format!("object is being deleted: {}", status.message);
    }
    debug_assert_eq!(status.code, StatusCode::CONFLICT.as_u16());
    status.into()
}
