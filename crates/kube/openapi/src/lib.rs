//! What the API says of itself: discovery (plain and aggregated) and OpenAPI v2 and v3, printed from the resource rows. Pure.
#![forbid(unsafe_code)]
