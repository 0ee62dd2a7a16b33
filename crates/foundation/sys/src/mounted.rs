//! What is mounted below a directory of ours, and how it goes before the directory does. umount2(2)

use std::fs;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use rustix::mount::{UnmountFlags, unmount};

/// Unmounts what is mounted at `target`, however often; nothing if nothing is.
///
/// # Errors
/// As umount2(2).
pub fn detach(target: &Path) -> io::Result<()> {
    loop {
        match unmount(target, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW) {
            Ok(()) => {}
            Err(Errno::INVAL | Errno::NOENT) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}

/// Unmounts everything at or below a directory, and answers only when nothing is left: whoever removes the directory next
/// would remove what is mounted.
///
/// # Errors
/// As umount2(2); `ResourceBusy` if something is mounted again and again.
pub fn clear(directory: &Path) -> io::Result<()> {
    clear_all(|mount| mount.starts_with(directory))
}

/// The same of what lies strictly below: the directory may be a mount of somebody else's.
///
/// # Errors
/// As [`clear`].
pub fn clear_below(directory: &Path) -> io::Result<()> {
    // As the kernel writes it: without links.
    let directory = match fs::canonicalize(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other?,
    };
    clear_all(|mount| mount.starts_with(&directory) && mount != directory)
}

fn clear_all(ours: impl Fn(&Path) -> bool) -> io::Result<()> {
    let below = |table: Vec<PathBuf>| table.into_iter().filter(|mount| ours(mount));
    // The last mounted goes first: it may lie on another.
    for mount in below(table()?).collect::<Vec<_>>().into_iter().rev() {
        detach(&mount)?;
    }
    match below(table()?).next() {
        None => Ok(()),
        Some(left) => {
            let message = format!("{} is still mounted", left.display());
            Err(io::Error::new(io::ErrorKind::ResourceBusy, message))
        }
    }
}

/// Where something is mounted, in the order in which it was (proc(5)).
fn table() -> io::Result<Vec<PathBuf>> {
    let text = fs::read("/proc/self/mountinfo")?;
    let lines = text.split(|byte| *byte == b'\n');
    let targets = lines.filter_map(|line| line.split(|byte| *byte == b' ').nth(4));
    Ok(targets.map(unescaped).collect())
}

/// Blanks and backslashes are written as octal numbers.
fn unescaped(path: &[u8]) -> PathBuf {
    let mut plain = Vec::with_capacity(path.len());
    let mut rest = path;
    while let Some((&byte, after)) = rest.split_first() {
        let octal = after.get(..3).filter(|_| byte == b'\\').and_then(number);
        plain.push(octal.unwrap_or(byte));
        rest = if octal.is_some() { &after[3..] } else { after };
    }
    std::ffi::OsString::from_vec(plain).into()
}

fn number(digits: &[u8]) -> Option<u8> {
    u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_as_they_were_given() {
        let cases: [(&[u8], &str); 4] = [
            (b"/a", "/a"),
            (br"/a\040b\134", "/a b\\"),
            (br"/a\04", r"/a\04"),
            (br"\", r"\"),
        ];
        for (escaped, plain) in cases {
            assert_eq!(unescaped(escaped), Path::new(plain));
        }
    }
}
