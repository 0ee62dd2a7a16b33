//! Quantities: amounts to compare, and the rules of lists of resources.

use schema::cursor::Ref;
use schema::field::Errors;

use super::text::qualified_name;
use crate::Place;

/// An amount in nanos; amounts beyond 10^29 count as that much.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Quantity(i128);

const NANO: i128 = 1_000_000_000;

impl Quantity {
    /// The amount of a canonical text, as trees hold them; zero where there is none.
    pub fn of(value: Ref<'_>) -> Self {
        Self::parse(value.str()).unwrap_or_default()
    }

    /// Reads a canonical text.
    pub fn parse(text: &str) -> Option<Self> {
        let end = text
            .find(|c: char| !(c.is_ascii_digit() || "+-.".contains(c)))
            .unwrap_or(text.len());
        let (number, suffix) = text.split_at(end);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let negative = whole.starts_with('-');
        let digits: i128 = format!("{}{fraction}", whole.trim_start_matches(['-', '+']))
            .parse()
            .ok()?;
        let down = i32::try_from(fraction.len()).ok()?;
        let nanos = match suffix {
            "Ki" | "Mi" | "Gi" | "Ti" | "Pi" | "Ei" => scale(digits, 9 - down).saturating_mul(binary(suffix)),
            suffix => scale(digits, decimal(suffix)?.saturating_add(9 - down)),
        };
        Some(Self(if negative { -nanos } else { nanos }))
    }

    /// A whole number.
    pub const fn whole(number: i64) -> Self {
        Self(number as i128 * NANO)
    }

    /// In billionths.
    pub const fn nanos(self) -> i128 {
        self.0
    }

    /// Whether the amount is a whole number.
    pub const fn is_whole(self) -> bool {
        self.0 % NANO == 0
    }

    /// Whether the amount is below zero.
    pub const fn is_negative(self) -> bool {
        self.0 < 0
    }

