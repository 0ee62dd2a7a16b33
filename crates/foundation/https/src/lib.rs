//! The HTTPS door: TLS, HTTP/1.1 and HTTP/2, upgrades, and a drain that loses no answer.
//!
//! It knows connections, not requests: what a path means, who may ask and how long an answer may take is the
//! [`Service`]'s. Client certificates are asked for and their possession is proven, but nothing here judges
//! them (decision 13): their bearer hears 401 from the service, not a TLS alert. What waits or is stored is bounded by
//! [`Limits`]; a peer that has vanished is found by the kernel's own timers, so an idle door has none.
//!
//! [`Client`] is the other side, for command lines and remote components; [`Caller`] asks many servers, webhooks for one; whoever
//! goes through proxies or sends streams has [`Pool`] and [`ClientTls`]. [`TokioEnv`] runs tasks of rooms that
//! know no executor.
#![forbid(unsafe_code)]

mod account;
mod body;
mod caller;
mod client;
mod connection;
mod door;
mod doubt;
mod env;
mod file;
mod files;
mod identity;
mod idle;
mod limits;
mod outgoing;
mod pass;
mod plain;
mod pool;
mod secure;
mod service;
mod trust;
mod upgraded;
mod whole;
mod wire;

pub use body::{RequestBody, Rest};
pub use caller::{CallError, Caller, ServerTrust, Target};
pub use client::{Client, ClientError, Endpoint};
pub use door::{Door, Drained, OpenError};
pub use doubt::Doubt;
pub use env::TokioEnv;
pub use file::{FileBody, FilePart};
pub use identity::{Identity, TlsError};
pub use limits::Limits;
pub use pass::pass_on;
pub use plain::Plain;
pub use pool::{Connection, Pool};
pub use secure::{ClientTls, SecureError};
pub use service::{Peer, Service, upgraded};
pub use upgraded::Upgraded;
pub use whole::{Budget, Whole, WholeError};
