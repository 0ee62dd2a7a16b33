//! When images were last used. In memory to the second; on the disk to the hour, so that a use costs nothing.
//! Times are microseconds since 1970: who looks whether something was used since must not miss a use.

use std::sync::atomic::{AtomicI64, Ordering};

use super::Table;
use crate::Digest;

/// How old what is written down may be, in microseconds, before a use writes it again.
pub(crate) const COARSE: i64 = 3600 * 1_000_000;

/// Microseconds since 1970.
#[derive(Debug)]
pub(super) struct Used {
    last: AtomicI64,
    /// What the row says.
    written: AtomicI64,
}

impl Table {
    /// What is known of an image's last use when it comes into the table.
    pub(crate) fn set_used(&mut self, id: Digest, time: i64) {
        let used = Used {
            last: time.into(),
            written: time.into(),
        };
        self.used.insert(id, used);
    }

    /// Notes a use; answers whether it is to be written down.
    pub(crate) fn touch_image(&self, id: &Digest, time: i64) -> bool {
        let Some(used) = self.used.get(id) else {
            return false;
        };
        used.last.fetch_max(time, Ordering::Relaxed);
        let written = used.written.load(Ordering::Relaxed);
        // Of several at once, one writes.
        time.saturating_sub(written) >= COARSE
            && used
                .written
                .compare_exchange(written, time, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
    }

    /// When an image was last used, in microseconds since 1970; 0 if there is none.
    pub(crate) fn last_used(&self, id: &Digest) -> i64 {
        self.used
            .get(id)
            .map_or(0, |used| used.last.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uses_are_written_down_once_an_hour() {
        let (mut table, id) = (Table::default(), Digest::of(b"image"));
        assert!(!table.touch_image(&id, 5), "there is none");
        table.set_used(id, 100);
        assert!(!table.touch_image(&id, 100 + COARSE - 1));
        assert!(table.touch_image(&id, 100 + COARSE));
        assert!(!table.touch_image(&id, 101 + COARSE));
        assert!(!table.touch_image(&id, 50), "time does not go back");
        assert_eq!(table.last_used(&id), 101 + COARSE);
    }
}
