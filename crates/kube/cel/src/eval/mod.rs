//! Evaluation.

mod lower;
mod program;
mod run;

pub use program::{Mention, Program};
