//! The name server that each container on a user-defined network has at 127.0.0.11.
//!
//! Its sockets are bound inside the container's namespace when it is attached, where [`redirect`]
//! leads queries to them, and held by the supervisor: while the daemon is being restarted queries
//! wait in their queues. [`directory`] knows the names, [`answer`] turns a query into bytes, both pure; [`server`] moves bytes, and
//! [`forward`] asks the servers of the host for everything else.

pub(crate) mod answer;
pub(crate) mod directory;
pub(crate) mod forward;
mod redirect;
pub(crate) mod server;

pub(crate) use directory::{Forward, Member, Place};
pub(crate) use server::Resolver;
