//! Go's durations (`1h30m`), as `metav1.Duration` and schedules have them.

use crate::scalar::duration::parse;

/// What Go says of a text that is no duration.
pub fn fault(text: &str) -> Option<String> {
    parse(text).err()
}
