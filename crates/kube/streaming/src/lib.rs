//! The stream protocols of exec, attach and port-forward: WebSocket and SPDY/3.1, bytes to channels.
#![forbid(unsafe_code)]
