//! What differs between two objects, field by field (structured-merge-diff `typed.Compare`).

use schema::row::{Merge, TypeId, Types};
use schema::tree::Value;

use super::Malformed;
use super::place::{Atom, Place};
use super::side::{Looks, Side, each_member, identity};
use crate::fieldset::{Element, FieldSet};

/// The fields that only one of two objects has, and those that they have differently.
#[derive(Clone, Debug, Default)]
pub(crate) struct Comparison<'a> {
    pub(crate) added: FieldSet<'a>,
    pub(crate) modified: FieldSet<'a>,
    pub(crate) removed: FieldSet<'a>,
}

/// How a field itself differs, apart from what is below it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Own {
    Same,
    Added,
    Modified,
    Removed,
}

impl<'a> Comparison<'a> {
    pub(crate) fn is_empty(&self) -> bool {
        self.added.is_empty() && self.modified.is_empty() && self.removed.is_empty()
    }

    /// Leaves out fields that nobody is to own, and what is below them.
    pub(crate) fn exclude(&mut self, fields: &FieldSet<'_>) {
        for set in [&mut self.added, &mut self.modified, &mut self.removed] {
            set.subtract_deep(fields);
        }
    }

    fn settle(mut self) -> Self {
        for set in [&mut self.added, &mut self.modified, &mut self.removed] {
            set.settle();
        }
        self
    }

    fn push(&mut self, element: &Element<'a>, own: Own, below: Self) {
        let sets = [
            (&mut self.added, Own::Added, below.added),
            (&mut self.modified, Own::Modified, below.modified),
            (&mut self.removed, Own::Removed, below.removed),
        ];
        for (set, kind, children) in sets {
            if own == kind || !children.is_empty() {
                set.push(element.clone(), own == kind, children);
            }
        }
    }
}

type Compared<'a> = Result<(Own, Comparison<'a>), Malformed>;

/// Compares two objects of a type. For what is created, `old` is [`Side::Unset`]: members that JSON always
/// shows are not new then.
///
/// # Errors
/// [`Malformed`]: an item of a list has no identity.
pub(crate) fn compare<'a>(
    types: &'a Types,
    ty: TypeId,
    old: Side<'a>,
    new: Side<'a>,
) -> Result<Comparison<'a>, Malformed> {
    Ok(places(Place::object(types, ty), Some(old), Some(new))?.1)
}

fn places<'a>(place: Place<'a>, old: Option<Side<'a>>, new: Option<Side<'a>>) -> Compared<'a> {
    let bare = |side: Option<Side<'a>>| side.is_none_or(|side| side.is_empty(place.types));
    let looks = |side: Option<Side<'a>>| side.map_or(Looks::Null, Side::looks);
    let (one, two) = (looks(old), looks(new));
    match place.atom() {
        Atom::Scalar(_) | Atom::Whole => leaf(old, new),
        Atom::Items(_) | Atom::Members if bare(old) && bare(new) => leaf(old, new),
        Atom::Items(merge) => items(place, merge, old, new),
        Atom::Members => members(place, old, new),
        Atom::Free if one != Looks::Map && two != Looks::Map => leaf(old, new),
        Atom::Free if bare(old) && bare(new) => leaf(old, new),
        Atom::Free => free(place, (old, one), (new, two)),
    }
}

/// Maps without rows. Where only one of the two is a map, the field is modified, and so is what was below.
fn free<'a>(
    place: Place<'a>,
    (old, one): (Option<Side<'a>>, Looks),
    (new, two): (Option<Side<'a>>, Looks),
) -> Compared<'a> {
    let is_map = |looks| matches!(looks, Looks::Map | Looks::Null);
    let differ = !is_map(one) || !is_map(two);
    let map = |side: Option<Side<'a>>, looks| side.filter(|_| is_map(looks));
    let (own, below) = members(place, map(old, one), map(new, two))?;
    Ok((if differ { Own::Modified } else { own }, below))
}

fn leaf<'a>(old: Option<Side<'a>>, new: Option<Side<'a>>) -> Compared<'a> {
    let own = match (old, new) {
        (Some(old), Some(new)) if old.same(new) => Own::Same,
        (Some(_), Some(_)) => Own::Modified,
        (old, _) => {
            if old.is_none() {
                Own::Added
            } else {
                Own::Removed
            }
        }
    };
    Ok((own, Comparison::default()))
}

