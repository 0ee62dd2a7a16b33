//! Compressing a layer for a push, on all cores.
//!
//! gzip as pigz does it: the input is cut into blocks, each is deflated by itself with the end of the one before
//! as its dictionary and closed by an empty stored block, so that all of them in a row are one stream. Where
//! blocks end depends on nothing but the input, so the same layer gives the same bytes on every machine.

use std::io::{self, Read, Write};
use std::sync::Mutex;
use std::thread;

use flate2::{Compress, Compression, Crc, FlushCompress, Status};

use crate::Algorithm;

/// Large enough that a block's own cost does not show, small enough that all cores have some.
const BLOCK: usize = 512 << 10;
/// How far a match may reach back (RFC 1951).
const WINDOW: usize = 32 << 10;
/// Blocks in memory for each core.
const DEPTH: usize = 4;
/// What `docker push` uses, and every gzip by default.
pub(crate) const LEVEL: u32 = 6;
/// zstd's own default.
const ZSTD_LEVEL: i32 = 3;

/// RFC 1952: deflate, no name, no time, system unknown.
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];

/// Compresses a stream, as hard as a level says that the algorithm has.
pub(crate) fn compress(
    algorithm: Algorithm,
    level: Option<i32>,
    source: impl Read,
    out: &mut dyn Write,
) -> io::Result<()> {
    match algorithm {
        Algorithm::Gzip => {
            let cores = thread::available_parallelism().map_or(1, std::num::NonZero::get);
            let level = level.and_then(|level| u32::try_from(level).ok());
            gzip(source, out, (cores, level.unwrap_or(LEVEL).min(9)))
        }
        Algorithm::Zstd => zstd::stream::copy_encode(source, out, level.unwrap_or(ZSTD_LEVEL)),
    }
}

/// A block: the end of the one before, what is in it, and whether it is the last.
struct Block {
    dictionary: Vec<u8>,
    plain: Vec<u8>,
    last: bool,
}

/// A block deflated, with what the trailer needs.
struct Deflated {
    bytes: Vec<u8>,
    crc: Crc,
}

fn gzip(mut source: impl Read, out: &mut dyn Write, (cores, level): (usize, u32)) -> io::Result<()> {
    out.write_all(&HEADER)?;
    let mut crc = Crc::new();
    let mut next = read(&mut source)?;
    let mut dictionary = Vec::new();
    loop {
        let mut blocks = Vec::new();
        let mut ended = false;
        while !ended && blocks.len() < cores * DEPTH {
            let after = read(&mut source)?;
            let plain = std::mem::replace(&mut next, after);
            ended = next.is_empty();
            let tail = plain[plain.len().saturating_sub(WINDOW)..].to_vec();
            blocks.push(Block {
                dictionary: std::mem::replace(&mut dictionary, tail),
                plain,
                last: ended,
            });
        }
        for deflated in all(&blocks, (cores, level))? {
            out.write_all(&deflated.bytes)?;
            crc.combine(&deflated.crc);
        }
        if ended {
            break;
        }
    }
    out.write_all(&crc.sum().to_le_bytes())?;
    out.write_all(&crc.amount().to_le_bytes())
}

/// The next block of the input; a short one is the last.
fn read(source: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut plain = Vec::with_capacity(BLOCK);
    source.take(BLOCK as u64).read_to_end(&mut plain)?;
    Ok(plain)
}

/// Deflates some blocks at once; the results are in their order.
fn all(blocks: &[Block], (cores, level): (usize, u32)) -> io::Result<Vec<Deflated>> {
    let waiting = Mutex::new(blocks.iter().enumerate());
    let take = || {
        waiting
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .next()
    };
    let work = || {
        let mut done = Vec::new();
        while let Some((at, block)) = take() {
            done.push((at, deflate(block, level)?));
        }
        Ok(done)
    };
    let mut done = thread::scope(|scope| {
        let others: Vec<_> = (1..cores.min(blocks.len())).map(|_| scope.spawn(work)).collect();
        let own: io::Result<Vec<_>> = work();
        let panicked = |_| io::Error::other("a thread panicked");
        others.into_iter().try_fold(own?, |mut done, other| {
            done.extend(other.join().map_err(panicked)??);
            io::Result::Ok(done)
        })
    })?;
    done.sort_by_key(|(at, _)| *at);
    Ok(done.into_iter().map(|(_, deflated)| deflated).collect())
}

