//! Images: the content store, references, layers, snapshots and archives.

#![forbid(unsafe_code)]
