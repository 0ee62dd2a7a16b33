//! `CertificateSigningRequest`: `pkg/registry/certificates/certificates/strategy.go`.
//!
//! Who asks is what authentication says, not what the body says; the request never changes. Who approves writes the
//! conditions `Approved` and `Denied` and nothing else, who signs the certificate and the other conditions.

mod validate;

use jiff::Timestamp;
use schema::cursor::{self, Ref};
use schema::row::Types;
use schema::tree::{Struct, Value};

use self::validate::{validate, validate_update};
use crate::{Context, PLAIN, SelectableField, Strategy, Subresource};

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
