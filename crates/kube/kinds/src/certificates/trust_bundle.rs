//! `ClusterTrustBundle`.

use std::collections::BTreeMap;

use schema::cursor::Ref;
use schema::field::Errors;

use super::pem;
use crate::rules::names::path_segment;
use crate::rules::value::immutable;
use crate::{PLAIN, Place, SelectableField, Strategy, signer};

pub(super) const STRATEGY: Strategy = Strategy {
    validate_create: |_, bundle, errors| validate(bundle, errors),
    validate_update: |_, bundle, old, errors| {
        validate(bundle, errors);
        let root = Place::root(bundle);
        let spec = root.child("spec");
        immutable(&spec.child("signerName"), old.path("spec.signerName"), errors);
    },
    // A name may have colons; which ones depends on the signer, and is checked with it.
    name: |name, _| path_segment(name),
    unconditional_update: false,
    fields: &[SelectableField::text("spec.signerName")],
    resets: &[],
    ..PLAIN
};

fn validate(bundle: Ref<'_>, errors: &mut Errors) {
    let root = Place::root(bundle);
    let (metadata, spec) = (root.child("metadata"), root.child("spec"));
    let (name, by) = (metadata.child("name"), spec.child("signerName"));
    name.all_invalid(errors, signer::bundle_name_of(by.str(), name.str()));
    if !by.is_empty() {
        signer::name(&by, errors);
    }
    anchors(&spec.child("trustBundle"), errors);
}

/// Certificates, each once.
fn anchors(place: &Place<'_, '_>, errors: &mut Errors) {
    let mut wrong = |text: String| place.invalid_value(errors, "<value omitted>", text);
    let mut seen: BTreeMap<Vec<u8>, usize> = BTreeMap::new();
    let blocks = pem::blocks(place.str());
    if blocks.is_empty() {
        wrong("at least one trust anchor must be provided".to_owned());
    }
    for (index, block) in blocks.into_iter().enumerate() {
        if block.kind != "CERTIFICATE" {
            wrong(format!("entry {index} has bad block type: {}", block.kind));
        } else if block.has_headers {
            wrong(format!("entry {index} has PEM block headers"));
        } else if !pem::is_sequence(&block.bytes) {
            wrong(format!(
                "entry {index} does not parse as X.509: x509: malformed certificate"
            ));
        } else if let Some(first) = seen.insert(block.bytes, index) {
            wrong(format!("duplicate trust anchor (indices [{first} {index}])"));
        }
    }
}
