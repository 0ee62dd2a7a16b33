//! One file for each verb, generic over the resource. (WRITE: create update patch delete delete_collection; READ: get list watch)

mod frame;
pub(crate) mod get;
pub(crate) mod list;
mod list_body;
mod options;
mod read_error;
mod token;
pub(crate) mod watch;
