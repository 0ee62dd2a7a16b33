//! Reading numbers and bytes off a slice that may end anywhere.

/// What is left of the bytes.
pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn bytes(&mut self, length: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(head)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.bytes(N)?.try_into().ok()
    }

    pub(crate) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    pub(crate) fn u128(&mut self) -> Option<u128> {
        self.array().map(u128::from_le_bytes)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// A length that a limit far below 4 GiB has been checked against.
pub(crate) fn length_u32(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

/// A header block as both kinds of file begin with: magic, format, crc of the block, then
/// fields up to its fixed length (`docs/formats/store-log.md`, Segment and Checkpoint).
pub(crate) mod block {
    use super::Reader;

    /// Length of a header block in bytes: the largest sector disks have, so that what follows
    /// never shares one with it.
    pub(crate) const LENGTH: usize = 4096;
    /// The format that this release reads and writes.
    pub(crate) const FORMAT: u32 = 1;
    const CRC: std::ops::Range<usize> = 12..16;

    /// Builds a block and returns it with its crc.
    pub(crate) fn encode(magic: &[u8; 8], id: u128, fields: &[u64]) -> (Vec<u8>, u32) {
        let mut block = Vec::with_capacity(LENGTH);
        block.extend_from_slice(magic);
        block.extend_from_slice(&FORMAT.to_le_bytes());
        block.extend_from_slice(&[0; 4]);
        block.extend_from_slice(&id.to_le_bytes());
        fields
            .iter()
            .for_each(|field| block.extend_from_slice(&field.to_le_bytes()));
        block.resize(LENGTH, 0);
        let crc = crc32c::crc32c(&block);
        block[CRC].copy_from_slice(&crc.to_le_bytes());
        (block, crc)
    }

    /// Takes a block apart into id, fields and crc; `None` if it is not what [`encode`] made for
    /// this magic.
    pub(crate) fn decode<const N: usize>(block: &[u8], magic: &[u8; 8]) -> Option<(u128, [u64; N], u32)> {
        let mut reader = Reader(block);
        let found = reader.bytes(8)?;
        let (format, crc) = (reader.u32()?, reader.u32()?);
        let id = reader.u128()?;
        let mut fields = [0; N];
        for field in &mut fields {
            *field = reader.u64()?;
        }
        let mut zeroed = block.get(..LENGTH)?.to_vec();
        zeroed[CRC].fill(0);
        (found == magic && format == FORMAT && crc32c::crc32c(&zeroed) == crc).then_some((id, fields, crc))
    }
}
