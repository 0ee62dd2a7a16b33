//! Netlink messages as bytes: pure encoders and decoders, no sockets.
//!
//! One attribute writer serves rtnetlink, nf_tables and ctnetlink. The numbers are those of the
//! kernel's uapi headers and stand beside the code that uses them.

pub(crate) mod attribute;
pub(crate) mod conntrack;
pub(crate) mod expression;
pub(crate) mod nftables;
pub(crate) mod route;
