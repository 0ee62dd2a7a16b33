//! `PriorityLevelConfiguration`.

use std::collections::BTreeSet;

use schema::cursor::{self, Ref, set_default};
use schema::field::Errors;
use schema::row::Types;
use schema::tree::{Struct, Value};

use crate::rules::text::between;
use crate::{Generation, PLAIN, Place, Strategy};

pub(super) const STRATEGY: Strategy = Strategy {
    default,
    validate_create: |_, level, errors| validate(level, errors),
    validate_update: |_, level, _, errors| validate(level, errors),
    validate_status: |_, level, _, errors| conditions(level, errors),
    generation: Generation::Spec,
    unconditional_update: false,
    ..PLAIN
};

/// What a limited level has where it says nothing.
const LIMITED: [(&str, i64); 2] = [("nominalConcurrencyShares", 30), ("lendablePercent", 0)];
const EXEMPT: [(&str, i64); 2] = [("nominalConcurrencyShares", 0), ("lendablePercent", 0)];
const QUEUING: [(&str, i64); 3] = [("handSize", 8), ("queues", 64), ("queueLengthLimit", 50)];

fn default(types: &Types, level: &mut Struct) {
    let exempt = Ref::new(types, level).path("spec.type").str() == "Exempt";
    if exempt {
        cursor::ensure(types, level, "spec.exempt");
    }
    let queuing = "spec.limited.limitResponse.queuing";
    let groups: [(&str, &[(&str, i64)]); 3] = [
        ("spec.exempt", &EXEMPT),
        ("spec.limited", &LIMITED),
        (queuing, &QUEUING),
    ];
    for (path, numbers) in groups {
        if !Ref::new(types, level).path(path).exists() {
            continue;
        }
        for (name, number) in numbers {
            set_default(types, level, &format!("{path}.{name}"), Value::Int(*number));
        }
    }
}

fn validate(level: Ref<'_>, errors: &mut Errors) {
    let root = Place::root(level);
    let spec = root.child("spec");
    let (kind, limited, exempt) = (spec.child("type"), spec.child("limited"), spec.child("exempt"));
    if (level.path("metadata.name").str() == "exempt") != (kind.str() == "Exempt") {
        kind.invalid(errors, "type must be 'Exempt' if and only if name is 'exempt'");
    }
    match kind.str() {
        "Exempt" => {
            if limited.exists() {
                limited.forbidden(errors, "must be nil if the type is not Limited");
            }
            shares(&exempt, errors);
        }
        "Limited" => {
            if exempt.exists() {
                exempt.forbidden(errors, "must be nil if the type is Limited");
            }
            match limited.exists() {
                true => limits(&limited, errors),
                false => limited.required(errors, "must not be empty when type is Limited"),
            }
        }
        _ => kind.not_supported(errors, &["Exempt", "Limited"]),
    }
    conditions(level, errors);
}

fn shares(place: &Place<'_, '_>, errors: &mut Errors) {
    let (shares, lendable) = (
        place.child("nominalConcurrencyShares"),
        place.child("lendablePercent"),
    );
    if shares.int() < 0 {
        shares.invalid(errors, "must be a non-negative integer");
    }
    if !(0..=100).contains(&lendable.int()) {
        lendable.invalid(errors, between(0, 100));
    }
}

fn limits(limited: &Place<'_, '_>, errors: &mut Errors) {
    shares(limited, errors);
    let borrowing = limited.child("borrowingLimitPercent");
    if borrowing.int() < 0 {
        borrowing.invalid(errors, "if specified, must be a non-negative integer");
    }
    let response = limited.child("limitResponse");
    let (kind, queuing) = (response.child("type"), response.child("queuing"));
    match (kind.str(), queuing.exists()) {
        ("Reject", true) => {
            queuing.forbidden(errors, "must be nil if limited.limitResponse.type is not Limited");
        }
        ("Queue", false) => {
            queuing.required(
                errors,
                "must not be empty if limited.limitResponse.type is Limited",
            );
        }
        ("Queue", true) => queues(&queuing, errors),
        ("Reject", false) => {}
        _ => kind.not_supported(errors, &["Queue", "Reject"]),
    }
}

const MAX_QUEUES: i64 = 10_000_000;
/// Bits of the hash that deals hands of queues.
const MAX_HASH_BITS: u32 = 60;

fn queues(queuing: &Place<'_, '_>, errors: &mut Errors) {
    let positive = |name: &str, errors: &mut Errors| {
        let place = queuing.child(name);
        let wrong = place.int() <= 0;
        if wrong {
            place.invalid_value(errors, place.int(), "must be positive");
        }
        !wrong
    };
    positive("queueLengthLimit", errors);
    let queues = queuing.child("queues");
    if positive("queues", errors) && queues.int() > MAX_QUEUES {
        queues.invalid(errors, format!("must not be greater than {MAX_QUEUES}"));
    }
    let (hand, deck) = (queuing.child("handSize"), queues.int());
    if !positive("handSize", errors) {
        return;
    }
    if hand.int() > deck {
        hand.invalid(errors, format!("should not be greater than queues ({deck})"));
    } else if !fits(deck, hand.int()) {
        let text = format!(
            "required entropy bits of deckSize {deck} and handSize {} should not be greater than {MAX_HASH_BITS}",
            hand.int()
        );
        hand.invalid(errors, text);
    }
}

/// Whether a hash has bits enough to deal such a hand: `deck` to the power of `hand` is within them.
fn fits(deck: i64, hand: i64) -> bool {
    let most = 1_i128 << MAX_HASH_BITS;
    let mut hands = 1_i128;
    for _ in 0..hand.min(i64::from(MAX_HASH_BITS) + 1) {
        hands = hands.saturating_mul(i128::from(deck));
    }
    hands <= most
}

/// Each condition once, with a type.
pub(super) fn conditions(object: Ref<'_>, errors: &mut Errors) {
    let root = Place::root(object);
    let status = root.child("status");
    let mut seen = BTreeSet::new();
    for condition in status.child("conditions").each() {
        let kind = condition.child("type");
        if !seen.insert(kind.str()) {
            kind.duplicate(errors);
        }
        kind.require(errors, "must not be empty");
    }
}
