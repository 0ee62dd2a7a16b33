//! One client over two transports: in-process, through the same pipeline as everyone, and HTTPS.
#![forbid(unsafe_code)]
