//! Programs: checked expressions, brought into the form in which they are evaluated.
//!
//! Names are numbers, constants are in place, patterns are compiled, and what macros build up item by item is
//! recognised, so that it is not copied at each step.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use regexp::Regexp;

use super::lower::Lower;
use super::run::Run;
use crate::Error;
use crate::check::Checked;
use crate::library::{Declared, Function};
use crate::syntax::ast::Literal;
use crate::types::Type;
use crate::value::Value;

/// A place in a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct At(u32);

/// A checked expression that can be evaluated, any number of times and from any thread.
#[derive(Debug)]
pub struct Program {
    ops: Vec<Op>,
    root: At,
    pub(super) locals: usize,
    output: Type,
    pub(super) mentions: Vec<Mention>,
}

/// What an expression reads of a variable.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Mention {
    /// Nothing.
    #[default]
    None,
    /// These fields.
    Fields(BTreeSet<Box<str>>),
    /// It as a whole.
    Whole,
}

impl Mention {
    /// Whether the expression reads a field.
    pub fn has(&self, field: &str) -> bool {
        match self {
            Self::None => false,
            Self::Fields(fields) => fields.contains(field),
            Self::Whole => true,
        }
    }

    pub(super) fn add(&mut self, field: &str) {
        match self {
            Self::None => *self = Self::Fields([field.into()].into()),
            Self::Fields(fields) => {
                fields.insert(field.into());
            }
            Self::Whole => {}
        }
    }
}

/// One step.
#[derive(Debug)]
pub(super) enum Op {
    Literal(Literal),
    Literals(Box<[Literal]>),
    Type(Type),
    Variable(usize, Box<str>),
    Local(usize),
    Field(At, Box<str>),
    OptionalField(At, Box<str>),
    Has(At, Box<str>),
    Index(At, At),
    OptionalIndex(At, At),
    And(At, At),
    Or(At, At),
    If(At, At, At),
    NotStrictlyFalse(At),
    /// The first optional if it has a value, else the second.
    Either(At, At),
    /// The optional's value, or another.
    ValueOr(At, At),
    /// Whether a text matches a constant, whose size is given.
    Matches(At, Box<Constant>, u64),
    /// A function whose row is known.
    Call(&'static Function, Box<[At]>),
    /// One of several rows, which the values decide.
    Choose(&'static [Declared], Box<[At]>),
    List(Box<[(At, bool)]>),
    Map(Box<[(At, At, bool)]>),
    Object(Box<str>, Box<[(Box<str>, At, bool)]>),
    /// One more item for the list in a slot.
    Append(usize, At),
    /// One more entry for the map in a slot.
    Insert(usize, At, At),
    /// The entries of a map for the map in a slot.
    InsertAll(usize, At),
    Fold(Box<FoldOp>),
}

/// A pattern that is a literal, compiled by the first who needs it.
#[derive(Debug)]
pub(super) struct Constant {
    text: Box<str>,
    compiled: OnceLock<Result<Regexp, Error>>,
}

impl Constant {
    pub(super) fn new(text: &str) -> Self {
        Self {
            text: text.into(),
            compiled: OnceLock::new(),
        }
    }

    pub(super) fn is_match(&self, text: &str) -> Result<bool, Error> {
        let compile = || Regexp::new(&self.text).map_err(|error| Error::text(error.to_string()));
        let compiled = self.compiled.get_or_init(compile);
        compiled
            .as_ref()
            .map(|regexp| regexp.is_match(text))
            .map_err(Clone::clone)
    }
}

/// A loop; its slots are the accumulator's and those that follow.
#[derive(Debug)]
pub(super) struct FoldOp {
    pub(super) slot: usize,
    pub(super) two: bool,
    pub(super) range: At,
    pub(super) init: At,
    pub(super) condition: At,
    pub(super) step: At,
    pub(super) result: At,
}

impl Program {
    pub(crate) fn new(checked: &Checked, variables: usize) -> Self {
        let mut program = Self {
            ops: Vec::new(),
            root: At(0),
            locals: checked.locals,
            output: checked.types[checked.ast.root().index()].clone(),
            mentions: vec![Mention::None; variables],
        };
        program.root = Lower::new(checked, &mut program).lower(checked.ast.root());
        program
    }

    /// The type of the result.
    pub fn output(&self) -> &Type {
        &self.output
    }

    /// Whether the expression mentions the environment's variable of this number.
    pub fn uses(&self, variable: usize) -> bool {
        self.mention(variable) != &Mention::None
    }

    /// What the expression reads of the environment's variable of this number.
    pub fn mention(&self, variable: usize) -> &Mention {
        self.mentions.get(variable).unwrap_or(&Mention::None)
    }

    /// Evaluates the expression. The second result is what it cost.
    ///
    /// `variables` are those of the environment, in its order; one that has no value fails the expression that
    /// reads it. No more than `limit` is spent.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn eval<'a>(
        &'a self,
        variables: &[Option<Value<'a>>],
        limit: u64,
    ) -> (Result<Value<'a>, Error>, u64) {
        let mut run = Run::new(self, variables, limit);
        let result = run.eval(self.root);
        (result, run.cost())
    }

    pub(super) fn op(&self, at: At) -> &Op {
        &self.ops[at.0 as usize]
    }

    pub(super) fn push(&mut self, op: Op) -> At {
        self.ops.push(op);
        At(u32::try_from(self.ops.len() - 1).unwrap_or(u32::MAX))
    }
}
