//! The rules that several kinds share, with upstream's texts.

pub mod names;
