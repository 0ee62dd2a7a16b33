//! What a resource is called.

use kinds::Place;
use kinds::rules::names::dns1035_label;
use schema::field::Errors;

/// Names that are there must be names; which must be there is said elsewhere.
pub(super) fn validate(names: &Place<'_, '_>, errors: &mut Errors) {
    for name in ["plural", "singular"] {
        label(&names.child(name), errors);
    }
    for name in ["kind", "listKind"] {
        kind(&names.child(name), errors);
    }
    let short = names.child("shortNames");
    short.each().for_each(|name| label(&name, errors));
    let list = names.child("listKind");
    if !list.is_empty() && names.at("kind").str() == list.str() {
        list.invalid(errors, "kind and listKind may not be the same");
    }
    let categories = names.child("categories");
    categories.each().for_each(|name| label(&name, errors));
}

fn label(name: &Place<'_, '_>, errors: &mut Errors) {
    let wrong = dns1035_label(name.str());
    if name.exists() && !wrong.is_empty() {
        name.invalid(errors, wrong.join(","));
    }
}

fn kind(name: &Place<'_, '_>, errors: &mut Errors) {
    let wrong = dns1035_label(&name.str().to_lowercase());
    if !name.is_empty() && !wrong.is_empty() {
        let wrong = wrong.join(",");
        name.invalid(
            errors,
            format!("may have mixed case, but should otherwise match: {wrong}"),
        );
    }
}
