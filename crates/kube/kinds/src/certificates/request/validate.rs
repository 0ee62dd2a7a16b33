//! What a request, and an update of one, may say.

use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use schema::cursor::Ref;
use schema::field::{Error, Errors, Path};
use schema::tree::Value;

use super::{APPROVED, CERTIFICATE, CONDITIONS, DENIED, FAILED, May, of_type};
use crate::rules::value;
use crate::{Place, signer};

/// Usages of `certificates.k8s.io/v1`.
const USAGES: &[&str] = &[
    "any",
    "cert sign",
    "client auth",
    "code signing",
    "content commitment",
    "crl sign",
    "data encipherment",
    "decipher only",
    "digital signature",
    "email protection",
    "encipher only",
    "ipsec end system",
    "ipsec tunnel",
    "ipsec user",
    "key agreement",
    "key encipherment",
    "microsoft sgc",
    "netscape sgc",
    "ocsp signing",
    "s/mime",
    "server auth",
    "signing",
    "timestamping",
];

const MIN_SECONDS: i64 = 600;

/// What was wrong with the old object may stay wrong.
pub(super) fn validate(request: Ref<'_>, old: Option<Ref<'_>>, errors: &mut Errors) {
    let place = Place::root(request);
    let spec = place.child("spec");
    if let Err(why) = parse(spec.at("request")) {
        spec.child("request").invalid(errors, why);
    }
    let usages = spec.child("usages");
    usages.require(errors, "");
    let mut seen = BTreeSet::new();
    for usage in usages.each() {
        value::one_of(&usage, errors, USAGES);
        if !seen.insert(usage.str()) {
            usage.duplicate(errors);
        }
    }
    let by = spec.child("signerName");
    if by.str() == "kubernetes.io/legacy-unknown" {
        by.invalid(
            errors,
            "the legacy signerName is not allowed via this API version",
        );
    } else {
        signer::name(&by, errors);
    }
    let lasts = spec.child("expirationSeconds");
    if lasts.exists() && lasts.int() < MIN_SECONDS {
        lasts.invalid(
            errors,
            "may not specify a duration less than 600 seconds (10 minutes)",
        );
    }
    conditions(&place.child(CONDITIONS), errors);
    let issued = request.path(CERTIFICATE);
    if old.is_none_or(|old| old.path(CERTIFICATE) != issued)
        && let Err(why) = certificate(issued)
    {
        let path = Path::new("status").child("certificate");
        errors.push(Error::invalid(&path, "<certificate data>", why));
    }
}

/// Bytes of a member, however the tree holds them.
fn bytes(value: Ref<'_>) -> Vec<u8> {
    match value.value() {
        Some(Value::Bytes(bytes)) => bytes.to_vec(),
        Some(Value::Str(text)) => STANDARD.decode(text.as_bytes()).unwrap_or_default(),
        _ => Vec::new(),
    }
}

fn parse(request: Ref<'_>) -> Result<(), String> {
    let parsed = pki::CertificateRequest::from_pem(&bytes(request));
    parsed.map(drop).map_err(why)
}

fn why(error: pki::Error) -> String {
    match error {
        pki::Error::Invalid { why, .. } => why,
        other => other.to_string(),
    }
}

fn certificate(issued: Ref<'_>) -> Result<(), String> {
    let pem = bytes(issued);
    if pem.is_empty() {
        return Ok(());
    }
    pki::check_certificates(&pem).map_err(why)
}

fn conditions(conditions: &Place<'_, '_>, errors: &mut Errors) {
    let mut seen = BTreeSet::new();
    for condition in conditions.each() {
        let (kind, status) = (condition.child("type"), condition.child("status"));
        kind.require(errors, "");
        let words: &[&str] = if [APPROVED, DENIED, FAILED].contains(&kind.str()) {
            &["True"]
        } else {
            &["False", "True", "Unknown"]
        };
        if status.require(errors, "") {
            value::one_of(&status, errors, words);
        }
        let other = match kind.str() {
            APPROVED => DENIED,
            DENIED => APPROVED,
            _ => "",
        };
        if seen.contains(other) {
            kind.invalid(errors, "Approved and Denied conditions are mutually exclusive");
        }
        if !seen.insert(kind.str()) {
            kind.duplicate(errors);
        }
    }
}

pub(super) fn validate_update(request: Ref<'_>, old: Ref<'_>, may: May, errors: &mut Errors) {
    validate(request, Some(old), errors);
    let conditions = Path::new("status").child("conditions");
    let count = |of: Ref<'_>, kind| of_type(of, kind).count();
    for kind in [APPROVED, DENIED, FAILED] {
        if count(request, kind) < count(old, kind) {
            let why = format!("updates may not remove a condition of type {kind:?}");
            errors.push(Error::forbidden(&conditions, why));
        }
    }
    for kind in [APPROVED, DENIED].into_iter().filter(|_| !may.approve) {
        let (new, was) = (count(request, kind), count(old, kind));
        if new > was {
            let why = format!("updates may not add a condition of type {kind:?}");
            errors.push(Error::forbidden(&conditions, why));
        } else if new == was && !of_type(request, kind).eq(of_type(old, kind)) {
            let why = format!("updates may not modify a condition of type {kind:?}");
            errors.push(Error::forbidden(&conditions, why));
        }
    }
    let (new, was) = (request.path(CERTIFICATE), old.path(CERTIFICATE));
    let path = Path::new("status").child("certificate");
    if new != was && !may.certify {
        errors.push(Error::forbidden(&path, "updates may not set certificate content"));
    } else if new != was && !was.is_empty() {
        let why = "updates may not modify existing certificate content";
        errors.push(Error::forbidden(&path, why));
    }
}
