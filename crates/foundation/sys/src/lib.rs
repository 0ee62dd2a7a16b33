//! The `sys` room.
#![expect(unsafe_code, reason = "this is the room for it")]

pub mod bpf;
