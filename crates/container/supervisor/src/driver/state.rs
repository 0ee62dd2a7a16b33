//! What crosses a re-exec: `docs/formats/supervisor-protocol.md`, section "State memfd".

use std::collections::BTreeMap;
use std::io;

use crate::protocol::Name;
use crate::protocol::wire::{Reader, Wire, wire_struct};
use crate::pump::PumpedLog;
use crate::table::Table;

const MAGIC: [u8; 8] = *b"GNTRYSUP";
/// Version of the format that this build writes.
const VERSION: u32 = 2;
/// The oldest version whose readers understand what this build writes.
const OLDEST_READER: u32 = 2;
/// Far above what [`MAX_LIVES`](crate::table::MAX_LIVES) processes with full lines can need.
pub(super) const MAX_STATE: usize = 256 << 20;

wire_struct! {
    /// Descriptors of one process, by number. Life 0 is the daemon, which has its pidfd.
    pub(super) struct SavedHandles {
        pub(super) life: u64,
        pub(super) fds: Vec<Option<i32>>,
        pub(super) logged: bool,
    }
}

wire_struct! {
    pub(super) struct Saved {
        pub(super) table: Table,
        pub(super) listener: i32,
        pub(super) next_connection: u64,
        pub(super) connections: BTreeMap<u64, i32>,
        pub(super) handles: Vec<SavedHandles>,
        pub(super) held: BTreeMap<Name, Vec<i32>>,
        pub(super) logs: Vec<PumpedLog>,
        /// Whom the new image answers that it is there.
        pub(super) answer: (u64, u32),
    }
}

impl Saved {
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        VERSION.put(&mut out);
        OLDEST_READER.put(&mut out);
        self.put(&mut out);
        out
    }

    /// `InvalidData` for anything but the state of a neighbouring version.
    pub(super) fn from_bytes(bytes: &[u8]) -> io::Result<Self> {
        let parse = || {
            let body = bytes.strip_prefix(&MAGIC)?;
            let mut reader = Reader(body);
            let (_, oldest_reader) = (u32::get(&mut reader).ok()?, u32::get(&mut reader).ok()?);
            (oldest_reader <= VERSION).then(|| Self::get(&mut reader).ok())?
        };
        parse().ok_or_else(|| io::ErrorKind::InvalidData.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::wire::Source;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn state_survives(numbers in prop::collection::vec(any::<u64>(), 0..400), cut: prop::sample::Index) {
            let saved = Saved::sample(&mut Source(numbers));
            let bytes = saved.to_bytes();
            prop_assert_eq!(Saved::from_bytes(&bytes).unwrap(), saved);
            prop_assert!(Saved::from_bytes(&bytes[..cut.index(bytes.len())]).is_err());
        }
    }
}
