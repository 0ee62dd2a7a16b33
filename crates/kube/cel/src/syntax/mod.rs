//! From text to a tree: tokens, literals, grammar, macros.

pub(crate) mod ast;
mod collection;
mod cursor;
mod lexer;
mod literal;
mod macros;
mod parser;
mod primary;
mod recover;
mod tree;

pub(crate) use parser::parse;

#[cfg(test)]
mod tests;
