//! Who asks: certificates, tokens, anonymous, impersonation. (AUTH)
