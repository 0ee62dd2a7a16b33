//! Which IP families a Service has, decided by what it says, what it had, and what the cluster has.

use schema::cursor::{self, Ref};
use schema::field::{Error, Errors, Path};
use schema::row::Types;
use schema::tree::{Struct, Value};

use super::Refused;
use super::addresses::{Addresses, Family};
use super::stack::{PREFER, REQUIRE, SINGLE, Stack, list};
use crate::Place;
use crate::network::service::cluster_ips;

/// The Service's fields with families and policy filled in.
pub(super) fn settle(
    pool: &Addresses,
    types: &Types,
    service: &mut Struct,
    old: Option<&Stack>,
) -> Result<Stack, Refused> {
    let stack = Stack::read(Ref::new(types, service));
    if stack.external || old.is_some_and(|old| stack.keeps_preference(old)) {
        return Ok(stack);
    }
    if stack.policy.is_empty() {
        let policy = default_policy(&stack, old);
        cursor::set(types, service, "spec.ipFamilyPolicy", Value::str(policy));
    }
    let read = Ref::new(types, service);
    well_formed(read)?;
    let mut stack = Stack::read(read);
    fit(&mut stack, old, pool)?;
    Ok(stack)
}

/// Never a fixed default: a Service changes between one and two families only when it is told to.
fn default_policy<'a>(stack: &Stack, old: Option<&'a Stack>) -> &'a str {
    match old.map(|old| old.policy.as_str()) {
        Some(policy) if !policy.is_empty() => policy,
        _ if stack.is_headless() && stack.selectorless => REQUIRE,
        _ => SINGLE,
    }
}

fn well_formed(service: Ref<'_>) -> Result<(), Refused> {
    let mut errors = Errors::new();
    cluster_ips::validate(&Place::root(service), None, &mut errors);
    passed(errors)
}

fn passed(errors: Errors) -> Result<(), Refused> {
    match errors.is_empty() {
        true => Ok(()),
        false => Err(errors.into()),
    }
}

fn fit(stack: &mut Stack, old: Option<&Stack>, pool: &Addresses) -> Result<(), Refused> {
    let mut errors = Errors::new();
    if let Some(old) = old {
        shrink(stack, old, &mut errors);
    }
    policy_allows(stack, &mut errors);
    infer(stack, pool, &mut errors);
    passed(errors)?;
    if stack.is_headless() && stack.selectorless {
        fill(stack, pool, true);
        return Ok(());
    }
    passed(configured(stack, pool))?;
    fill(stack, pool, pool.is_dual());
    Ok(())
}

/// `SingleStack` with nothing else changed drops the second family; dropping it needs `SingleStack`.
fn shrink(stack: &mut Stack, old: &Stack, errors: &mut Errors) {
    if stack.policy == SINGLE {
        if stack.cluster_ips == old.cluster_ips {
            stack.cluster_ips.truncate(1);
        }
        if stack.families == old.families {
            stack.families.truncate(1);
        }
        return;
    }
    let fewer = |new: &[String], old: &[String]| !new.is_empty() && new.len() < old.len();
    for (reduced, what) in [
        (fewer(&stack.cluster_ips, &old.cluster_ips), "cluster IP"),
        (fewer(&stack.families, &old.families), "IP family"),
    ] {
        let detail = format!("must be 'SingleStack' to release the secondary {what}");
        policy_error(stack, reduced, detail, errors);
    }
}

fn policy_allows(stack: &Stack, errors: &mut Errors) {
    let single = stack.policy == SINGLE;
    for (two, what) in [
        (stack.cluster_ips.len() == 2, "cluster IPs"),
        (stack.families.len() == 2, "IP families"),
    ] {
        let detail =
            format!("must be 'RequireDualStack' or 'PreferDualStack' when multiple {what} are specified");
        policy_error(stack, single && two, detail, errors);
    }
}

fn policy_error(stack: &Stack, wrong: bool, detail: String, errors: &mut Errors) {
    if wrong {
        let path = Path::new("spec").child("ipFamilyPolicy");
        errors.push(Error::invalid(&path, stack.policy.as_str(), detail));
    }
}

/// An address says its family where the client does not.
fn infer(stack: &mut Stack, pool: &Addresses, errors: &mut Errors) {
    if stack.is_headless() {
        return;
    }
    for at in stack.families.len()..stack.cluster_ips.len() {
        let Ok(address) = stack.cluster_ips[at].parse() else {
            continue;
        };
        let family = Family::of(address);
        if pool.has(family) {
            stack.families.push(family.name().to_owned());
        } else {
            let path = Path::new("spec").child("clusterIPs").index(at);
            let detail = format!("{} is not configured on this cluster", family.name());
            errors.push(Error::invalid(&path, list(&stack.cluster_ips), detail));
        }
    }
}

fn configured(stack: &Stack, pool: &Addresses) -> Errors {
    let mut errors = Errors::new();
    let dual = stack.policy == REQUIRE && !pool.is_dual();
    let detail = "this cluster is not configured for dual-stack services".to_owned();
    policy_error(stack, dual, detail, &mut errors);
    for (at, name) in stack.families.iter().enumerate() {
        if !Family::named(name).is_some_and(|family| pool.has(family)) {
            let path = Path::new("spec").child("ipFamilies").index(at);
            errors.push(Error::invalid(
                &path,
                name.as_str(),
                "not configured on this cluster",
            ));
        }
    }
    errors
}

fn fill(stack: &mut Stack, pool: &Addresses, second: bool) {
    if stack.families.is_empty() {
        stack.families.push(pool.default_family().name().to_owned());
    }
    let wants_two = [PREFER, REQUIRE].contains(&stack.policy.as_str());
    if let [one] = stack.families.as_slice()
        && let Some(one) = Family::named(one).filter(|_| wants_two && second)
    {
        stack.families.push(one.other().name().to_owned());
    }
}
