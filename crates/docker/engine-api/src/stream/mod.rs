//! Byte streams of containers: frames, detach keys, hijacked connections, JSON line by line.

pub(crate) mod bar;
pub(crate) mod detach;
pub(crate) mod frame;
pub(crate) mod hijack;
pub(crate) mod progress;
pub(crate) mod tar;
