//! `clusterIP`, `clusterIPs`, `ipFamilies` and `ipFamilyPolicy` among themselves, and from one version of a
//! Service to the next.

use std::net::IpAddr;

use schema::cursor::Ref;
use schema::field::Errors;

use super::shape;
use crate::Place;
use crate::internal::bad_value;
use crate::rules::{ip, value};

const FAMILIES: &[&str] = &["IPv4", "IPv6"];
const POLICIES: &[&str] = &["PreferDualStack", "RequireDualStack", "SingleStack"];

/// The fields of a Service of a type that has addresses (`ValidateServiceClusterIPsRelatedFields`). They
/// may be incomplete: allocation asks before it fills them.
pub(crate) fn validate(service: &Place<'_, '_>, old: Option<Ref<'_>>, errors: &mut Errors) {
    if shape::is_external_name(service.value()) {
        return;
    }
    let spec = service.child("spec");
    first_matches(&spec, errors);
    families(&spec.child("ipFamilies"), errors);
    value::optional_one_of(&spec.child("ipFamilyPolicy"), errors, POLICIES);
    let ips = spec.child("clusterIPs");
    let known = old.map(|old| old.path("spec.clusterIPs").strings().collect::<Vec<_>>());
    let well_formed = addresses(&ips, &known.unwrap_or_default(), errors);
    if ips.len() > 2 {
        ips.invalid(errors, "may only hold up to 2 values");
    }
    if well_formed {
        one_of_each(&ips, errors);
        as_families_say(&spec, errors);
    }
}

fn first_matches(spec: &Place<'_, '_>, errors: &mut Errors) {
    let ips = spec.child("clusterIPs");
    let first = ips.strings().next();
    match (spec.at("clusterIP").str(), first) {
        ("", Some(_)) => ips.invalid(errors, "must be empty when `clusterIP` is not specified"),
        ("", None) => {}
        (_, None) => ips.required(errors, ""),
        (one, Some(first)) if one != first => ips.invalid(errors, "first value must match `clusterIP`"),
        _ => {}
    }
}

fn families(families: &Place<'_, '_>, errors: &mut Errors) {
    let names: Vec<&str> = families.strings().collect();
    for (at, family) in families.each().enumerate() {
        value::one_of(&family, errors, FAMILIES);
        if names[..at].contains(&names[at]) {
            family.duplicate(errors);
        }
    }
}

/// Whether all are addresses, or the one is `None`.
fn addresses(ips: &Place<'_, '_>, known: &[&str], errors: &mut Errors) -> bool {
    let mut well_formed = true;
    for (at, address) in ips.each().enumerate() {
        let before = errors.len();
        match address.str() {
            "None" if at == 0 && ips.len() == 1 => {}
            "None" if at == 0 => ips.invalid(errors, "'None' must be the first and only value"),
            _ => ip::ip_for_legacy_field(&address, errors, known),
        }
        well_formed &= errors.len() == before;
    }
    well_formed
}

fn parsed(ips: Ref<'_>) -> Vec<IpAddr> {
    ips.strings().filter_map(ip::parse_sloppy).collect()
}

fn one_of_each(ips: &Place<'_, '_>, errors: &mut Errors) {
    let parsed = parsed(ips.value());
    let dual = parsed.iter().any(IpAddr::is_ipv4) && parsed.iter().any(IpAddr::is_ipv6);
    if ips.len() > 1 && !dual {
        ips.invalid(errors, "may specify no more than one IP for each IP family");
    }
}

fn as_families_say(spec: &Place<'_, '_>, errors: &mut Errors) {
    let ips = spec.child("clusterIPs");
    let families = spec.at("ipFamilies").strings();
    for (at, (address, family)) in ips.each().zip(families).enumerate() {
        let is_v6 = ip::parse_sloppy(address.str()).map(|address| address.is_ipv6());
        let expected = match (family, is_v6) {
            ("IPv4", Some(true)) => "IPv4",
            ("IPv6", Some(false)) => "IPv6",
            _ => continue,
        };
        let detail = format!("expected an {expected} value as indicated by `ipFamilies[{at}]`");
        address.invalid(errors, detail);
    }
}

/// A Service may gain a second address and family, and lose them again; the first ones stay.
pub(super) fn validate_update(service: &Place<'_, '_>, old: Ref<'_>, errors: &mut Errors) {
    let new = service.value();
    if shape::is_external_name(new) || shape::is_external_name(old) {
        return;
    }
    let (new_headless, old_headless) = (shape::is_headless(new), shape::is_headless(old));
    let spec = service.child("spec");
    if !(new_headless && old_headless) {
        ips_kept(&spec, old.at("spec"), errors);
    }
    if !new_headless && !old_headless {
        families_kept(&spec, old.at("spec"), errors);
    }
}

const ONCE: &str = "may not change once set";

fn ips_kept(spec: &Place<'_, '_>, old: Ref<'_>, errors: &mut Errors) {
    let ips = spec.child("clusterIPs");
    let [new, old]: [Vec<&str>; 2] = [ips.value(), old.at("clusterIPs")].map(|list| list.strings().collect());
    let at = |at: usize| ips.index(at, ips.value());
    if new.len() == old.len() {
        let changed = (0..new.len()).filter(|at| new[*at] != old[*at]);
        return changed.for_each(|changed| at(changed).invalid(errors, ONCE));
    }
    if new.is_empty() {
        at(0).invalid_value(
            errors,
            bad_value(ips.value()),
            "primary clusterIP can not be unset",
        );
    } else if !old.is_empty() && new[0] != old[0] {
        at(0).invalid(errors, ONCE);
    }
    if new.len() == 1 && old.len() > 1 {
        released(spec, "clusterIP", errors);
    }
}

fn families_kept(spec: &Place<'_, '_>, old: Ref<'_>, errors: &mut Errors) {
    let families = spec.child("ipFamilies");
    let [new, old]: [Vec<&str>; 2] =
        [families.value(), old.at("ipFamilies")].map(|list| list.strings().collect());
    let first = families.index(0, families.value());
    if new.len() == old.len() {
        let changed = new.iter().zip(&old).filter(|(new, old)| new != old);
        return changed.for_each(|_| first.invalid(errors, ONCE));
    }
    if old.len() > new.len() && spec.at("clusterIPs").is_empty() {
        first.invalid_value(
            errors,
            bad_value(families.value()),
            "primary ipFamily can not be unset",
        );
    }
    if !old.is_empty() && !new.is_empty() && new[0] != old[0] {
        first.invalid_value(errors, spec.at("clusterIPs"), ONCE);
    }
    if new.len() == 1 && old.len() > 1 {
        released(spec, "ipFamily", errors);
    }
}

fn released(spec: &Place<'_, '_>, what: &str, errors: &mut Errors) {
    let policy = spec.child("ipFamilyPolicy");
    if policy.str() != "SingleStack" {
        let detail = format!("must be set to 'SingleStack' when releasing the secondary {what}");
        policy.invalid(errors, detail);
    }
}
