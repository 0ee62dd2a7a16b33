//! Records and their operations as bytes (`docs/formats/store-log.md`, Record).

use std::num::NonZeroU64;
use std::sync::Arc;

use bytes::Bytes;

use crate::wire::{Reader, length_u32};
use crate::{Key, KeyValue, LeaseId, Options, Reading, Revision};

/// Length of a record's header, and so of the shortest record, in bytes.
pub(crate) const HEADER: usize = 40;
/// Records start at multiples of this many bytes.
pub(crate) const ALIGN: usize = 8;

/// One logged change. Its revision follows from its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum LogOp {
    Put(Arc<KeyValue>),
    Delete(Key),
    Grant { lease: LeaseId, seconds: u64 },
    Revoke { lease: LeaseId },
}

/// The fields of a record's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) length: usize,
    pub(crate) crc: u32,
    pub(crate) link: u32,
    pub(crate) base: Revision,
    pub(crate) ceiling: Revision,
    pub(crate) synced: Revision,
}

impl LogOp {
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Put(row) => {
                let fields = [
                    row.create_revision.0,
                    row.version,
                    row.lease.map_or(0, |lease| lease.0.get()),
                ];
                encode_op(out, 1, fields, &row.key, &row.value);
            }
            Self::Delete(key) => encode_op(out, 2, [0; 3], key, &[]),
            Self::Grant { lease, seconds } => encode_op(out, 3, [*seconds, 0, lease.0.get()], &[], &[]),
            Self::Revoke { lease } => encode_op(out, 4, [0, 0, lease.0.get()], &[], &[]),
        }
    }

    /// Reads the operation that happened at `revision`; `None` if these bytes are none.
    pub(crate) fn decode(reader: &mut Reader<'_>, revision: Revision) -> Option<Self> {
        let (kind, key, value) = (reader.u16()?, usize::from(reader.u16()?), reader.u32()?);
        let (first, version, lease) = (
            reader.u64()?,
            reader.u64()?,
            NonZeroU64::new(reader.u64()?).map(LeaseId),
        );
        let key = Key::from(reader.bytes(key)?);
        let value = reader.bytes(usize::try_from(value).ok()?)?;
        match kind {
            1 => Some(Self::Put(Arc::new(KeyValue {
                key,
                value: Bytes::copy_from_slice(value),
                create_revision: Revision(first),
                mod_revision: revision,
                version,
                lease,
                reading: Reading::default(),
            }))),
            2 => Some(Self::Delete(key)),
            3 => lease.map(|lease| Self::Grant {
                lease,
                seconds: first,
            }),
            4 => lease.map(|lease| Self::Revoke { lease }),
            _ => None,
        }
    }
}

/// The kind takes the low byte of its 16 bits; the high one is the reserved zero.
fn encode_op(out: &mut Vec<u8>, kind: u16, fields: [u64; 3], key: &[u8], value: &[u8]) {
    out.extend_from_slice(&kind.to_le_bytes());
    out.extend_from_slice(&u16::try_from(key.len()).unwrap_or(u16::MAX).to_le_bytes());
    out.extend_from_slice(&length_u32(value.len()).to_le_bytes());
    fields
        .iter()
        .for_each(|field| out.extend_from_slice(&field.to_le_bytes()));
    out.extend_from_slice(key);
    out.extend_from_slice(value);
}

/// All operations of a record, or `None` if any byte is out of place.
pub(crate) fn decode_ops(ops: &[u8], base: Revision) -> Option<Vec<LogOp>> {
    let mut reader = Reader(ops);
    let mut decoded = Vec::new();
    let mut revision = base;
    while !reader.is_empty() {
        decoded.push(LogOp::decode(&mut reader, revision)?);
        revision = revision.next();
    }
    Some(decoded)
}

impl Header {
    /// Reads a header that could be one: cheap checks first, as a scan tries many offsets.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader(bytes);
        let length = usize::try_from(reader.u32()?).ok()?;
        if !(HEADER..=Options::MAX_RECORD).contains(&length) {
            return None;
        }
        let (crc, link, zero) = (reader.u32()?, reader.u32()?, reader.u32()?);
        let [base, ceiling, synced] = [reader.u64()?, reader.u64()?, reader.u64()?].map(Revision);
        let sound = zero == 0 && synced < base && base.0 <= ceiling.0.saturating_add(1);
        sound.then_some(Self {
            length,
            crc,
            link,
            base,
            ceiling,
            synced,
        })
    }

    /// Whether `record`, all of its bytes, was written in the life of the segment with this seed.
    pub(crate) fn fits(&self, record: &[u8], seed: u32) -> bool {
        self.crc == crc_of(record, seed)
    }

    /// What a record occupies, in bytes.
    pub(crate) fn stride(&self) -> u64 {
        self.length.next_multiple_of(ALIGN) as u64
    }
}

