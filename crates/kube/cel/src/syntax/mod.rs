//! From text to a tree: tokens, literals, grammar, macros.

pub(crate) mod ast;
mod lexer;
mod literal;
mod macros;
mod parser;
mod recover;

pub use ast::{Ast, Expr, ExprId};
pub(crate) use parser::parse;

#[cfg(test)]
mod tests;
