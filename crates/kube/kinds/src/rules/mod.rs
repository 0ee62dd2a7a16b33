//! The rules that several kinds share, with upstream's texts.

pub mod ip;
pub mod names;
pub mod node_selector;
pub mod paths;
pub mod quantity;
pub mod selector;
pub mod table;
pub mod text;
pub mod value;
pub mod variable;
