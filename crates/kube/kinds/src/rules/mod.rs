//! The rules that several kinds share, with upstream's texts.

pub mod ip;
pub mod names;
pub mod text;
pub mod value;
