//! `CertificateSigningRequest`: who asks is recorded, and the request does not change; approval and the certificate
//! come by paths of their own.

use std::collections::BTreeSet;

use schema::cursor::{self, Ref};
use schema::field::Errors;
use schema::row::Types;
use schema::tree::{Map, Struct, Value};

use super::pem;
use crate::{Context, PLAIN, Place, SelectableField, Strategy, Subresource, signer};

pub(super) const STRATEGY: Strategy = Strategy {
    prepare_create,
    prepare_update: |context, new, old| {
        keep(context.types, new, old, "spec");
        keep(context.types, new, old, "status");
    },
    prepare_status: |context, new, old| {
        keep(context.types, new, old, "spec");
        decisions(context.types, new, old);
        stamp(context, new, old);
    },
    validate_create: |_, request, errors| validate(request, errors),
    validate_update: |_, new, old, errors| update(new, old, Change::Object, errors),
    validate_status: |_, new, old, errors| update(new, old, Change::Status, errors),
    name: |_, _| Vec::new(),
    fields: &[SelectableField::text("spec.signerName")],
    subresources: &[Subresource {
        name: "approval",
        prepare: |context, new, old| {
            let conditions = Ref::new(context.types, new).path("status.conditions").cloned();
            keep(context.types, new, old, "spec");
            keep(context.types, new, old, "status");
            put(context.types, new, "status.conditions", conditions);
            stamp(context, new, old);
        },
        validate: |_, new, old, errors| update(new, old, Change::Approval, errors),
    }],
    resets: &[
        (
            "",
            &["spec.uid", "spec.username", "spec.groups", "spec.extra", "status"],
        ),
        ("status", &["spec"]),
        ("approval", &["spec", "status.certificate"]),
    ],
    ..PLAIN
};

/// By which path an update comes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Change {
    Object,
    Status,
    Approval,
}

fn put(types: &Types, object: &mut Struct, path: &str, value: Option<Value>) {
    match value {
        Some(value) => cursor::set(types, object, path, value),
        None => drop(cursor::remove(types, object, path)),
    }
}

fn keep(types: &Types, new: &mut Struct, old: &Struct, path: &str) {
    put(types, new, path, Ref::new(types, old).path(path).cloned());
}

fn list(texts: &[String]) -> Value {
    Value::List(texts.iter().map(|text| Value::str(text)).collect())
}

/// Who asks is what the server knows, whatever the client says.
fn prepare_create(context: &Context<'_>, request: &mut Struct) {
    let (types, user) = (context.types, context.user);
    cursor::remove(types, request, "status");
    let extra = user
        .extra
        .iter()
        .map(|(key, values)| (key.as_str().into(), list(values)));
    let extra = Map::from_entries(extra.collect());
    let text = |text: &str| (!text.is_empty()).then(|| Value::str(text));
    put(types, request, "spec.username", text(user.name));
    put(types, request, "spec.uid", text(user.uid));
    put(
        types,
        request,
        "spec.groups",
        (!user.groups.is_empty()).then(|| list(user.groups)),
    );
    put(
        types,
        request,
        "spec.extra",
        (!user.extra.is_empty()).then(|| Value::Map(Box::new(extra))),
    );
}

const DECISIONS: [&str; 2] = ["Approved", "Denied"];

/// An update of the status does not decide: conditions of decision are the old ones.
fn decisions(types: &Types, new: &mut Struct, old: &Struct) {
    let of = |object: &Struct, decision: bool| -> Vec<Value> {
        let conditions = Ref::new(types, object).path("status.conditions").items();
        conditions
            .filter(|condition| DECISIONS.contains(&condition.at("type").str()) == decision)
            .filter_map(Ref::cloned)
            .collect()
    };
    let mut all = of(old, true);
    all.extend(of(new, false));
    put(
        types,
        new,
        "status.conditions",
        (!all.is_empty()).then_some(Value::List(all)),
    );
}

/// A condition has the times of its update and of its change.
fn stamp(context: &Context<'_>, new: &mut Struct, old: &Struct) {
    let types = context.types;
    let Ok(now) = jiff::Timestamp::try_from(context.now) else {
        return;
    };
    let now = now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let before = Ref::new(types, old).path("status.conditions");
    cursor::each_mut(types, new, "status.conditions", |condition| {
        let read = Ref::new(types, condition);
        let (kind, status) = (
            read.at("type").str().to_owned(),
            read.at("status").str().to_owned(),
        );
        let same = before
            .items()
            .find(|old| old.at("type").str() == kind && old.at("status").str() == status);
        let times = [
            ("lastUpdateTime", None),
            (
                "lastTransitionTime",
                same.and_then(|old| old.at("lastTransitionTime").cloned()),
            ),
        ];
        for (name, time) in times {
            let time = time.unwrap_or_else(|| Value::str(&now));
            cursor::set_default(types, condition, name, time);
        }
    });
}

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

