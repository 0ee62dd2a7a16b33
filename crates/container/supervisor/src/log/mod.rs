//! Log files of containers: lines out of a byte stream, entries out of lines, files that rotate.
//!
//! Everything but `file.rs` is pure and takes the time as an argument. The formats are written
//! down in `docs/formats/supervisor-protocol.md`, section "Log files".

mod counters;
pub mod entry;
mod file;
mod lines;
mod time;

pub(crate) use counters::Counters;
pub use entry::StreamName;
pub(crate) use file::{Batch, LogFile};
pub(crate) use lines::Splitter;
pub use time::rfc3339_nano;
