//! Compressed streams, told apart by their first bytes (RFC 1952, RFC 8878).

use std::io::{self, BufReader, Chain, Cursor, Read};

use crate::archive::Fault;

/// How a stream is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compression {
    None,
    Gzip,
    Zstd,
}

/// What begins how. Go's engine reads the last two as well; here they are refused by name.
const MAGIC: &[(&[u8], Result<Compression, &str>)] = &[
    (&[0x1f, 0x8b], Ok(Compression::Gzip)),
    (&[0x28, 0xb5, 0x2f, 0xfd], Ok(Compression::Zstd)),
    (b"BZh", Err("bzip2")),
    (&[0xfd, b'7', b'z', b'X', b'Z', 0], Err("xz")),
];

const LONGEST_MAGIC: u64 = 6;

/// How many bytes are read at once.
const BUFFER: usize = 256 << 10;

/// The largest window of a zstd frame, as a power of two: what `zstd -19` uses, with room to
/// spare; more would let a few bytes claim gigabytes.
const ZSTD_WINDOW: u32 = 27;

/// The first bytes, which had to be looked at, and the rest.
type Source<R> = BufReader<Chain<Cursor<Vec<u8>>, R>>;

/// A stream that gives plain bytes, whatever is below.
pub(crate) enum Decoder<R: Read> {
    Plain(Source<R>),
    Gzip(Box<flate2::bufread::MultiGzDecoder<Source<R>>>),
    Zstd(Box<zstd::stream::read::Decoder<'static, Source<R>>>),
}

impl<R: Read> Decoder<R> {
    pub(crate) fn new(mut inner: R) -> Result<(Compression, Self), Fault> {
        let mut start = Vec::new();
        (&mut inner).take(LONGEST_MAGIC).read_to_end(&mut start)?;
        let compression = detect(&start)?;
        let inner = BufReader::with_capacity(BUFFER, Cursor::new(start).chain(inner));
        let decoder = match compression {
            Compression::None => Self::Plain(inner),
            Compression::Gzip => Self::Gzip(Box::new(flate2::bufread::MultiGzDecoder::new(inner))),
            Compression::Zstd => {
                let mut decoder = zstd::stream::read::Decoder::with_buffer(inner)?;
                decoder.window_log_max(ZSTD_WINDOW)?;
                Self::Zstd(Box::new(decoder))
            }
        };
        Ok((compression, decoder))
    }

    /// What is below.
    pub(crate) fn into_inner(self) -> R {
        let source = match self {
            Self::Plain(inner) => inner,
            Self::Gzip(decoder) => decoder.into_inner(),
            Self::Zstd(decoder) => decoder.finish(),
        };
        source.into_inner().into_inner().1
    }
}

impl<R: Read> Read for Decoder<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(inner) => inner.read(buffer),
            Self::Gzip(decoder) => decoder.read(buffer),
            Self::Zstd(decoder) => decoder.read(buffer),
        }
    }
}

fn detect(start: &[u8]) -> Result<Compression, Fault> {
    let known = MAGIC.iter().find(|(magic, _)| start.starts_with(magic));
    known
        .map_or(Ok(Compression::None), |(_, compression)| *compression)
        .map_err(Fault::Compression)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn decoded(bytes: &[u8]) -> Vec<u8> {
        let mut plain = Vec::new();
        Decoder::new(bytes).unwrap().1.read_to_end(&mut plain).unwrap();
        plain
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn streams_are_told_apart() {
        let plain = b"plain".repeat(1000);
        assert_eq!(decoded(&plain), plain);
        assert_eq!(decoded(&gzip(&plain)), plain);
        assert_eq!(decoded(&zstd::encode_all(&*plain, 1).unwrap()), plain);
        assert_eq!(decoded(b""), b"");
    }

    #[test]
    fn several_members_are_one_stream() {
        assert_eq!(decoded(&[gzip(b"one"), gzip(b"two")].concat()), b"onetwo");
    }

    #[test]
    fn what_is_not_supported_is_named() {
        let fault = Decoder::new(&b"\xfd7zXZ\0rest"[..]).err().unwrap();
        assert_eq!(fault.to_string(), "xz compression is not supported");
    }
}
