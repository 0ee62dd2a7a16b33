//! Controllers beside an API server, under seeded schedules and virtual time.
#[path = "pure/garbage.rs"]
mod garbage;
#[path = "pure/namespaces.rs"]
mod namespaces;
#[path = "pure/node.rs"]
mod node;
#[path = "pure/others.rs"]
mod others;
