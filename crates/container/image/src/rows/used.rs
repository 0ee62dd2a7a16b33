//! When images were last used, and which results of builds somebody was told the id of.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::VERSION;

/// `/used/HEX` (the image): when it was last used, as it was written down last: at most once an hour.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct UsedRow {
    pub(crate) v: u8,
    pub(crate) time: Timestamp,
}

impl UsedRow {
    pub(crate) const fn new(time: Timestamp) -> Self {
        Self { v: VERSION, time }
    }
}
