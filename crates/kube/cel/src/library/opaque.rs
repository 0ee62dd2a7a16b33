//! Values of the libraries' own types.

use std::fmt;
use std::marker::PhantomData;

/// A value of one of the libraries' types.
#[derive(Clone, Debug, PartialEq)]
pub struct Opaque<'a> {
    _a: PhantomData<&'a ()>,
}

impl fmt::Display for Opaque<'_> {
    fn fmt(&self, _f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Ok(())
    }
}

impl Opaque<'_> {
    pub(crate) fn type_name(&self) -> &'static str {
        ""
    }
    pub(crate) fn size(&self) -> u64 {
        1
    }
    pub(crate) fn text(&self) -> Option<String> {
        None
    }
    pub(crate) fn write_json(&self, _out: &mut Vec<u8>) {}
}