fn deflate(block: &Block, level: u32) -> io::Result<Deflated> {
    let mut state = Compress::new(Compression::new(level), false);
    if !block.dictionary.is_empty() {
        state.set_dictionary(&block.dictionary)?;
    }
    let flush = if block.last {
        FlushCompress::Finish
    } else {
        FlushCompress::Sync
    };
    let mut bytes = Vec::with_capacity(block.plain.len() / 2 + WINDOW);
    loop {
        let taken = usize::try_from(state.total_in()).unwrap_or(usize::MAX);
        let status = state.compress_vec(&block.plain[taken..], &mut bytes, flush)?;
        let all = state.total_in() == block.plain.len() as u64;
        // Room that is left over says that there was nothing more to write.
        let flushed = bytes.len() < bytes.capacity();
        if status == Status::StreamEnd || (!block.last && all && flushed) {
            break;
        }
        bytes.reserve(WINDOW);
    }
    let mut crc = Crc::new();
    crc.update(&block.plain);
    Ok(Deflated { bytes, crc })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compression::Decoder;

    /// Text that compresses, with some that does not.
    fn sample(length: usize) -> Vec<u8> {
        let mut state = 1_u32;
        let mut byte = |at: usize| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            if (at / 5000).is_multiple_of(7) {
                (state >> 24).to_le_bytes()[0]
            } else {
                b"the same words again "[at % 21]
            }
        };
        (0..length).map(&mut byte).collect()
    }

    fn compressed(algorithm: Algorithm, plain: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        compress(algorithm, None, plain, &mut bytes).unwrap();
        bytes
    }

    #[test]
    fn what_is_compressed_is_read_again() {
        let edges = [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK, 9 * BLOCK + 7];
        for (length, algorithm) in edges
            .into_iter()
            .flat_map(|length| [(length, Algorithm::Gzip), (length, Algorithm::Zstd)])
        {
            let plain = sample(length);
            let bytes = compressed(algorithm, &plain);
            let mut again = Vec::new();
            Decoder::new(&*bytes).unwrap().1.read_to_end(&mut again).unwrap();
            assert!(again == plain, "{length} {algorithm:?}");
            assert!(
                length < BLOCK || bytes.len() < length / 2,
                "{length} {}",
                bytes.len()
            );
        }
    }

    #[test]
    fn levels_are_heeded() {
        let plain = sample(2 * BLOCK + 7);
        let with = |algorithm, level| {
            let mut bytes = Vec::new();
            compress(algorithm, Some(level), &*plain, &mut bytes).unwrap();
            let mut again = Vec::new();
            Decoder::new(&*bytes).unwrap().1.read_to_end(&mut again).unwrap();
            assert!(again == plain, "{algorithm:?} {level}");
            bytes.len()
        };
        assert!(with(Algorithm::Gzip, 0) > plain.len());
        assert!(with(Algorithm::Gzip, 9) < with(Algorithm::Gzip, 1));
        assert!(with(Algorithm::Zstd, 22) < with(Algorithm::Zstd, 1));
    }

    #[test]
    fn it_is_one_member_whatever_the_number_of_cores() {
        let plain = sample(5 * BLOCK + 100);
        let with = |cores| {
            let mut bytes = Vec::new();
            gzip(&*plain, &mut bytes, (cores, LEVEL)).unwrap();
            bytes
        };
        assert!(with(1) == with(3) && with(1) == with(16));
        let mut again = Vec::new();
        flate2::read::GzDecoder::new(&*with(2))
            .read_to_end(&mut again)
            .unwrap();
        assert!(again == plain);
    }
}
