//! The API server: one pipeline of layers, one file for each verb, one registry and one watch cache for every
//! resource. Knows no executor and no socket.
//!
//! A request passes `pipeline` (identity, rights, limits), is read by `negotiate`, carried out by a file of `verbs`
//! (or `special`, for the paths below an object that are more than the object), which works on `registry` (writing)
//! and `cache` (reading), and its [`Reply`] is encoded by `negotiate` again. [`Resources`] is the one live table of
//! what is served; nothing else knows a kind.
#![forbid(unsafe_code)]

mod admission;
mod aggregation;
mod annotations;
mod authn;
mod authz;
mod body;
mod bootstrap;
pub mod cache;
mod call;
mod config;
mod custom;
mod fairness;
mod ids;
mod negotiate;
pub mod nodes;
pub mod outbound;
mod pipeline;
mod refused;
mod registry;
mod reply;
mod request_info;
mod resources;
mod reviews;
pub mod select;
mod server;
mod show;
mod special;
mod verbs;

pub use annotations::{Annotation, AnnotationLevel, Annotations};
pub use body::{Body, BodyError, Incoming, NotTaken};
pub use call::{Call, Peer, Query, Warnings, Writing};
pub use config::Config;
pub use refused::{Answer, Refused};
pub use reply::Reply;
pub use request_info::{RequestInfo, Verb};
pub use resources::{Resources, Served};
pub use server::{ApiServer, OpenError};
