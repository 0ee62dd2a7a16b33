//! Who asks, and whether they may: users, attributes of a request, RBAC, and the bootstrap policy as data. Pure.
#![forbid(unsafe_code)]

mod user;

pub use user::UserInfo;
