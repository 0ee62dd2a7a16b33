//! The HTTPS door: TLS, HTTP/1.1 and HTTP/2, upgrades, and a drain that loses no answer.
#![forbid(unsafe_code)]