    /// The sum.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

fn binary(suffix: &str) -> i128 {
    let power = "KMGTPE".find(&suffix[..1]).unwrap_or(0);
    (0..=power).fold(1, |amount, _| amount * 1024)
}

fn decimal(suffix: &str) -> Option<i32> {
    const SUFFIXES: [(&str, i32); 10] = [
        ("n", -9),
        ("u", -6),
        ("m", -3),
        ("", 0),
        ("k", 3),
        ("M", 6),
        ("G", 9),
        ("T", 12),
        ("P", 15),
        ("E", 18),
    ];
    let named = SUFFIXES.iter().find(|(name, _)| *name == suffix);
    named
        .map(|(_, power)| *power)
        .or_else(|| suffix.strip_prefix(['e', 'E'])?.parse().ok())
}

/// `digits` × 10^`power`, within bounds.
fn scale(digits: i128, power: i32) -> i128 {
    let steps = power.unsigned_abs().min(40);
    (0..steps).fold(digits, |amount, _| {
        if power < 0 {
            amount / 10
        } else {
            amount.saturating_mul(10)
        }
    })
}

const CONTAINER: [&str; 3] = ["cpu", "memory", "ephemeral-storage"];
const COUNTED: [&str; 9] = [
    "pods",
    "services",
    "replicationcontrollers",
    "resourcequotas",
    "secrets",
    "configmaps",
    "persistentvolumeclaims",
    "services.nodeports",
    "services.loadbalancers",
];
const QUOTA: [&str; 8] = [
    "storage",
    "requests.cpu",
    "requests.memory",
    "requests.storage",
    "requests.ephemeral-storage",
    "limits.cpu",
    "limits.memory",
    "limits.ephemeral-storage",
];

fn is_huge_page(name: &str) -> bool {
    name.starts_with("hugepages-")
}

/// Whether the resource belongs to Kubernetes: no domain, or `kubernetes.io`.
fn is_native(name: &str) -> bool {
    !name.contains('/') || name.contains("kubernetes.io/")
}

/// Whether the resource is a device plugin's: only whole numbers of it can be asked for.
pub(crate) fn is_extended(name: &str) -> bool {
    !is_native(name) && !name.starts_with("requests.")
}

fn is_container_resource(name: &str) -> bool {
    CONTAINER.contains(&name) || is_huge_page(name)
}

/// Whether the name is one that upstream knows without a domain.
fn is_standard(name: &str) -> bool {
    is_container_resource(name)
        || COUNTED.contains(&name)
        || QUOTA.contains(&name)
        || name.starts_with("requests.hugepages-")
}

/// A resource's name: qualified, and one that is known if it has no domain.
pub fn resource_name(place: &Place<'_, '_>, name: &str, errors: &mut Errors) {
    let mut faults = qualified_name(name);
    if faults.is_empty() && !name.contains('/') && !is_standard(name) {
        faults.push("must be a standard resource type or fully qualified".to_owned());
    }
    faults
        .into_iter()
        .for_each(|text| place.invalid_value(errors, name, text));
}

/// The name of a resource that a container can ask for.
pub fn container_resource_name(place: &Place<'_, '_>, name: &str, errors: &mut Errors) {
    resource_name(place, name, errors);
    if !name.contains('/') && !is_container_resource(name) {
        place.invalid_value(errors, name, "must be a standard resource for containers");
    } else if !is_native(name) && !is_extended(name) {
        place.invalid_value(errors, name, "doesn't follow extended resource name standard");
    }
}

/// The amount of a resource: not negative, whole where only whole numbers are.
pub fn resource_quantity(place: &Place<'_, '_>, name: &str, errors: &mut Errors) {
    let amount = Quantity::of(place.value());
    if amount.is_negative() {
        place.invalid(errors, "must be greater than or equal to 0");
    }
    let counted = COUNTED.contains(&name) || is_extended(name);
    if counted && !amount.is_whole() {
        place.invalid(errors, "must be an integer");
    }
}

/// Requests and limits of a container: upstream's `ValidateContainerResourceRequirements`.
pub fn requirements(place: &Place<'_, '_>, errors: &mut Errors) {
    let (limits, requests) = (place.child("limits"), place.child("requests"));
    for (name, limit) in limits.each_entry() {
        container_resource_name(&limit, name, errors);
        resource_quantity(&limit, name, errors);
    }
    for (name, request) in requests.each_entry() {
        container_resource_name(&request, name, errors);
        resource_quantity(&request, name, errors);
        within_limit(&requests, &limits, name, errors);
    }
    let asked = |name: &str| limits.at(name).exists() || requests.at(name).exists();
    let huge = |list: &Place<'_, '_>| list.entries().any(|(name, _)| is_huge_page(name));
    if (huge(&limits) || huge(&requests)) && !asked("cpu") && !asked("memory") {
        place.forbidden(errors, "HugePages require cpu or memory");
    }
}

fn within_limit(requests: &Place<'_, '_>, limits: &Place<'_, '_>, name: &str, errors: &mut Errors) {
    let exact = is_extended(name) || is_huge_page(name);
    let (request, limit) = (requests.at(name), limits.at(name));
    let (asked, most) = (Quantity::of(request), Quantity::of(limit));
    let mut wrong = |relation: &str| {
        let text = format!("must be {relation} {name} limit of {}", limit.str());
        requests.invalid_value(errors, request.str(), text);
    };
    match limit.exists() {
        true if exact && asked != most => wrong("equal to"),
        true if !exact && asked > most => wrong("less than or equal to"),
        false if exact => limits.required(errors, "Limit must be set for non overcommitable resources"),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_compare() {
        let amount = |text: &str| Quantity::parse(text).unwrap();
        for (less, more) in [
            ("100m", "1"),
            ("1k", "1Ki"),
            ("-1", "0"),
            ("1Gi", "1100M"),
            ("1n", "1u"),
            ("1E", "1e20"),
        ] {
            assert!(amount(less) < amount(more), "{less} {more}");
        }
        for (one, other) in [
            ("1000m", "1"),
            ("1024Ki", "1Mi"),
            ("12e3", "12k"),
            ("0.5", "500m"),
        ] {
            assert_eq!(amount(one), amount(other), "{one} {other}");
        }
        assert!(!amount("1500m").is_whole() && amount("2").is_whole());
        assert_eq!(Quantity::parse("x"), None);
        assert!(amount("1e9999") > amount("1e28") && amount("1e2147483647") > amount("1e28"));
    }
}
