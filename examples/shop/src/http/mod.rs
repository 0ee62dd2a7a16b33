//! As much of HTTP/1.1 (RFC 9112) as the shop speaks: one request to a connection, bodies of a known length. Keeping
//! connections would put requests at risk that are sent while their server ends, and none of these servers waits.

pub(crate) mod client;
mod message;
pub(crate) mod server;

pub(crate) use message::{Answer, Request};

use crate::refusal::Refusal;

/// A service of the shop.
pub(crate) trait Service: Send + Sync {
    fn answer(&self, request: &Request) -> Result<Answer, Refusal>;

    /// Whether it can do its work yet; asked until it says so for the first time.
    fn ready(&self) -> bool {
        true
    }

    /// Whether each request is worth a line; what the log is told is not.
    fn is_logged(&self) -> bool {
        true
    }
}
