//! Paths of the node in a pod: what has to be there already, and what is made (upstream's `hostPath`).

use std::fs::{self, DirBuilder, FileType, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use kubelet::pod::HostPath;

/// Why a path of the node cannot be had; the texts are upstream's.
#[derive(Debug, thiserror::Error)]
pub(super) enum HostPathError {
    /// Something else is there, or nothing.
    #[error("hostPath type check failed: {path} is not {}", .1, path = .0.display())]
    Type(PathBuf, &'static str),
    /// The path could not be made.
    #[error("{path}: {}", .1, path = .0.display())]
    Io(PathBuf, #[source] io::Error),
    /// A type that nobody knows.
    #[error("{0} is an invalid volume type")]
    Unknown(String),
}

/// What is asked of the path: a word for people, and whether it is so.
type Kind = (&'static str, fn(&FileType) -> bool);

const DIRECTORY: Kind = ("a directory", FileType::is_dir);
const FILE: Kind = ("a file", FileType::is_file);

/// The path, once what should be there is.
///
/// # Errors
/// See [`HostPathError`].
pub(super) fn find(wanted: &HostPath) -> Result<PathBuf, HostPathError> {
    let path = Path::new(&wanted.path);
    match wanted.kind.as_str() {
        "" => Ok(()),
        "DirectoryOrCreate" => make(path, make_directory).and_then(|()| check(path, DIRECTORY)),
        "Directory" => check(path, DIRECTORY),
        "FileOrCreate" => make(path, make_file).and_then(|()| check(path, FILE)),
        "File" => check(path, FILE),
        "Socket" => check(path, ("a socket file", FileTypeExt::is_socket)),
        "CharDevice" => check(path, ("a character device", FileTypeExt::is_char_device)),
        "BlockDevice" => check(path, ("a block device", FileTypeExt::is_block_device)),
        other => Err(HostPathError::Unknown(other.to_owned())),
    }?;
    Ok(path.to_owned())
}

/// Links are followed: they are the node's.
fn check(path: &Path, (word, is_so): Kind) -> Result<(), HostPathError> {
    match fs::metadata(path) {
        Ok(meta) if is_so(&meta.file_type()) => Ok(()),
        _ => Err(HostPathError::Type(path.to_owned(), word)),
    }
}

fn make(path: &Path, make: fn(&Path) -> io::Result<()>) -> Result<(), HostPathError> {
    if path.exists() {
        return Ok(());
    }
    make(path).map_err(|error| HostPathError::Io(path.to_owned(), error))
}

fn make_directory(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o755).create(path)
}

/// Only the file: directories above it have to be there.
fn make_file(path: &Path) -> io::Result<()> {
    let opened = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o644)
        .open(path);
    opened.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener;

    #[test]
    fn each_type_has_its_check_and_some_are_made() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name).display().to_string();
        let _listener = UnixListener::bind(at("socket")).unwrap();
        fs::write(at("file"), "").unwrap();
        let find = |path: &str, kind: &str| {
            let wanted = HostPath {
                path: path.to_owned(),
                kind: kind.to_owned(),
            };
            find(&wanted).map(drop).map_err(|error| error.to_string())
        };
        let fine = [
            (at("nothing"), ""),
            (at("new/deep"), "DirectoryOrCreate"),
            (at("new/deep"), "Directory"),
            (at("made"), "FileOrCreate"),
            (at("file"), "File"),
            (at("socket"), "Socket"),
            ("/dev/null".to_owned(), "CharDevice"),
        ];
        for (path, kind) in &fine {
            assert_eq!(find(path, kind), Ok(()), "{kind}");
        }
        let wrong = [
            (at("file"), "Directory", "a directory"),
            (at("file"), "DirectoryOrCreate", "a directory"),
            (at("new"), "FileOrCreate", "a file"),
            (at("absent"), "File", "a file"),
            (at("file"), "Socket", "a socket file"),
            (at("file"), "CharDevice", "a character device"),
            ("/dev/null".to_owned(), "BlockDevice", "a block device"),
        ];
        for (path, kind, word) in &wrong {
            assert_eq!(
                find(path, kind),
                Err(format!("hostPath type check failed: {path} is not {word}"))
            );
        }
        assert_eq!(
            find(&at("file"), "Pipe"),
            Err("Pipe is an invalid volume type".to_owned())
        );
        assert!(find(&at("no/parent"), "FileOrCreate").is_err());
    }
}