fn crc_of(record: &[u8], seed: u32) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c_append(seed, &record[..4]), &record[8..])
}

/// A record under construction: room for its header, then operations.
#[derive(Debug)]
pub(crate) struct RecordBuilder {
    bytes: Vec<u8>,
    count: u64,
}

impl RecordBuilder {
    pub(crate) fn new() -> Self {
        Self {
            bytes: vec![0; HEADER],
            count: 0,
        }
    }

    pub(crate) fn push(&mut self, op: &LogOp) {
        op.encode(&mut self.bytes);
        self.count += 1;
    }

    /// How many operations it has.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// What it will occupy, in bytes.
    pub(crate) fn stride(&self) -> u64 {
        self.bytes.len().next_multiple_of(ALIGN) as u64
    }

    /// The finished record, padding included, and its crc. The length and crc of `header` are
    /// not looked at.
    pub(crate) fn finish(mut self, header: Header, seed: u32) -> (Vec<u8>, u32) {
        let length = self.bytes.len();
        let fields = [header.base, header.ceiling, header.synced];
        self.bytes[0..4].copy_from_slice(&length_u32(length).to_le_bytes());
        self.bytes[8..12].copy_from_slice(&header.link.to_le_bytes());
        for (slot, field) in self.bytes[16..HEADER].chunks_exact_mut(8).zip(fields) {
            slot.copy_from_slice(&field.0.to_le_bytes());
        }
        let crc = crc_of(&self.bytes, seed);
        self.bytes[4..8].copy_from_slice(&crc.to_le_bytes());
        self.bytes.resize(length.next_multiple_of(ALIGN), 0);
        (self.bytes, crc)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn arb_op() -> impl Strategy<Value = LogOp> {
        let bytes = prop::collection::vec(any::<u8>(), 0..40);
        (0..4u8, bytes.clone(), bytes, any::<[u64; 3]>()).prop_map(|(kind, key, value, [a, b, lease])| {
            let (key, lease) = (Key::from(&key[..]), NonZeroU64::new(lease).map(LeaseId));
            match (kind, lease) {
                (0, Some(lease)) => LogOp::Grant { lease, seconds: a },
                (1, Some(lease)) => LogOp::Revoke { lease },
                (2, _) => LogOp::Delete(key),
                _ => LogOp::Put(Arc::new(KeyValue {
                    key,
                    value: value.into(),
                    create_revision: Revision(a),
                    mod_revision: Revision::ZERO,
                    version: b,
                    lease,
                    reading: Reading::default(),
                })),
            }
        })
    }

    /// Puts carry the revision of their place.
    fn placed(ops: Vec<LogOp>, base: u64) -> Vec<LogOp> {
        let place = |(at, op)| match op {
            LogOp::Put(row) => LogOp::Put(Arc::new(KeyValue {
                mod_revision: Revision(at),
                ..(*row).clone()
            })),
            other => other,
        };
        (base..).zip(ops).map(place).collect()
    }

    fn header(base: u64) -> Header {
        let (ceiling, synced) = (Revision(base + 100), Revision(base - 1));
        Header {
            length: 0,
            crc: 0,
            link: 7,
            base: Revision(base),
            ceiling,
            synced,
        }
    }

    fn build(ops: &[LogOp], seed: u32) -> Vec<u8> {
        let mut builder = RecordBuilder::new();
        ops.iter().for_each(|op| builder.push(op));
        builder.finish(header(5), seed).0
    }

    proptest! {
        #[test]
        fn records_come_back(ops in prop::collection::vec(arb_op(), 0..6), seed: u32, flip: prop::sample::Index) {
            let ops = placed(ops, 5);
            let mut bytes = build(&ops, seed);
            prop_assert_eq!(bytes.len() % ALIGN, 0);
            let read = Header::decode(&bytes).unwrap();
            prop_assert_eq!(Header { length: 0, crc: 0, ..read }, header(5));
            prop_assert!(read.fits(&bytes[..read.length], seed));
            prop_assert!(!read.fits(&bytes[..read.length], !seed));
            prop_assert_eq!(decode_ops(&bytes[HEADER..read.length], read.base), Some(ops));

            let bit = flip.index(read.length * 8);
            bytes[bit / 8] ^= 1 << (bit % 8);
            let whole = |h: &Header| bytes.get(..h.length).is_some_and(|record| h.fits(record, seed));
            prop_assert!(!Header::decode(&bytes).is_some_and(|h| whole(&h)), "bit {} went unnoticed", bit);
        }

        #[test]
        fn any_bytes_decode_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            drop((Header::decode(&bytes), decode_ops(&bytes, Revision(1))));
        }
    }
}
