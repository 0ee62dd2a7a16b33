//! Equality and order of values (CEL specification, "Equality and ordering"): numbers compare across their
//! types, values of different types are unequal.

use std::cmp::Ordering;

use super::{List, Map, Value, render};
use crate::types::ListKind;

/// Numbers of any two types, or neither.
pub(crate) fn numbers(one: &Value<'_>, other: &Value<'_>) -> Option<Option<Ordering>> {
    use Value::{Double, Int, Uint};
    Some(match (one, other) {
        (Int(one), Int(other)) => Some(one.cmp(other)),
        (Uint(one), Uint(other)) => Some(one.cmp(other)),
        (Double(one), Double(other)) => one.partial_cmp(other),
        (Int(one), Uint(other)) => Some(i128::from(*one).cmp(&i128::from(*other))),
        (Uint(one), Int(other)) => Some(i128::from(*one).cmp(&i128::from(*other))),
        (Double(one), Int(other)) => double_and(*one, i128::from(*other)),
        (Double(one), Uint(other)) => double_and(*one, i128::from(*other)),
        (Int(one), Double(other)) => double_and(*other, i128::from(*one)).map(Ordering::reverse),
        (Uint(one), Double(other)) => double_and(*other, i128::from(*one)).map(Ordering::reverse),
        _ => return None,
    })
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the whole part is compared exactly: casts of floats saturate, and both bounds are powers of two"
)]
fn double_and(double: f64, int: i128) -> Option<Ordering> {
    if double.is_nan() {
        return None;
    }
    let whole = (double.trunc() as i128).cmp(&int);
    Some(whole.then_with(|| double.partial_cmp(&double.trunc()).unwrap_or(Ordering::Equal)))
}

/// The order of two values of one ordered type; `None` if they have none.
pub(crate) fn order(one: &Value<'_>, other: &Value<'_>) -> Option<Option<Ordering>> {
    if let Some(order) = numbers(one, other) {
        return Some(order);
    }
    Some(Some(match (one, other) {
        (Value::Bool(one), Value::Bool(other)) => one.cmp(other),
        (Value::String(one), Value::String(other)) => (**one).cmp(&**other),
        (Value::Bytes(one), Value::Bytes(other)) => (**one).cmp(&**other),
        (Value::Duration(one), Value::Duration(other)) => one.cmp(other),
        (Value::Timestamp(one), Value::Timestamp(other)) => one.cmp(other),
        _ => return None,
    }))
}

impl PartialEq for Value<'_> {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Null, Self::Null) => true,
            (Self::List(one), Self::List(other)) => lists(one, other),
            (Self::Map(one), Self::Map(other)) => maps(one, other),
            (Self::Optional(one), Self::Optional(other)) => one == other,
            (Self::Type(one), Self::Type(other)) => one.same_sort(other),
            (Self::Opaque(one), Self::Opaque(other)) => one == other,
            (one, other) => matches!(order(one, other), Some(Some(Ordering::Equal))),
        }
    }
}

fn lists(one: &List<'_>, other: &List<'_>) -> bool {
    if one.len() != other.len() {
        return false;
    }
    match one.kind().or_else(|| other.kind()) {
        None => one.iter().zip(other.iter()).all(|(one, other)| one == other),
        Some(ListKind::Map(keys)) => {
            let identity = |item: &Value<'_>| identity(item, keys);
            let others: std::collections::BTreeMap<String, Value<'_>> =
                other.iter().map(|item| (identity(&item), item)).collect();
            one.iter().all(|item| others.get(&identity(&item)) == Some(&item))
        }
        Some(_) => {
            let texts = |list: &List<'_>| -> std::collections::BTreeSet<String> {
                list.iter().map(|item| render::json(&item)).collect()
            };
            texts(one) == texts(other)
        }
    }
}

/// What tells one item of a list that is a map from the others.
pub(crate) fn identity(item: &Value<'_>, keys: &[Box<str>]) -> String {
    let Value::Map(map) = item else {
        return render::json(item);
    };
    let values: Vec<Value<'_>> = keys
        .iter()
        .map(|key| map.named(key).unwrap_or(Value::Null))
        .collect();
    render::json(&Value::list(values))
}

fn maps<'a>(one: &Map<'a>, other: &Map<'a>) -> bool {
    one.len() == other.len()
        && one
            .entries()
            .all(|(key, value)| other.get(&key).is_some_and(|other| other == value))
}

impl List<'_> {
    /// How the list compares, if not item by item.
    pub(crate) fn kind(&self) -> Option<&ListKind> {
        match self {
            Self::Tree(_, place) => place
                .decl
                .map(|decl| &decl.list)
                .filter(|kind| **kind != ListKind::Atomic),
            _ => None,
        }
    }
}

/// A value as a key of a map: ordered by kind, then by value; numbers by value alone.
#[derive(Clone, Debug)]
pub(crate) struct Key<'a>(pub(crate) Value<'a>);

impl Ord for Key<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        match order(&self.0, &other.0) {
            Some(Some(order)) => order,
            _ => rank(&self.0).cmp(&rank(&other.0)),
        }
    }
}

impl PartialOrd for Key<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Eq for Key<'_> {}

impl PartialEq for Key<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

/// Only booleans, numbers and text are keys.
fn rank(value: &Value<'_>) -> u8 {
    match value {
        Value::Bool(_) => 0,
        Value::Int(_) | Value::Uint(_) | Value::Double(_) => 1,
        Value::String(_) => 2,
        _ => 3,
    }
}
