//! `ServiceCIDR`: a range of Services' addresses (KEP-1880).

use schema::cursor::Ref;
use schema::field::Errors;

use crate::rules::{ip, value::IMMUTABLE};
use crate::{PLAIN, Place, Strategy};

pub(super) const STRATEGY: Strategy = Strategy {
    validate_create: |_, range, errors| validate(range, errors),
    validate_update: |_, range, old, errors| update(range, old, errors),
    ..PLAIN
};

fn validate(range: Ref<'_>, errors: &mut Errors) {
    let place = Place::root(range);
    let cidrs = place.child("spec.cidrs");
    match cidrs.len() {
        0 => return cidrs.required(errors, "at least one CIDR required"),
        1 | 2 => {}
        _ => {
            return cidrs
                .holding(range.at("spec"))
                .invalid(errors, "may only hold up to 2 values");
        }
    }
    cidrs.each().for_each(|cidr| ip::cidr(&cidr, errors));
    let families = cidrs
        .strings()
        .filter_map(ip::parse_cidr_sloppy)
        .map(|(address, _)| address.is_ipv4());
    if let [one, other] = families.collect::<Vec<_>>().as_slice()
        && one == other
    {
        let detail =
            "may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64";
        cidrs.invalid(errors, detail);
    }
}

/// A second family may come; else nothing changes.
fn update(range: Ref<'_>, old: Ref<'_>, errors: &mut Errors) {
    let place = Place::root(range);
    let cidrs = place.child("spec.cidrs");
    let old = old.path("spec.cidrs");
    if cidrs.len() != old.len() && (old.len(), cidrs.len()) != (1, 2) {
        return cidrs.invalid(errors, IMMUTABLE);
    }
    for (new, old) in cidrs.each().zip(old.strings()) {
        if new.str() != old {
            new.invalid(errors, IMMUTABLE);
        }
    }
    if cidrs.len() != old.len() {
        validate(range, errors);
    }
}
