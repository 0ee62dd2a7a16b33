//! From text to a tree: tokens, literals, grammar, macros.

pub(crate) mod ast;
mod lexer;
mod literal;
mod macros;
mod parser;
mod recover;

pub(crate) use parser::parse;

#[cfg(test)]
mod tests;
