//! Structural schemas: what a CustomResourceDefinition says of its objects, compiled once, and the rules for the
//! definition itself. Pure: trees in, trees and field errors out.
//!
//! A [`Node`] is a schema; [`rows()`] makes the table that decoders, pruning, defaults and apply walk, [`validate()`],
//! [`unique`] and [`embedded()`] judge objects in upstream's words. [`definition`] is the row of the kind
//! `CustomResourceDefinition` itself.
#![forbid(unsafe_code)]

pub mod definition;
mod embedded;
mod format;
mod jsonpath;
mod lists;
mod node;
pub mod nulls;
mod rows;
mod rule;
mod validate;
mod view;

pub use embedded::embedded;
pub use format::Format;
pub use jsonpath::JsonPath;
pub use lists::unique;
pub use node::{Additional, Bound, JsonTypes, ListType, Node, Pattern, Size};
pub use rows::{Root, rows};
pub use rule::Rule;
pub use validate::validate;
pub use view::View;
