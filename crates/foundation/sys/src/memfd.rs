//! Anonymous files: how bytes that do not fit into a packet travel, and how state survives an
//! `execve`. memfd_create(2)

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::OwnedFd;

use rustix::fs::{MemfdFlags, SealFlags};

/// A close-on-exec file in memory that holds `bytes` and that nobody can change or shrink any more.
pub fn sealed(name: &str, bytes: &[u8]) -> io::Result<OwnedFd> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let mut file = File::from(rustix::fs::memfd_create(name, flags)?);
    file.write_all(bytes)?;
    rustix::fs::fcntl_add_seals(&file, SEALS)?;
    Ok(file.into())
}

/// Reads a sealed file of at most `limit` bytes from its beginning.
///
/// # Errors
/// `InvalidData` for a file that its writer could still change (so a check of the bytes would
/// prove nothing) and for a larger one.
pub fn read_sealed(memfd: OwnedFd, limit: usize) -> io::Result<Vec<u8>> {
    let seals = rustix::fs::fcntl_get_seals(&memfd)?;
    let mut file = File::from(memfd);
    if !seals.contains(SEALS) || file.metadata()?.len() > limit as u64 {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(0))?;
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

const SEALS: SealFlags = SealFlags::WRITE.union(SealFlags::SHRINK).union(SealFlags::GROW);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_file_gives_back_its_bytes_and_takes_no_more() {
        let memfd = sealed("test", b"state").unwrap();
        let mut writer = File::from(memfd.try_clone().unwrap());
        assert!(writer.write_all(b"x").is_err());
        assert_eq!(read_sealed(memfd, 5).unwrap(), b"state");
    }

    #[test]
    fn an_unsealed_or_large_file_is_refused() {
        let open = rustix::fs::memfd_create("test", MemfdFlags::CLOEXEC).unwrap();
        assert_eq!(
            read_sealed(open, 5).unwrap_err().kind(),
            io::ErrorKind::InvalidData
        );
        let large = sealed("test", b"123456").unwrap();
        assert_eq!(
            read_sealed(large, 5).unwrap_err().kind(),
            io::ErrorKind::InvalidData
        );
    }
}
