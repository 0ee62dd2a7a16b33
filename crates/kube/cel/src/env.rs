//! Environments: which names an expression may use.

use std::sync::Arc;

use crate::check::{self, Checked, Objects, Variable};
use crate::estimate::estimate;
use crate::eval::Program;
use crate::issue::Issues;
use crate::syntax::parse;
use crate::types::{Decl, Type};

/// The variables and object types that expressions may use, besides the libraries.
#[derive(Clone, Debug, Default)]
pub struct Env {
    variables: Vec<Variable>,
    objects: Objects,
}

impl Env {
    /// An environment without variables.
    pub fn new() -> Self {
        Self::default()
    }

    /// Declares a variable; its number is how many there were before.
    #[must_use]
    pub fn variable(mut self, name: &str, decl: impl Into<Arc<Decl>>) -> Self {
        self.variables.push(Variable {
            name: name.into(),
            decl: decl.into(),
        });
        self
    }

    /// The names of the variables, in the order of their numbers.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.variables.iter().map(|variable| &*variable.name)
    }

    /// Lets expressions make `Object{…}` and `JSONPatch{…}`.
    #[must_use]
    pub fn mutation(mut self) -> Self {
        self.objects = Objects::Mutation;
        self
    }

    /// Checks an expression and makes a program of it.
    ///
    /// # Errors
    /// Everything that is wrong with it, in upstream's words.
    pub fn compile(&self, source: &str) -> Result<Program, Issues> {
        let checked = self.check(source)?;
        Ok(Program::new(&checked, self.variables.len()))
    }

    /// Checks an expression only, and tells its type.
    ///
    /// # Errors
    /// The same.
    pub fn type_of(&self, source: &str) -> Result<Type, Issues> {
        let checked = self.check(source)?;
        Ok(checked.types[checked.ast.root().index()].clone())
    }

    /// The same as [`Self::compile`], and the most that an evaluation may cost.
    pub(crate) fn compile_with_cost(&self, source: &str) -> Result<(Program, u64), Issues> {
        let checked = self.check(source)?;
        let cost = estimate(&checked, &self.variables);
        Ok((Program::new(&checked, self.variables.len()), cost.max))
    }

    fn check(&self, source: &str) -> Result<Checked, Issues> {
        check::check(source, parse(source)?, &self.variables, &self.objects)
    }
}
