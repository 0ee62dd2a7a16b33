//! The fields that an applied configuration speaks of (structured-merge-diff `typed.ToFieldSet`).

use schema::row::Merge;

use super::Malformed;
use super::place::{Atom, Place};
use super::side::{Looks, Side, each_member, identity};
use crate::fieldset::{Element, FieldSet};

/// The fields of a value, and whether it is one itself.
pub(crate) fn collect<'a>(place: Place<'a>, value: Side<'a>) -> Result<(bool, FieldSet<'a>), Malformed> {
    match (place.atom(), value.looks()) {
        (Atom::Scalar(_) | Atom::Whole, _) | (Atom::Free, Looks::Scalar | Looks::List | Looks::Null) => {
            Ok((true, FieldSet::default()))
        }
        (Atom::Items(merge), _) => Ok((false, items(place, merge, value)?)),
        (Atom::Members | Atom::Free, _) => Ok((false, members(place, value)?)),
    }
}

fn members<'a>(place: Place<'a>, value: Side<'a>) -> Result<FieldSet<'a>, Malformed> {
    let mut out = FieldSet::default();
    each_member(place, None, Some(value), |pair| {
        let (Some(inner), Some(value)) = (pair.place, pair.new) else {
            return Ok(());
        };
        let (member, below) = collect(inner, value)?;
        let empty = match value.looks() {
            Looks::Null => true,
            Looks::Map => value.is_empty(place.types),
            _ => false,
        };
        let member = member || empty || !place.names(pair.name);
        out.push(Element::Field(pair.name.into()), member, below);
        Ok(())
    })?;
    out.settle();
    Ok(out)
}

fn items<'a>(place: Place<'a>, merge: &'a Merge, value: Side<'a>) -> Result<FieldSet<'a>, Malformed> {
    let mut found: Vec<(Element<'a>, Side<'a>)> = Vec::new();
    for item in value.items() {
        let item = Side::of(item);
        found.push((identity(place, merge, item)?, item));
    }
    found.sort_by(|one, other| one.0.cmp(&other.0));
    let mut out = FieldSet::default();
    for run in found.chunk_by(|one, other| one.0 == other.0) {
        let (element, item) = &run[0];
        // Several items of one identity are owned as one.
        let below = match run.len() {
            1 => collect(place.inner(), *item)?.1,
            _ => FieldSet::default(),
        };
        out.push(element.clone(), true, below);
    }
    Ok(out)
}
