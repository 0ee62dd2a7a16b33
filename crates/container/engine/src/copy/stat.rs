//! What a path is, in the words of `X-Docker-Container-Path-Stat`.

use jiff::Timestamp;
use rustix::fs::{FileType, Stat};

/// A file's facts (`ContainerPathStat`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathStat {
    /// The last component of its path.
    pub name: String,
    /// Bytes.
    pub size: i64,
    /// Type and permissions as bits of Go's `os.FileMode`, which are not the kernel's.
    pub mode: u32,
    /// When it was modified.
    pub modified: Timestamp,
    /// Of a link: where it leads in the end, absolute.
    pub link_target: String,
}

const DIRECTORY: u32 = 1 << 31;
const SYMLINK: u32 = 1 << 27;
const DEVICE: u32 = 1 << 26;
const NAMED_PIPE: u32 = 1 << 25;
const SOCKET: u32 = 1 << 24;
const SETUID: u32 = 1 << 23;
const SETGID: u32 = 1 << 22;
const CHARACTER_DEVICE: u32 = 1 << 21;
const STICKY: u32 = 1 << 20;

/// The kernel's bit and Go's.
const SPECIAL: [(u32, u32); 3] = [(0o4000, SETUID), (0o2000, SETGID), (0o1000, STICKY)];

impl PathStat {
    pub(super) fn of(name: String, stat: &Stat, link_target: String) -> Self {
        let nanoseconds = i32::try_from(stat.st_mtime_nsec).unwrap_or(0);
        Self {
            name,
            size: stat.st_size,
            mode: go_mode(stat.st_mode),
            modified: Timestamp::new(stat.st_mtime, nanoseconds).unwrap_or(Timestamp::UNIX_EPOCH),
            link_target,
        }
    }

    /// Whether it is a directory.
    #[must_use]
    pub const fn is_directory(&self) -> bool {
        self.mode & DIRECTORY != 0
    }
}

fn go_mode(mode: u32) -> u32 {
    let kind = match FileType::from_raw_mode(mode) {
        FileType::Directory => DIRECTORY,
        FileType::Symlink => SYMLINK,
        FileType::BlockDevice => DEVICE,
        FileType::CharacterDevice => DEVICE | CHARACTER_DEVICE,
        FileType::Fifo => NAMED_PIPE,
        FileType::Socket => SOCKET,
        FileType::RegularFile | FileType::Unknown => 0,
    };
    let special = SPECIAL
        .iter()
        .filter(|(bit, _)| mode & bit != 0)
        .map(|(_, go)| go);
    special.fold(kind | mode & 0o777, |all, bit| all | bit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_go_s() {
        for (mode, expected) in [
            (0o100_644, 0o644),
            (0o040_755, 2_147_484_141),
            (0o041_777, 2_148_532_735),
            (0o120_777, 134_218_239),
            (0o104_755, 8_389_101),
            (0o020_666, 69_206_454),
            (0o060_660, 67_109_296),
            (0o010_600, 33_554_816),
            (0o140_700, 16_777_664),
        ] {
            assert_eq!(go_mode(mode), expected, "{mode:o}");
        }
    }
}
