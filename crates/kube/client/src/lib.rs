//! One client of the Kubernetes API over any transport, and the informers that stand on it.
//!
//! In-process a request is a call of the API server, through the same pipeline as everyone's ([`InProcess`]); elsewhere
//! it is whatever [`Transport`] its process brings, since this room knows no executor and no socket. Nothing here has
//! Go-like types: objects are the bytes that the server sent, and whoever wants more decodes them by their row.
//!
//! [`Informers`] are one view of the world for all who follow it. In the API server's own process they are its watch
//! cache, so that no object is in memory twice; over a network each resource has one list and one watch.
#![forbid(unsafe_code)]

mod answer;
mod discovery;
mod error;
mod follow;
mod informer;
mod kubeconfig;
mod options;
mod place;
mod recorder;
mod request;
mod transport;
mod verbs;
mod watch;

pub use answer::{List, Object};
pub use discovery::{Discovery, Entry};
pub use error::Error;
pub use follow::{Follow, Step};
pub use informer::{Change, Changes, Following, Informer, Informers};
pub use kubeconfig::{Context, Credentials, KubeconfigError};
pub use options::{
    DeleteOptions, ListOptions, PatchKind, Preconditions, Propagation, Selectors, WatchOptions, WriteOptions,
};
pub use place::{Place, Resource};
pub use recorder::{Level, Recorder, Subject};
pub use transport::{AnswerBody, Answered, InProcess, Transport, TransportError};
pub use verbs::Client;
pub use watch::{Event, Watch};
