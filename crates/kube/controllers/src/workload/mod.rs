//! What the controllers of workloads share: whose object is whose, pods made from templates, conditions, and creating
//! many things carefully.

pub(crate) mod conditions;
pub(crate) mod owned;
pub(crate) mod pods;
pub(crate) mod rank;
mod slow_start;
pub(crate) mod staff;
pub(crate) mod template;
pub(crate) mod time;

pub(crate) use slow_start::{slow_start, together};

use std::borrow::Cow;

use client::Level;

/// An event that a plan tells of its object, once its actions are carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) level: Level,
    pub(crate) reason: Cow<'static, str>,
    pub(crate) message: String,
}

impl Told {
    pub(crate) fn normal(reason: impl Into<Cow<'static, str>>, message: String) -> Self {
        Self {
            level: Level::Normal,
            reason: reason.into(),
            message,
        }
    }

    pub(crate) fn warning(reason: impl Into<Cow<'static, str>>, message: String) -> Self {
        Self {
            level: Level::Warning,
            reason: reason.into(),
            message,
        }
    }
}
