//! What admission does for storage: the default class of a claim (`DefaultStorageClass`), finalizers that keep what is in
//! use (`StorageObjectInUseProtection`), and which claims may grow (`PersistentVolumeClaimResize`).

use kinds::quota::Amount;
use schema::cursor::{self, Ref};
use schema::object::{Meta, ScanError, View};
use schema::status::Status;
use schema::tree::{Struct, Value};
use serde::Deserialize;

use super::default_class::{self, Class};
use super::{Operation, Request, tree};
use crate::Answer;

const CLASSES: &str = "/registry/storageclasses/";
const CLASS_ANNOTATION: &str = "volume.beta.kubernetes.io/storage-class";

/// Marks the default; the older name counts too.
const DEFAULT_CLASS: [&str; 2] = [
    "storageclass.kubernetes.io/is-default-class",
    "storageclass.beta.kubernetes.io/is-default-class",
];

/// Plural, group, and the finalizer that its objects have.
const PROTECTED: [(&str, &str, &str); 3] = [
    ("persistentvolumes", "", "kubernetes.io/pv-protection"),
    ("persistentvolumeclaims", "", "kubernetes.io/pvc-protection"),
    (
        "volumeattributesclasses",
        "storage.k8s.io",
        "kubernetes.io/vac-protection",
    ),
];

/// What admission looks at of a StorageClass.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct StorageClass {
    metadata: default_class::Metadata,
    allow_volume_expansion: bool,
}

impl View for StorageClass {
    fn read(_: &Meta, body: &[u8]) -> Result<Self, ScanError> {
        super::read_view(body)
    }
}

impl Class for StorageClass {
    const MARKS: &[&str] = &DEFAULT_CLASS;

    fn metadata(&self) -> &default_class::Metadata {
        &self.metadata
    }
}

/// Gives a new claim the default class, if there is one.
///
/// # Errors
/// 500 for a class that cannot be read.
pub(super) fn set_default_class(request: &Request<'_>, claim: Option<&mut Struct>) -> Answer<()> {
    let creates = request.is("", "persistentvolumeclaims") && request.operation == Operation::Create;
    let Some(claim) = claim.filter(|_| creates) else {
        return Ok(());
    };
    let read = Ref::new(request.types, claim);
    let annotated = read.path("metadata.annotations").at(CLASS_ANNOTATION).exists();
    if annotated || read.path("spec.storageClassName").exists() {
        return Ok(());
    }
    let classes = request.op.state.cache.snapshot(CLASSES);
    if let Some(name) = default_class::find::<StorageClass>(&classes)? {
        cursor::set(request.types, claim, "spec.storageClassName", Value::str(&name));
    }
    Ok(())
}

/// Puts a finalizer on what must not go while it is used.
///
/// # Errors
/// None.
pub(super) fn protect(request: &Request<'_>, object: Option<&mut Struct>) -> Answer<()> {
    let mut all = PROTECTED.iter();
    let row = all.find(|(plural, group, _)| request.is(group, plural));
    let (Some((.., finalizer)), Some(object), Operation::Create) = (row, object, request.operation) else {
        return Ok(());
    };
    let finalizers = Ref::new(request.types, object).path("metadata.finalizers");
    let has = finalizers.strings().any(|name| name == *finalizer);
    if !has {
        tree::push(
            request.types,
            object,
            "metadata.finalizers",
            Value::str(finalizer),
        );
    }
    Ok(())
}

/// Lets a claim grow that is bound, and whose class allows it.
///
/// # Errors
/// 403
pub(super) fn validate_resize(request: &Request<'_>, claim: Option<Ref<'_>>) -> Answer<()> {
    let updates = request.is("", "persistentvolumeclaims") && request.operation == Operation::Update;
    let (Some(claim), Some(old), true) = (claim, request.old, updates) else {
        return Ok(());
    };
    let size = |claim: Ref<'_>| Amount::of(claim.path("spec.resources.requests.storage"));
    if size(claim) <= size(old) {
        return Ok(());
    }
    if old.path("status.phase").str() != "Bound" {
        let why = "Only bound persistent volume claims can be expanded";
        return Err(request.forbidden(Some(claim), why));
    }
    if !expands(request, claim, old)? {
        let why = "only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support resize";
        return Err(request.forbidden(Some(claim), why));
    }
    Ok(())
}

fn expands(request: &Request<'_>, claim: Ref<'_>, old: Ref<'_>) -> Answer<bool> {
    let name = class_of(claim);
    if name.is_empty() || name != class_of(old) {
        return Ok(false);
    }
    match request.op.state.cache.snapshot(CLASSES).get(name) {
        Some(class) => Ok(class
            .view::<StorageClass>()
            .map_err(Status::internal)?
            .allow_volume_expansion),
        None => Ok(false),
    }
}

fn class_of(claim: Ref<'_>) -> &str {
    let annotated = claim.path("metadata.annotations").at(CLASS_ANNOTATION).text();
    annotated.unwrap_or_else(|| claim.path("spec.storageClassName").str())
}
