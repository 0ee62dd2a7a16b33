//! Encodings: what a client sends and what it accepts. (WRITE)
