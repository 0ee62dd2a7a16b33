//! What a volume can be made of: the sources of pods' volumes and of persistent volumes, as tables.
//!
//! A source is a member of the volume, and a volume has one of them. Upstream asks them in a fixed order, tells a
//! second one that it is too many, and does not look into it.

mod block;
mod files;
mod network;
mod persistent;
mod pod;
mod projected;

pub(crate) use network::driver_name;
pub(crate) use persistent::SOURCES as PERSISTENT;
pub(crate) use pod::SOURCES as POD;

use schema::field::Errors;

use crate::Place;
use crate::rules::table::{Rules, check};

/// What a volume can be made of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Source {
    /// The member of the volume.
    pub(crate) member: &'static str,
    /// What paths of errors call it, where that is not the member's name.
    path: &'static str,
    /// What the error about a second source calls it.
    second: &'static str,
    rules: Rules,
    more: fn(&Place<'_, '_>, &mut Errors),
}

impl Source {
    const fn new(member: &'static str, rules: Rules) -> Self {
        let (path, second) = (member, member);
        let more = |_: &Place<'_, '_>, _: &mut Errors| {};
        Self {
            member,
            path,
            second,
            rules,
            more,
        }
    }

    /// Rules that are more than one member's.
    const fn more(self, more: fn(&Place<'_, '_>, &mut Errors)) -> Self {
        Self { more, ..self }
    }

    /// Where upstream misspells a source.
    const fn called(self, path: &'static str, second: &'static str) -> Self {
        Self { path, second, ..self }
    }

    fn check(&self, volume: &Place<'_, '_>, errors: &mut Errors) {
        let place = volume.named(self.path, volume.at(self.member));
        check(&place, self.rules, errors);
        (self.more)(&place, errors);
    }
}

/// Checks the source of a volume, and that there is one alone. The member that it is.
pub(crate) fn check_source(
    volume: &Place<'_, '_>,
    sources: &'static [Source],
    errors: &mut Errors,
) -> Option<&'static str> {
    let mut given = sources.iter().filter(|source| volume.at(source.member).exists());
    let first = given.next();
    match first {
        None => volume.required(errors, "must specify a volume type"),
        Some(source) => source.check(volume, errors),
    }
    for another in given {
        let place = volume.child(another.second);
        place.forbidden(errors, "may not specify more than 1 volume type");
    }
    first.map(|source| source.member)
}
