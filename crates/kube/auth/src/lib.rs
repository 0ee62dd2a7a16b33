//! Who asks, and whether they may: users, attributes of a request, RBAC, nodes, and the bootstrap policy
//! as data. Pure.
//!
//! A [`Policy`] is all RBAC objects of a cluster in the form in which they are asked; whoever holds one keeps it
//! true to the stored objects. [`bootstrap`] is what a new cluster starts with.
#![forbid(unsafe_code)]

mod attributes;
pub mod bootstrap;
mod escalation;
pub mod node;
mod objects;
mod policy;
mod user;

pub use attributes::{Attributes, Decision};
pub use objects::{Binding, PolicyRule, Role, RoleRef, Subject};
pub use policy::{NotFound, Policy, Rules, aggregate};
pub use user::UserInfo;
