//! Changing objects by description: JSON patch, merge patch, strategic merge patch, and server-side apply with its managed fields. Pure.
#![forbid(unsafe_code)]
