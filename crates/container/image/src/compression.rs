//! Compressed streams, told apart by their first bytes (RFC 1952, RFC 8878, the .xz file format, bzip2's).

use std::io::{self, BufReader, Chain, Cursor, Read};

use crate::archive::Fault;

/// How a stream is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compression {
    None,
    Gzip,
    Zstd,
    Bzip2,
    Xz,
}

/// What begins how.
const MAGIC: &[(&[u8], Compression)] = &[
    (&[0x1f, 0x8b], Compression::Gzip),
    (&[0x28, 0xb5, 0x2f, 0xfd], Compression::Zstd),
    (b"BZh", Compression::Bzip2),
    (&[0xfd, b'7', b'z', b'X', b'Z', 0], Compression::Xz),
];

const LONGEST_MAGIC: usize = 6;

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
    Bzip2(Box<bzip2::bufread::MultiBzDecoder<Source<R>>>),
    /// Its window is bounded by the worker's address space.
    Xz(Box<lzma_rust2::XzReader<Source<R>>>),
}

impl<R: Read> Decoder<R> {
    pub(crate) fn new(mut inner: R) -> Result<(Compression, Self), Fault> {
        let mut start = Vec::new();
        (&mut inner).take(LONGEST_MAGIC as u64).read_to_end(&mut start)?;
        let compression = detect(&start);
        let inner = BufReader::with_capacity(BUFFER, Cursor::new(start).chain(inner));
        let decoder = match compression {
            Compression::None => Self::Plain(inner),
            Compression::Gzip => Self::Gzip(Box::new(flate2::bufread::MultiGzDecoder::new(inner))),
            Compression::Zstd => {
                let mut decoder = zstd::stream::read::Decoder::with_buffer(inner)?;
                decoder.window_log_max(ZSTD_WINDOW)?;
                Self::Zstd(Box::new(decoder))
            }
            Compression::Bzip2 => Self::Bzip2(Box::new(bzip2::bufread::MultiBzDecoder::new(inner))),
            Compression::Xz => Self::Xz(Box::new(lzma_rust2::XzReader::new(inner, true))),
        };
        Ok((compression, decoder))
    }

    /// What is below.
    pub(crate) fn into_inner(self) -> R {
        let source = match self {
            Self::Plain(inner) => inner,
            Self::Gzip(decoder) => decoder.into_inner(),
            Self::Bzip2(decoder) => decoder.into_inner(),
            Self::Zstd(decoder) => decoder.finish(),
            Self::Xz(decoder) => decoder.into_inner(),
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
            Self::Bzip2(decoder) => decoder.read(buffer),
            Self::Xz(decoder) => decoder.read(buffer),
        }
    }
}

/// Whether a file is compressed as layers of registries never are, so that what it is plain is kept instead.
///
/// # Errors
/// The disk's.
pub(crate) fn is_foreign(file: &std::fs::File) -> io::Result<bool> {
    let mut start = [0; LONGEST_MAGIC];
    let read = std::os::unix::fs::FileExt::read_at(file, &mut start, 0)?;
    Ok(matches!(
        detect(&start[..read]),
        Compression::Bzip2 | Compression::Xz
    ))
}

fn detect(start: &[u8]) -> Compression {
    let known = MAGIC.iter().find(|(magic, _)| start.starts_with(magic));
    known.map_or(Compression::None, |(_, compression)| *compression)
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

    /// What `xz` and `bzip2` make of `plain` a thousand times.
    const XZ: &[u8] = b"\xfd\x37\x7a\x58\x5a\x00\x00\x04\xe6\xd6\xb4\x46\x02\x00\x21\x01\x16\x00\x00\x00\x74\x2f\xe5\xa3\xe0\x13\x87\x00\x24\x5d\x00\x38\x1b\x08\x47\x82\xbd\x7d\x70\x70\xa2\x0c\xe6\xd6\x60\x54\xcd\x8d\xce\xf8\x21\xbe\x92\xc2\x67\x6c\xc4\xec\x0d\xff\x89\x76\xf8\x9f\x6a\x00\x00\x00\xe3\x05\xb8\x10\xcb\xb4\xc8\xbd\x00\x01\x40\x88\x27\x00\x00\x00\x65\xb2\x7e\x70\xb1\xc4\x67\xfb\x02\x00\x00\x00\x00\x04\x59\x5a";
    const BZIP2: &[u8] = b"\x42\x5a\x68\x39\x31\x41\x59\x26\x53\x59\x96\x09\x0a\x82\x00\x09\xc3\x81\x80\x20\x25\x40\x00\x20\x00\x54\x33\x40\x26\xa8\x9a\x6d\x48\x32\xa4\x1d\x52\x0f\x54\x83\xaa\x41\xc5\xdc\x91\x4e\x14\x24\x25\x82\x42\xa0\x80";

    #[test]
    fn what_others_have_compressed() {
        let plain = b"plain".repeat(1000);
        assert_eq!(decoded(XZ), plain);
        assert_eq!(decoded(BZIP2), plain);
        assert_eq!(decoded(&[BZIP2, BZIP2].concat()), b"plain".repeat(2000));
        for cut in [&XZ[..50], &BZIP2[..30]] {
            let mut plain = Vec::new();
            assert!(Decoder::new(cut).unwrap().1.read_to_end(&mut plain).is_err());
        }
    }
}
