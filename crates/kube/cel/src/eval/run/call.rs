//! Calls of functions.

use super::super::program::At;
use super::{Result, Run};
use crate::library::{Cost, Declared, Function, no_overload};
use crate::value::Value;

impl<'a> Run<'_, 'a> {
    /// Calls a function. Few have more than three arguments, so no vector is made for fewer.
    pub(super) fn call(&mut self, function: &'static Function, args: &[At]) -> Result<Value<'a>> {
        match args {
            [one] => {
                let args = [self.eval(*one)?];
                self.apply(function, &args)
            }
            [one, two] => {
                let args = [self.eval(*one)?, self.eval(*two)?];
                self.apply(function, &args)
            }
            args => {
                let args = self.all(args)?;
                self.apply(function, &args)
            }
        }
    }

    fn all(&mut self, args: &[At]) -> Result<Vec<Value<'a>>> {
        args.iter().map(|arg| self.eval(*arg)).collect()
    }

    fn apply(&mut self, function: &Function, args: &[Value<'a>]) -> Result<Value<'a>> {
        // What a call costs is known before it is made, but for the one whose result is what costs.
        if function.cost != Cost::Join {
            self.spend(function.cost.actual(args, &Value::Null))?;
        }
        if matches!(function.cost, Cost::Matches | Cost::Find) {
            return self.search(function.name, args);
        }
        let result = (function.eval)(args)?;
        if function.cost == Cost::Join {
            self.spend(function.cost.actual(args, &result))?;
        }
        Ok(result)
    }

    pub(super) fn choose(&mut self, functions: &'static [Declared], args: &[At]) -> Result<Value<'a>> {
        let args = self.all(args)?;
        let fits = |declared: &&Declared| {
            declared
                .signatures
                .iter()
                .any(|signature| signature.accepts(&args))
        };
        match functions.iter().find(fits) {
            Some(declared) => self.apply(declared.function, &args),
            None => {
                let name = functions.first().map_or("", |declared| declared.function.name);
                Err(no_overload(name, &args))
            }
        }
    }
}
