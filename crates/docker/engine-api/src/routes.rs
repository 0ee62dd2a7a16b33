//! The table of endpoints, in the order upstream tries them.

use crate::Api;
use crate::server::router::{Route, route};
use crate::system;

/// Every endpoint.
pub(crate) const ROUTES: &[Route<Api>] = &[
    route!(GET "/_ping" => system::ping),
    route!(HEAD "/_ping" => system::ping),
];
