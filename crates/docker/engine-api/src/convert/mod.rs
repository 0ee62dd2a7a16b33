//! Pure functions between the API's shapes and the engine's types. No I/O and no clock: what has to
//! be looked up comes in as an argument.

pub(crate) mod container;
pub(crate) mod create;
pub(crate) mod path;
pub(crate) mod signal;
pub(crate) mod time;
