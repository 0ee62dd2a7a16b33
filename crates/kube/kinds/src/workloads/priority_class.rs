//! `PriorityClass`: `pkg/apis/scheduling/{v1/defaults.go,validation}`.

use schema::cursor::{Ref, set_default};
use schema::field::Errors;
use schema::tree::Value;

use crate::rules::table::Rule::{If, RequiredWord};
use crate::rules::value::immutable;
use crate::{Generation, PLAIN, Place, Strategy};

pub(super) const STRATEGY: Strategy = Strategy {
    default: |types, object| {
        let policy = Value::str("PreemptLowerPriority");
        set_default(types, object, "preemptionPolicy", policy);
    },
    validate_create: |_, object, errors| create(object, errors),
    validate_update: |_, new, old, errors| {
        let root = Place::root(new);
        if new.at("value").int() != old.at("value").int() {
            root.child("value")
                .forbidden(errors, "may not be changed in an update.");
        }
        let policy = root.child("preemptionPolicy");
        immutable(&policy, old.at("preemptionPolicy"), errors);
    },
    generation: Generation::Content,
    resets: &[],
    ..PLAIN
};

/// The highest value that users can give a class.
const HIGHEST_USER_PRIORITY: i64 = 1_000_000_000;
/// The classes that the system has, and their values.
const SYSTEM: [(&str, i64); 2] = [
    ("system-node-critical", 2_000_001_000),
    ("system-cluster-critical", 2_000_000_000),
];

/// Why a name that starts like the system's is not one of its classes.
fn not_known(class: Ref<'_>, name: &str) -> Option<String> {
    let known = SYSTEM.iter().find(|(system, _)| *system == name);
    match known {
        None => Some(format!("{name} is not a known system priority class")),
        Some((_, value)) if class.at("value").int() != *value => {
            Some(format!("value of {name} PriorityClass must be {value}"))
        }
        Some(_) if class.at("globalDefault").bool() => {
            Some(format!("globalDefault of {name} PriorityClass must be false"))
        }
        Some(_) => None,
    }
}

fn create(class: Ref<'_>, errors: &mut Errors) {
    let root = Place::root(class);
    let (metadata, value) = (root.child("metadata"), root.child("value"));
    let name = metadata.child("name");
    if name.str().starts_with("system-") {
        if let Some(why) = not_known(class, name.str()) {
            let text = "priority class names with 'system-' prefix are reserved for system use only. error:";
            name.forbidden(errors, format!("{text} {why}"));
        }
    } else if value.int() > HIGHEST_USER_PRIORITY {
        let text = format!("maximum allowed value of a user defined priority is {HIGHEST_USER_PRIORITY}");
        value.forbidden(errors, text);
    }
    let policy = If(|place, errors| RequiredWord(&["PreemptLowerPriority", "Never"]).check(place, errors));
    policy.check(&root.child("preemptionPolicy"), errors);
}