fn whole<'a>(old: Option<Side<'a>>, new: Option<Side<'a>>) -> Own {
    match (old, new) {
        (None, _) => Own::Added,
        (_, None) => Own::Removed,
        _ => Own::Same,
    }
}

fn members<'a>(place: Place<'a>, old: Option<Side<'a>>, new: Option<Side<'a>>) -> Compared<'a> {
    let mut out = Comparison::default();
    each_member(place, old, new, |pair| {
        if let Some(place) = pair.place {
            let (own, below) = places(place, pair.old, pair.new)?;
            if own != Own::Same || !below.is_empty() {
                out.push(&Element::Field(pair.name.into()), own, below);
            }
        }
        Ok(())
    })?;
    Ok((whole(old, new), out.settle()))
}

/// Lists whose items have identities. Several items of one identity (which an update may have) count as one
/// value.
fn items<'a>(
    place: Place<'a>,
    merge: &'a Merge,
    old: Option<Side<'a>>,
    new: Option<Side<'a>>,
) -> Compared<'a> {
    let (olds, news) = (identified(place, merge, old)?, identified(place, merge, new)?);
    let (mut olds, mut news) = (&olds[..], &news[..]);
    let mut out = Comparison::default();
    while let Some(element) = first(olds, news) {
        let (one, two) = (run(&mut olds, &element), run(&mut news, &element));
        item(place, &element, one, two, &mut out)?;
    }
    Ok((whole(old, new), out))
}

type Identified<'a> = Vec<(Element<'a>, &'a Value)>;

fn identified<'a>(
    place: Place<'a>,
    merge: &'a Merge,
    side: Option<Side<'a>>,
) -> Result<Identified<'a>, Malformed> {
    let items = side.map_or(&[][..], Side::items).iter();
    let identify = |item: &'a Value| Ok((identity(place, merge, Side::of(item))?, item));
    let mut items = items
        .map(identify)
        .collect::<Result<Identified<'a>, Malformed>>()?;
    items.sort_by(|one, other| one.0.cmp(&other.0));
    Ok(items)
}

fn first<'a>(olds: &[(Element<'a>, &Value)], news: &[(Element<'a>, &Value)]) -> Option<Element<'a>> {
    let (one, two) = (olds.first().map(|(e, _)| e), news.first().map(|(e, _)| e));
    one.into_iter().chain(two).min().cloned()
}

/// Takes the items of one identity from the front.
fn run<'a, 'l>(
    items: &mut &'l [(Element<'a>, &'a Value)],
    element: &Element<'a>,
) -> &'l [(Element<'a>, &'a Value)] {
    let count = items.iter().take_while(|(e, _)| e == element).count();
    let (run, rest) = items.split_at(count);
    *items = rest;
    run
}

fn item<'a>(
    place: Place<'a>,
    element: &Element<'a>,
    olds: &[(Element<'a>, &'a Value)],
    news: &[(Element<'a>, &'a Value)],
    out: &mut Comparison<'a>,
) -> Result<(), Malformed> {
    let single = |items: &[(Element<'a>, &'a Value)]| match items {
        [(_, item)] => Some(Side::of(item)),
        _ => None,
    };
    let (mut own, below) = match (single(olds), single(news)) {
        (None, None) => (Own::Same, Comparison::default()),
        (old, new) => places(place.inner(), old, new)?,
    };
    match (olds.len(), news.len()) {
        (0 | 1, 0 | 1) => {}
        (2.., 2..) => {
            let same = olds
                .iter()
                .map(|(_, item)| item)
                .eq(news.iter().map(|(_, item)| item));
            own = if same { Own::Same } else { Own::Modified };
        }
        // Upstream marks the duplicates besides what has become of the single item.
        (2.., _) => out.removed.push(element.clone(), true, FieldSet::default()),
        (_, 2..) => out.added.push(element.clone(), true, FieldSet::default()),
    }
    out.push(element, own, below);
    Ok(())
}
