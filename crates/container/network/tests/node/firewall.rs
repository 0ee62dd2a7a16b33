//! Beside somebody else's firewall.
