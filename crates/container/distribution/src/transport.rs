//! Bytes to and from servers: connections, TLS, proxies, redirects.
