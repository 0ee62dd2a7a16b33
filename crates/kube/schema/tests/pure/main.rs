//! What the codecs promise, against upstream's own round-trip files and against random trees.

mod oracle;
mod pack;
