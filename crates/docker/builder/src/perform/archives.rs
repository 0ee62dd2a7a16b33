//! Which files `ADD` takes for archives.

use std::io::{self, Read};
use std::path::Path;

use tar::Header;

use crate::BuildError;
use crate::context::Compression;
use crate::tree::Tree;

fn failed(error: io::Error) -> BuildError {
    BuildError::io("failed to copy files")(error)
}

/// Whether `ADD` unpacks a file: a tar archive, plain or gzip; one compressed with zstd, xz or bzip2, whose
/// decoders run in the worker alone, by its name.
pub(super) fn is_archive(tree: &dyn Tree, real: &Path, written: &Path) -> Result<bool, BuildError> {
    let mut head = Vec::new();
    let read = |reader: &mut dyn Read, head: &mut Vec<u8>| reader.take(512).read_to_end(head);
    let mut file = tree.open(real).map_err(failed)?;
    read(&mut file, &mut head).map_err(failed)?;
    let name = written
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .to_lowercase();
    let named = |endings: &[&str]| endings.iter().any(|ending| name.ends_with(ending));
    match Compression::of(&head) {
        Compression::Plain => Ok(is_tar(&head)),
        Compression::Gzip => {
            let mut plain = Vec::new();
            let file = tree.open(real).map_err(failed)?;
            // What does not decompress is no archive, but a file.
            let read = read(&mut flate2::read::GzDecoder::new(file), &mut plain);
            Ok(read.is_ok() && is_tar(&plain))
        }
        Compression::Zstd => Ok(named(&[".tar.zst", ".tzst", ".tar.zstd"])),
        Compression::Xz => Ok(named(&[".tar.xz", ".txz"])),
        Compression::Bzip2 => Ok(named(&[".tar.bz2", ".tbz", ".tbz2", ".tar.bzip2"])),
    }
}

/// A tar header whose checksum is right, or the end of an archive.
pub(crate) fn is_tar(block: &[u8]) -> bool {
    let Ok(block) = <&[u8; 512]>::try_from(block) else {
        return false;
    };
    let header = Header::from_byte_slice(block);
    let sum: u32 = block[..148]
        .iter()
        .chain(&block[156..])
        .map(|byte| u32::from(*byte))
        .sum::<u32>()
        + 8 * 32;
    header.cksum().is_ok_and(|written| written == sum)
}
