//! Patterns that are no literals: they are compiled when they are met.

use std::rc::Rc;

use regexp::Regexp;

use super::{Result, Run};
use crate::Error;
use crate::library::{no_overload, search, wrong_pattern};
use crate::value::Value;

/// What it costs to compile a pattern, and what besides for each unit of its weight. Upstream reckons with the pattern's
/// length alone, because Go compiles a class of Unicode to one instruction; here, whoever makes up a pattern for each item
/// of a list pays for what that takes.
const COMPILING: u64 = 200;
const PER_WEIGHT: u64 = 4;

/// Patterns that an evaluation keeps: one that is the same for all items of a list is compiled once.
const KEPT: usize = 8;

impl<'a> Run<'_, 'a> {
    /// Carries out a function of a text and a pattern.
    pub(super) fn search(&mut self, function: &str, args: &[Value<'a>]) -> Result<Value<'a>> {
        let Some(Value::String(pattern)) = args.get(1) else {
            return Err(no_overload(function, args));
        };
        let pattern = self.pattern(function, pattern)?;
        search(function, &pattern, args)
    }

    fn pattern(&mut self, function: &str, text: &str) -> Result<Rc<Regexp>> {
        if let Some((_, known)) = self.patterns.iter().find(|(known, _)| **known == *text) {
            return Ok(known.clone());
        }
        let wrong = |error: regexp::Error| -> Error { wrong_pattern(function, &error) };
        let weight = regexp::weight(text).map_err(wrong)?;
        self.spend(COMPILING + PER_WEIGHT * weight)?;
        let compiled = Rc::new(Regexp::new(text).map_err(wrong)?);
        if self.patterns.len() == KEPT {
            self.patterns.remove(0);
        }
        self.patterns.push((text.into(), compiled.clone()));
        Ok(compiled)
    }
}
