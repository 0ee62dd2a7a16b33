//! Header blocks (SPDY draft 3 §2.6.10): names and values, compressed by one zlib stream for all blocks of a direction.

use bytes::{Buf, BufMut, Bytes};
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

use super::dictionary::dictionary;
use super::frame::Fault;

/// The most bytes of an unpacked block.
const MAX_BLOCK: usize = 64 << 10;
/// The most headers in one.
const MAX_HEADERS: u32 = 256;

/// The headers of a stream, names in lower case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers(pub Vec<(String, String)>);

impl Headers {
    /// The first value of a header; empty if there is none.
    pub fn get(&self, name: &str) -> &str {
        let mut found = self.0.iter().filter(|(own, _)| own.eq_ignore_ascii_case(name));
        found.next().map_or("", |(_, value)| value)
    }

    fn parse(mut block: &[u8]) -> Option<Self> {
        let count = block.try_get_u32().ok().filter(|count| *count <= MAX_HEADERS)?;
        let pairs: Option<Vec<_>> = (0..count)
            .map(|_| Some((text(&mut block)?, text(&mut block)?)))
            .collect();
        Some(Self(pairs?))
    }
}

/// A text with its length before it. Several values of a header stand in one, with a zero between; the first counts.
fn text(block: &mut &[u8]) -> Option<String> {
    let length = usize::try_from(block.try_get_u32().ok()?).ok()?;
    let (text, rest) = block.split_at_checked(length)?;
    *block = rest;
    let first = text.split(|byte| *byte == 0).next().unwrap_or_default();
    String::from_utf8(first.to_vec()).ok()
}

/// Unpacks what the client sends.
#[derive(Debug)]
pub(super) struct Unpacker(Decompress);

impl Unpacker {
    pub(super) fn new() -> Self {
        Self(Decompress::new(true))
    }

    /// The headers of the next block.
    pub(super) fn unpack(&mut self, block: &[u8]) -> Result<Headers, Fault> {
        let plain = self.inflate(block)?;
        Headers::parse(&plain).ok_or(Fault::Headers)
    }

    fn inflate(&mut self, block: &[u8]) -> Result<Vec<u8>, Fault> {
        let (mut plain, begin) = (Vec::with_capacity(1024), self.0.total_in());
        loop {
            let done = usize::try_from(self.0.total_in() - begin).unwrap_or(usize::MAX);
            let left = block.get(done..).unwrap_or_default();
            match self.0.decompress_vec(left, &mut plain, FlushDecompress::Sync) {
                Err(error) if error.needs_dictionary().is_some() => {
                    self.0.set_dictionary(&dictionary()).map_err(|_| Fault::Headers)?;
                }
                Ok(Status::Ok | Status::BufError) if plain.len() < plain.capacity() => return Ok(plain),
                Ok(Status::Ok | Status::BufError) if plain.len() < MAX_BLOCK => plain.reserve(plain.len()),
                _ => return Err(Fault::Headers),
            }
        }
    }
}

/// Packs what the server sends.
#[derive(Debug)]
pub(super) struct Packer(Compress);

impl Packer {
    pub(super) fn new() -> Self {
        let mut packer = Compress::new(Compression::fast(), true);
        // A fresh stream takes any dictionary; without one blocks would only be larger.
        drop(packer.set_dictionary(&dictionary()));
        Self(packer)
    }

    /// A block of headers. They are few and short.
    pub(super) fn pack(&mut self, headers: &Headers) -> Bytes {
        let mut plain = Vec::new();
        plain.put_u32(u32::try_from(headers.0.len()).unwrap_or(0));
        for text in headers.0.iter().flat_map(|(name, value)| [name, value]) {
            plain.put_u32(u32::try_from(text.len()).unwrap_or(0));
            plain.put_slice(text.as_bytes());
        }
        let mut packed = Vec::with_capacity(plain.len() + 1536);
        // There is room for the whole block, so that it fails never.
        drop(self.0.compress_vec(&plain, &mut packed, FlushCompress::Sync));
        packed.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn headers(pairs: &[(&str, &str)]) -> Headers {
        Headers(
            pairs
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
        )
    }

    #[test]
    fn the_dictionary_is_the_specifications() {
        let bytes = dictionary();
        let mut sums = (1_u32, 0_u32);
        for byte in &bytes {
            sums.0 = (sums.0 + u32::from(*byte)) % 65_521;
            sums.1 = (sums.1 + sums.0) % 65_521;
        }
        assert_eq!((bytes.len(), sums.1 << 16 | sums.0), (1423, 0xe3c6_a7c2));
    }

    #[test]
    fn blocks_of_a_direction_share_one_stream() {
        let (mut packer, mut unpacker) = (Packer::new(), Unpacker::new());
        for _ in 0..3 {
            let all = headers(&[("streamtype", "data"), ("port", "80"), ("requestid", "7")]);
            let block = packer.pack(&all);
            assert!(block.ends_with(&[0, 0, 0xff, 0xff]));
            assert_eq!(unpacker.unpack(&block).unwrap(), all);
        }
        let empty = packer.pack(&Headers::default());
        assert_eq!(unpacker.unpack(&empty).unwrap(), Headers::default());
    }

    #[test]
    fn a_block_has_bounds() {
        let long = headers(&[("a", &"x".repeat(MAX_BLOCK + 1))]);
        assert_eq!(
            Unpacker::new().unpack(&Packer::new().pack(&long)),
            Err(Fault::Headers)
        );
        let large = headers(&[("a", &"x".repeat(MAX_BLOCK / 2))]);
        assert_eq!(
            Unpacker::new().unpack(&Packer::new().pack(&large)).unwrap(),
            large
        );
        let names = vec![("a".to_owned(), String::new()); 257];
        assert_eq!(
            Unpacker::new().unpack(&Packer::new().pack(&Headers(names))),
            Err(Fault::Headers)
        );
    }

    proptest! {
        #[test]
        fn any_block_is_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            drop(Unpacker::new().unpack(&bytes));
            drop(Headers::parse(&bytes));
        }
    }
}
