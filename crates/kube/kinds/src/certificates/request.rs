//! `CertificateSigningRequest`: `pkg/registry/certificates/certificates/strategy.go`.
//!
//! Who asks is what authentication says, not what the body says; the request never changes. Who approves writes the
//! conditions `Approved` and `Denied` and nothing else, who signs the certificate and the other conditions.

use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use schema::cursor::{self, Ref};
use schema::field::{Error, Errors, Path};
use schema::row::Types;
use schema::tree::{Struct, Value};

use crate::rules::value;
use crate::{Context, PLAIN, Place, SelectableField, Strategy, Subresource, signer};

const CONDITIONS: &str = "status.conditions";
const CERTIFICATE: &str = "status.certificate";
const APPROVED: &str = "Approved";
const DENIED: &str = "Denied";
const FAILED: &str = "Failed";

/// What a path may change.
#[derive(Clone, Copy)]
struct May {
    approve: bool,
    certify: bool,
}

pub(super) const STRATEGY: Strategy = Strategy {
    prepare_create,
    prepare_update: |context, request, old| keep(context.types, request, old, &["spec", "status"]),
    prepare_status: |context, request, old| {
        keep_approvals(context.types, request, old);
        set_times(context, request, old);
    },
    validate_create: |_, request, errors| validate(request, None, errors),
    validate_update: |_, request, old, errors| {
        let may = May {
            approve: false,
            certify: false,
        };
        validate_update(request, old, may, errors);
    },
    validate_status: |_, request, old, errors| {
        let may = May {
            approve: false,
            certify: true,
        };
        validate_update(request, old, may, errors);
    },
    // Nobody cares how it is called.
    name: |_, _| Vec::new(),
    fields: &[SelectableField::text("spec.signerName")],
    subresources: &[Subresource {
        name: "approval",
        prepare: prepare_approval,
        validate: |_, request, old, errors| {
            let may = May {
                approve: true,
                certify: false,
            };
            validate_update(request, old, may, errors);
        },
    }],
    resets: &[
        (
            "",
            &["spec.uid", "spec.username", "spec.groups", "spec.extra", "status"],
        ),
        ("status", &["spec"]),
        ("approval", &["spec", CERTIFICATE]),
    ],
    ..PLAIN
};

fn prepare_create(context: &Context<'_>, request: &mut Struct) {
    let (types, user) = (context.types, context.user);
    cursor::remove(types, request, "status");
    for member in ["username", "uid", "groups", "extra"] {
        cursor::remove(types, request, &format!("spec.{member}"));
    }
    for (path, text) in [("spec.username", user.name), ("spec.uid", user.uid)] {
        if !text.is_empty() {
            cursor::set(types, request, path, Value::str(text));
        }
    }
    let list = |texts: &[String]| Value::List(texts.iter().map(|text| Value::str(text)).collect());
    if !user.groups.is_empty() {
        cursor::set(types, request, "spec.groups", list(user.groups));
    }
    for (key, values) in user.extra.into_iter().flatten() {
        if let Some(extra) = cursor::map_mut(types, request, "spec.extra") {
            extra.insert(key, list(values));
        }
    }
}

fn keep(types: &Types, request: &mut Struct, old: &Struct, paths: &[&str]) {
    for path in paths {
        let old = Ref::new(types, old).path(path);
        let value = old.value().cloned();
        match value.or_else(|| old.object().map(|object| Value::Struct(Box::new(object.clone())))) {
            Some(value) => cursor::set(types, request, path, value),
            None => drop(cursor::remove(types, request, path)),
        }
    }
}

fn prepare_approval(context: &Context<'_>, request: &mut Struct, old: &Struct) {
    set_times(context, request, old);
    keep(context.types, request, old, &["spec", CERTIFICATE]);
}

/// An approval that is there already stays as it is, whatever else is written.
fn keep_approvals(types: &Types, request: &mut Struct, old: &Struct) {
    for kind in [APPROVED, DENIED] {
        let mut kept = of_type(Ref::new(types, old), kind)
            .filter_map(Ref::object)
            .cloned();
        cursor::each_mut(types, request, CONDITIONS, |condition| {
            if Ref::new(types, condition).at("type").str() == kind
                && let Some(was) = kept.next()
            {
                *condition = was;
            }
        });
    }
}

fn of_type<'a>(request: Ref<'a>, kind: &'a str) -> impl Iterator<Item = Ref<'a>> {
    let all = request.path(CONDITIONS).items();
    all.filter(move |condition| condition.at("type").str() == kind)
}

/// Times that a condition does not say: now, or since when its status has been what it is.
fn set_times(context: &Context<'_>, request: &mut Struct, old: &Struct) {
    let types = context.types;
    let seconds = Timestamp::try_from(context.now).unwrap_or_default().as_second();
    let now = Timestamp::from_second(seconds).unwrap_or_default().to_string();
    cursor::each_mut(types, request, CONDITIONS, |condition| {
        cursor::set_default(types, condition, "lastUpdateTime", Value::str(&now));
        let read = Ref::new(types, condition);
        let same = of_type(Ref::new(types, old), read.at("type").str())
            .find(|was| was.at("status").str() == read.at("status").str());
        let since = same.map(|was| was.at("lastTransitionTime").str());
        let since = since.filter(|since| !since.is_empty()).unwrap_or(&now).to_owned();
        cursor::set_default(types, condition, "lastTransitionTime", Value::str(&since));
    });
}

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
fn validate(request: Ref<'_>, old: Option<Ref<'_>>, errors: &mut Errors) {
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

fn validate_update(request: Ref<'_>, old: Ref<'_>, may: May, errors: &mut Errors) {
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
