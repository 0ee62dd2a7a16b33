//! The name server that each container on a user-defined network has at 127.0.0.11, and the one of
//! a cluster's pods.
//!
//! A container's sockets are bound inside the container's namespace when it is attached, where [`redirect`]
//! leads queries to them, and held by the supervisor: while the daemon is being restarted queries
//! wait in their queues. [`directory`] knows the names, [`answer`] turns a query into bytes, both
//! pure; [`server`] moves bytes, and [`forward`] asks the servers of the host for everything else.
//!
//! The cluster's has the same parts but for the directory: [`cluster`] has the answers that somebody
//! else's [`zone`] gives, for containers' servers too, so that both worlds know the cluster's names.

pub(crate) mod answer;
pub(crate) mod cluster;
pub(crate) mod directory;
pub(crate) mod forward;
mod redirect;
pub(crate) mod server;
pub(crate) mod zone;

pub(crate) use cluster::Names;
pub(crate) use directory::{Forward, Member, Place};
pub(crate) use server::{Asker, Resolver};
