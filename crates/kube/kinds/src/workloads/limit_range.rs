//! `LimitRange`.

use std::collections::BTreeSet;

use schema::cursor::{Ref, each_mut, map_mut};
use schema::field::Errors;
use schema::row::Types;
use schema::tree::{Struct, Value};

use crate::rules::quantity::{Quantity, container_resource_name, is_overcommitted, resource_name};
use crate::rules::text::qualified_name;
use crate::{PLAIN, Place, Strategy};

pub(super) const STRATEGY: Strategy = Strategy {
    default: |types, object| each_mut(types, object, "spec.limits", |item| item_defaults(types, item)),
    validate_create: |_, object, errors| validate(object, errors),
    validate_update: |_, new, _, errors| validate(new, errors),
    create_on_update: true,
    resets: &[],
    ..PLAIN
};

/// A container's limit is its maximum if not given, its request the limit, or else the minimum.
fn item_defaults(types: &Types, item: &mut Struct) {
    if Ref::new(types, item).at("type").str() == "Container" {
        for (from, to) in [
            ("max", "default"),
            ("default", "defaultRequest"),
            ("min", "defaultRequest"),
        ] {
            lend(types, item, from, to);
        }
    }
}

fn lend(types: &Types, item: &mut Struct, from: &str, to: &str) {
    let lent = Ref::new(types, item).at(from).entries();
    let lent: Vec<_> = lent
        .map(|(name, amount)| (name.to_owned(), amount.str().to_owned()))
        .collect();
    if lent.is_empty() {
        return;
    }
    if let Some(amounts) = map_mut(types, item, to) {
        for (name, amount) in lent {
            if amounts.get(&name).is_none() {
                amounts.insert(&name, Value::str(&amount));
            }
        }
    }
}

const STANDARD: [&str; 3] = ["Pod", "Container", "PersistentVolumeClaim"];

fn validate(object: Ref<'_>, errors: &mut Errors) {
    let root = Place::root(object);
    let spec = root.child("spec");
    let mut seen = BTreeSet::new();
    for item in spec.child("limits").each() {
        let kind = item.child("type");
        let wrong = qualified_name(kind.str());
        if wrong.is_empty() && !kind.str().contains('/') && !STANDARD.contains(&kind.str()) {
            kind.invalid(errors, "must be a standard limit type or fully qualified");
        }
        kind.all_invalid(errors, wrong);
        if !seen.insert(kind.str()) {
            kind.duplicate(errors);
        }
        names(&item, errors);
        amounts(&item, errors);
    }
}

fn names(item: &Place<'_, '_>, errors: &mut Errors) {
    let kind = item.at("type").str();
    let rule = match kind {
        "Pod" | "Container" => container_resource_name,
        _ => resource_name,
    };
    for list in ["max", "min", "default", "defaultRequest"] {
        let place = item.child(list);
        if kind == "Pod" && list.starts_with("default") {
            if !place.is_empty() {
                place.forbidden(errors, "may not be specified when `type` is 'Pod'");
            }
            continue;
        }
        place
            .each_entry()
            .for_each(|(name, amount)| rule(&amount, name, errors));
    }
    let storage = |list: &str| item.at(list).at("storage").exists();
    if kind == "PersistentVolumeClaim" && !storage("min") && !storage("max") {
        let text = "either minimum or maximum storage value is required, but neither was provided";
        item.child("limits").required(errors, text);
    }
    let ratios = item.child("maxLimitRequestRatio");
    ratios
        .each_entry()
        .for_each(|(name, ratio)| rule(&ratio, name, errors));
}

/// The lists whose amounts have an order, from the smaller to the larger: their names in an error, the list that
/// it names, and the one whose amount it shows.
const ORDER: [(&str, &str, &str, &str); 6] = [
    ("min", "max", "min", "min value {} is greater than max value {}"),
    (
        "min",
        "defaultRequest",
        "defaultRequest",
        "min value {} is greater than default request value {}",
    ),
    (
        "defaultRequest",
        "max",
        "defaultRequest",
        "default request value {} is greater than max value {}",
    ),
    (
        "defaultRequest",
        "default",
        "defaultRequest",
        "default request value {} is greater than default limit value {}",
    ),
    (
        "min",
        "default",
        "default",
        "min value {} is greater than default value {}",
    ),
    (
        "default",
        "max",
        "default",
        "default value {} is greater than max value {}",
    ),
];

fn amounts(item: &Place<'_, '_>, errors: &mut Errors) {
    let lists = ["max", "min", "default", "defaultRequest", "maxLimitRequestRatio"];
    let entries = lists.iter().flat_map(|list| item.at(list).entries());
    let names: BTreeSet<&str> = entries.map(|(name, _)| name).collect();
    for name in names {
        for (low, high, named, text) in ORDER {
            let (less, more) = (item.at(low).at(name), item.at(high).at(name));
            if less.exists() && more.exists() && Quantity::of(less) > Quantity::of(more) {
                let text = text.replacen("{}", less.str(), 1).replacen("{}", more.str(), 1);
                let shown = shown(named, low, less, more);
                item.child(named).key(name).invalid_value(errors, shown, text);
            }
        }
        ratio(item, name, errors);
        let (default, request) = (item.at("default").at(name), item.at("defaultRequest").at(name));
        let both = default.exists() && request.exists();
        if both && !is_overcommitted(name) && Quantity::of(default) != Quantity::of(request) {
            let text = format!(
                "default value {} must equal to defaultRequest value {} in {name}",
                default.str(),
                request.str()
            );
            item.child("defaultRequest").key(name).invalid(errors, text);
        }
    }
}

/// Upstream shows what is not the default where the error names the default.
fn shown<'a>(named: &str, low: &str, less: Ref<'a>, more: Ref<'a>) -> &'a str {
    match (named, low) {
        ("default", "default") | ("defaultRequest", "min") => more.str(),
        _ => less.str(),
    }
}

fn ratio(item: &Place<'_, '_>, name: &str, errors: &mut Errors) {
    let ratios = item.child("maxLimitRequestRatio");
    let ratio = ratios.key(name);
    if !ratio.exists() {
        return;
    }
    let most = Quantity::of(ratio.value());
    if most < Quantity::whole(1) {
        ratio.invalid(errors, format!("ratio {} is less than 1", ratio.str()));
    }
    let (min, max) = (item.at("min").at(name), item.at("max").at(name));
    if !min.exists() || !max.exists() {
        return;
    }
    #[expect(
        clippy::cast_precision_loss,
        reason = "upstream compares these ratios as floats, and prints them so"
    )]
    let float = |amount: Quantity| amount.nanos() as f64;
    let limit = float(Quantity::of(max)) / float(Quantity::of(min));
    if float(most) / float(Quantity::whole(1)) > limit {
        let text = format!("ratio {} is greater than max/min = {limit:.6}", ratio.str());
        ratio.invalid(errors, text);
    }
}
