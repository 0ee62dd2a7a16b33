//! What quotas count of a PersistentVolumeClaim: in all, and for its class.

use schema::cursor::Ref;

use super::{Amount, Amounts};

const OF_CLASS: &str = ".storageclass.storage.k8s.io/";
const CLASS_ANNOTATION: &str = "volume.beta.kubernetes.io/storage-class";

/// Whether a quota's name is about claims.
pub(super) fn counts(name: &str) -> bool {
    let kind = name.split_once(OF_CLASS).map_or(name, |(_, kind)| kind);
    ["persistentvolumeclaims", "requests.storage"].contains(&kind) || name == "count/persistentvolumeclaims"
}

pub(super) fn usage(claim: Ref<'_>) -> Amounts {
    let one = Amount::count(1);
    let mut usage = Amounts::from([
        ("count/persistentvolumeclaims".to_owned(), one),
        ("persistentvolumeclaims".to_owned(), one),
    ]);
    let class = class(claim);
    if !class.is_empty() {
        usage.insert(format!("{class}{OF_CLASS}persistentvolumeclaims"), one);
    }
    if let Some(storage) = storage(claim) {
        usage.insert("requests.storage".to_owned(), storage);
        if !class.is_empty() {
            usage.insert(format!("{class}{OF_CLASS}requests.storage"), storage);
        }
    }
    usage
}

/// The class that a claim names, in either way; empty if it names none.
fn class(claim: Ref<'_>) -> &str {
    let annotated = claim.path("metadata.annotations").at(CLASS_ANNOTATION).text();
    annotated.unwrap_or_else(|| claim.path("spec.storageClassName").str())
}

/// What is asked for, or what is being allocated if that is more; whole bytes.
fn storage(claim: Ref<'_>) -> Option<Amount> {
    let asked = claim.path("spec.resources.requests.storage");
    let allocated = Amount::of(claim.path("status.allocatedResources.storage"));
    asked
        .exists()
        .then(|| Amount::of(asked).rounded_up().max(allocated))
}
