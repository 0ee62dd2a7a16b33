//! Netlink messages as bytes: pure encoders and decoders, no sockets.
//!
//! One attribute writer serves rtnetlink, nf_tables and ctnetlink. The numbers are those of the
//! kernel's uapi headers and stand beside the code that uses them.

pub(crate) mod attribute;
pub(crate) mod conntrack;
pub(crate) mod expression;
pub(crate) mod nftables;
pub(crate) mod route;

/// Bytes for a snapshot: sixteen to a line.
#[cfg(test)]
pub(crate) fn hex(bytes: &[u8]) -> String {
    let line = |bytes: &[u8]| {
        bytes
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<Vec<_>>()
            .join(" ")
    };
    bytes.chunks(16).map(line).collect::<Vec<_>>().join("\n")
}
