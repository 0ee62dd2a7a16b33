//! The API server: one pipeline of layers, one file for each verb, one registry and one watch cache for every resource. Knows no executor and no socket.
#![forbid(unsafe_code)]
