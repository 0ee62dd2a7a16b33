//! Rules of an object's members as data: a member's name and what upstream asks of it, in upstream's order.

use schema::field::Errors;

use super::value;
use crate::Place;

/// A rule about a text: what is wrong with it.
pub type TextRule = fn(&str) -> Vec<String>;

/// What is asked of one member.
#[derive(Clone, Copy, Debug)]
pub enum Rule {
    /// There is something.
    Required,
    /// There is something; what is said if not.
    RequiredWith(&'static str),
    /// One of these words, if there is a member.
    Word(&'static [&'static str]),
    /// One of these words, and there must be one.
    RequiredWord(&'static [&'static str]),
    /// A text that is right, if it is not empty.
    Text(TextRule),
    /// A text that is there and right.
    RequiredText(TextRule),
    /// A number that is not below zero.
    NonNegative,
    /// A number above zero, if there is one.
    Positive,
    /// A number between these, both included, if there is one.
    Range(i64, i64),
    /// A rule of its own.
    Of(fn(&Place<'_, '_>, &mut Errors)),
    /// The same, if there is a member.
    If(fn(&Place<'_, '_>, &mut Errors)),
}

/// Members and what is asked of them.
pub type Rules = &'static [(&'static str, Rule)];

/// Checks an object's members.
pub fn check(place: &Place<'_, '_>, rules: Rules, errors: &mut Errors) {
    for (name, rule) in rules {
        rule.check(&place.child(name), errors);
    }
}

impl Rule {
    /// Checks what stands at a place.
    pub fn check(&self, place: &Place<'_, '_>, errors: &mut Errors) {
        match *self {
            Self::Required => drop(place.require(errors, "")),
            Self::RequiredWith(detail) => drop(place.require(errors, detail)),
            Self::Word(words) => value::optional_one_of(place, errors, words),
            Self::RequiredWord(words) => value::required_one_of(place, errors, words),
            Self::Text(rule) if !place.is_empty() => place.check(errors, rule),
            Self::Text(_) => {}
            Self::RequiredText(rule) => {
                if place.require(errors, "") {
                    place.check(errors, rule);
                }
            }
            Self::NonNegative => value::non_negative(place, errors),
            Self::Positive if place.exists() && place.int() <= 0 => {
                place.invalid(errors, "must be greater than 0");
            }
            Self::Range(low, high) if place.exists() => value::in_range(place, errors, low, high),
            Self::Positive | Self::Range(..) => {}
            Self::Of(rule) => rule(place, errors),
            Self::If(rule) => {
                if place.exists() {
                    rule(place, errors);
                }
            }
        }
    }
}