const SHORTEST: i64 = 600;

fn validate(request: Ref<'_>, errors: &mut Errors) {
    let root = Place::root(request);
    let spec = root.child("spec");
    let place = spec.child("request");
    if let Some(fault) = request_fault(place.value()) {
        place.invalid(errors, fault);
    }
    let usages = spec.child("usages");
    usages.require(errors, "");
    let mut seen = BTreeSet::new();
    for usage in usages.each() {
        if !USAGES.contains(&usage.str()) {
            usage.not_supported(errors, USAGES);
        }
        if !seen.insert(usage.str()) {
            usage.duplicate(errors);
        }
    }
    let by = spec.child("signerName");
    match by.str() {
        "kubernetes.io/legacy-unknown" => {
            by.invalid(
                errors,
                "the legacy signerName is not allowed via this API version",
            );
        }
        _ => signer::name(&by, errors),
    }
    let seconds = spec.child("expirationSeconds");
    if seconds.exists() && seconds.int() < SHORTEST {
        let text = "may not specify a duration less than 600 seconds (10 minutes)";
        seconds.invalid_value(errors, seconds.int(), text);
    }
    conditions(&root, errors);
}

/// Why the bytes are no request. Its signature is judged by whoever signs.
fn request_fault(request: Ref<'_>) -> Option<&'static str> {
    let bytes: &[u8] = match request.value() {
        Some(Value::Bytes(bytes)) => bytes,
        _ => &[],
    };
    let text = std::str::from_utf8(bytes).unwrap_or_default();
    match pem::blocks(text).into_iter().next() {
        Some(block) if block.kind == "CERTIFICATE REQUEST" => (!pem::is_sequence(&block.bytes))
            .then_some("asn1: structure error: malformed certificate request"),
        _ => Some("PEM block type must be CERTIFICATE REQUEST"),
    }
}

fn conditions(root: &Place<'_, '_>, errors: &mut Errors) {
    let status = root.child("status");
    let (mut seen, mut decided) = (BTreeSet::new(), "");
    for condition in status.child("conditions").each() {
        let (kind, state) = (condition.child("type"), condition.child("status"));
        kind.require(errors, "");
        match (kind.str(), state.str()) {
            (_, "") => state.required(errors, ""),
            ("Approved" | "Denied" | "Failed", "True") => {}
            ("Approved" | "Denied" | "Failed", _) => state.not_supported(errors, &["True"]),
            (_, "True" | "False" | "Unknown") => {}
            _ => state.not_supported(errors, &["False", "True", "Unknown"]),
        }
        if DECISIONS.contains(&kind.str()) {
            if !decided.is_empty() && decided != kind.str() {
                kind.invalid(errors, "Approved and Denied conditions are mutually exclusive");
            }
            decided = kind.str();
        }
        if !seen.insert(kind.str()) {
            kind.duplicate(errors);
        }
    }
}

/// What was decided stays so, and a certificate is not exchanged.
fn update(new: Ref<'_>, old: Ref<'_>, change: Change, errors: &mut Errors) {
    validate(new, errors);
    let root = Place::root(new);
    let status = root.child("status");
    let has = |request: Ref<'_>, kind: &str| {
        let mut conditions = request.path("status.conditions").items();
        conditions.any(|condition| condition.at("type").str() == kind)
    };
    let conditions = status.child("conditions");
    for kind in ["Approved", "Denied", "Failed"] {
        let verb = match (has(old, kind), has(new, kind)) {
            (true, false) => "remove",
            (false, true) if kind != "Failed" && change != Change::Approval => "add",
            _ => continue,
        };
        conditions.forbidden(
            errors,
            format!("updates may not {verb} a condition of type {kind:?}"),
        );
    }
    let (certificate, was) = (status.child("certificate"), old.path("status.certificate"));
    if certificate.value() != was {
        match was.is_empty() {
            false => certificate.forbidden(errors, "updates may not modify existing certificate content"),
            true if change != Change::Status => {
                certificate.forbidden(errors, "updates may not set certificate content");
            }
            true => {}
        }
    }
}
