//! The kubelet's own HTTPS API: logs, exec, attach, port-forward, the node's pods, health.
//!
//! One server with two entrances: [`https::Service`] for the port, where every request is authenticated and authorised
//! through the API server as upstream's kubelet does it, and [`Server::call`] for the API server of the same process,
//! which has judged its requests itself. `routes` is the table of paths; what is not in it is 404. Where containers are
//! and how bytes become streams is `streaming`'s.
#![forbid(unsafe_code)]

mod answer;
mod auth;
mod exec;
mod forward;
mod health;
mod local;
mod log_query;
mod logs;
mod lookup;
mod pods;
mod query;
mod routes;
mod run;
mod server;
mod sessions;

pub use server::{Parts, Server};
