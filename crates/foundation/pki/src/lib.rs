//! Certificates and tokens: a cluster's authorities, what they sign, and who a certificate or a token says it is.
#![forbid(unsafe_code)]
