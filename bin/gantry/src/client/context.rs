//! A directory as a build's context: a tar archive without what `.dockerignore` leaves out.
//!
//! Entries come in the order of their names and belong to root, as the docker client sends them: what a
//! build makes of them does not depend on who builds.

use std::fs::{self, File, Metadata};
use std::io::{self, Write};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use builder::dockerignore::{Ignore, MAX_IGNORE_FILE};
use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::http::Pieces;
use crate::failure::Failure;

const IGNORE: &str = ".dockerignore";
/// What a Dockerfile from elsewhere is called in the context.
const FOREIGN: &str = ".dockerfile.gantry";
/// At most so many bytes of a Dockerfile from elsewhere.
const MAX_DOCKERFILE: u64 = 16 << 20;
/// How much of the archive is sent at once, in bytes, and how many of those wait.
const PIECE: usize = 256 << 10;
const WAITING: usize = 4;

/// A directory, opened and looked at.
pub(super) struct Context {
    root: PathBuf,
    ignore: Ignore,
    /// Nothing below a directory that is left out comes back in.
    prunes: bool,
    dockerfile: String,
    /// Files that are sent beside the directory's own.
    extra: Vec<(&'static str, Vec<u8>)>,
}

impl Context {
    /// # Errors
    /// 1 with the path that cannot be read, or the line of `.dockerignore` that is none.
    pub(super) fn open(path: &Path, dockerfile: Option<&Path>) -> Result<Self, Failure> {
        let named = |error: io::Error| Failure::with_code(1, format!("{}: {error}", path.display()));
        let root = fs::canonicalize(path).map_err(named)?;
        if !root.is_dir() {
            return Err(Failure::with_code(
                1,
                format!("{}: the context must be a directory", path.display()),
            ));
        }
        let dockerfile = dockerfile.map_or_else(|| root.join("Dockerfile"), ToOwned::to_owned);
        let missing = |error: io::Error| {
            let shown = dockerfile.display();
            Failure::with_code(
                1,
                format!("unable to prepare context: the Dockerfile {shown}: {error}"),
            )
        };
        let found = fs::canonicalize(&dockerfile).map_err(missing)?;
        let text = ignore_file(&root, &found)?.unwrap_or_default();
        let mut context = Self {
            prunes: !text.lines().any(|line| line.trim_start().starts_with('!')),
            ignore: Ignore::parse(&text)
                .map_err(|error| Failure::with_code(1, format!("{IGNORE}: {error}")))?,
            dockerfile: FOREIGN.to_owned(),
            extra: Vec::new(),
            root,
        };
        match found.strip_prefix(&context.root) {
            Ok(inside) => context.dockerfile = inside.to_string_lossy().into_owned(),
            Err(_) => context.bring(&found, text).map_err(missing)?,
        }
        Ok(context)
    }

    /// A Dockerfile from elsewhere comes along, and no COPY sees it.
    fn bring(&mut self, dockerfile: &Path, ignore: String) -> io::Result<()> {
        let content = read_at_most(dockerfile, MAX_DOCKERFILE)?;
        self.extra = vec![
            (IGNORE, format!("{ignore}\n{FOREIGN}\n").into_bytes()),
            (FOREIGN, content),
        ];
        Ok(())
    }

    /// Its path in the context.
    pub(super) fn dockerfile(&self) -> &str {
        &self.dockerfile
    }

    /// Reads and sends, on a thread that may block.
    pub(super) fn send(self) -> io::Result<(JoinHandle<io::Result<()>>, Pieces)> {
        let (sender, receiver) = mpsc::channel(WAITING);
        let sending = tokio::task::spawn_blocking(move || {
            let sent = self.write(Sender::new(sender.clone())).and_then(Sender::finish);
            let Err(error) = sent else { return Ok(()) };
            if error.kind() == io::ErrorKind::BrokenPipe {
                // The node has heard enough, and has said why.
                return Ok(());
            }
            // So that the node does not take half of it for the whole.
            drop(sender.blocking_send(Err(io::Error::new(error.kind(), error.to_string()))));
            Err(error)
        });
        Ok((sending, Pieces(receiver)))
    }

    fn write<W: Write>(&self, out: W) -> io::Result<W> {
        let mut archive = tar::Builder::new(out);
        self.directory(&mut archive, Path::new(""))?;
        for (name, content) in &self.extra {
            let mut header = tar::Header::new_gnu();
            header.set_mode(0o600);
            header.set_uid(0);
            header.set_gid(0);
            header.set_mtime(0);
            header.set_size(content.len() as u64);
            archive.append_data(&mut header, name, &content[..])?;
        }
        archive.into_inner()
    }

    fn directory<W: Write>(&self, archive: &mut tar::Builder<W>, below: &Path) -> io::Result<()> {
        let mut names = fs::read_dir(self.root.join(below))?
            .map(|entry| entry.map(|entry| entry.file_name()))
            .collect::<io::Result<Vec<_>>>()?;
        names.sort_unstable();
        names
            .iter()
            .try_for_each(|name| self.entry(archive, &below.join(name)))
    }

    fn entry<W: Write>(&self, archive: &mut tar::Builder<W>, path: &Path) -> io::Result<()> {
        let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
        let metadata = fs::symlink_metadata(self.root.join(path)).map_err(named)?;
        let excluded = self.excludes(path);
        if !excluded {
            self.append(archive, path, &metadata).map_err(named)?;
        }
        if metadata.is_dir() && !(excluded && self.prunes) {
            self.directory(archive, path)?;
        }
        Ok(())
    }

    /// The node needs the Dockerfile and `.dockerignore` whatever the latter says of them.
    fn excludes(&self, path: &Path) -> bool {
        let Some(name) = path.to_str() else { return false };
        let replaced = self.extra.iter().any(|(extra, _)| *extra == name);
        let needed = name == self.dockerfile || name == IGNORE;
        replaced || (!needed && self.ignore.excludes(name))
    }

    fn append<W: Write>(
        &self,
        archive: &mut tar::Builder<W>,
        path: &Path,
        metadata: &Metadata,
    ) -> io::Result<()> {
        if metadata.file_type().is_socket() {
            return Ok(());
        }
        let mut header = tar::Header::new_gnu();
        header.set_metadata(metadata);
        header.set_uid(0);
        header.set_gid(0);
        let source = self.root.join(path);
        if metadata.is_file() {
            // A file that grows meanwhile is sent as long as its header says.
            let content = io::Read::take(File::open(source)?, metadata.len());
            return archive.append_data(&mut header, path, Exactly(content));
        }
        header.set_size(0);
        if metadata.is_symlink() {
            return archive.append_link(&mut header, path, fs::read_link(source)?);
        }
        archive.append_data(&mut header, path, io::empty())
    }
}

/// A file that has become shorter is an error: the archive would be one no more.
struct Exactly(io::Take<File>);

impl io::Read for Exactly {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.0.read(buffer)?;
        if read == 0 && !buffer.is_empty() && self.0.limit() > 0 {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "it became shorter while it was read",
            ));
        }
        Ok(read)
    }
}

/// What the linter reads.
pub(super) struct Found {
    /// The Dockerfile's name, as it is shown.
    pub(super) name: String,
    pub(super) dockerfile: Vec<u8>,
    pub(super) ignore: Option<Ignore>,
}

impl Found {
    /// # Errors
    /// 1 with the file that cannot be read, or the one that is no list of patterns.
    pub(super) fn read(root: &Path, dockerfile: Option<&Path>) -> Result<Self, Failure> {
        let path = dockerfile.map_or_else(|| root.join("Dockerfile"), ToOwned::to_owned);
        let missing = |error: io::Error| {
            Failure::with_code(
                1,
                format!("failed to read the Dockerfile {}: {error}", path.display()),
            )
        };
        let dockerfile = read_at_most(&path, MAX_DOCKERFILE).map_err(missing)?;
        let ignore = ignore_file(root, &path)?.map(|text| {
            Ignore::parse(&text).map_err(|error| Failure::with_code(1, format!("{IGNORE}: {error}")))
        });
        let name = path.file_name().unwrap_or(path.as_os_str());
        Ok(Self {
            name: name.to_string_lossy().into_owned(),
            dockerfile,
            ignore: ignore.transpose()?,
        })
    }
}

/// The text of `Dockerfile.dockerignore` beside the Dockerfile, or else of the directory's own.
fn ignore_file(root: &Path, dockerfile: &Path) -> Result<Option<String>, Failure> {
    let mut own = dockerfile.as_os_str().to_owned();
    own.push(IGNORE);
    for path in [PathBuf::from(own), root.join(IGNORE)] {
        match read_at_most(&path, MAX_IGNORE_FILE) {
            Ok(bytes) => return Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(Failure::with_code(1, format!("{}: {error}", path.display()))),
        }
    }
    Ok(None)
}

fn read_at_most(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    use std::io::Read;
    let mut bytes = Vec::new();
    File::open(path)?.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(io::Error::other(format!("it has more than {limit} bytes")));
    }
    Ok(bytes)
}

/// Gathers what is written into pieces and sends them.
struct Sender {
    channel: mpsc::Sender<io::Result<Bytes>>,
    piece: Vec<u8>,
}

impl Sender {
    fn new(channel: mpsc::Sender<io::Result<Bytes>>) -> Self {
        Self {
            channel,
            piece: Vec::with_capacity(PIECE),
        }
    }

    fn finish(mut self) -> io::Result<()> {
        self.flush()
    }
}

impl Write for Sender {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.piece.len() + bytes.len() > PIECE {
            self.flush()?;
        }
        self.piece.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.piece.is_empty() {
            return Ok(());
        }
        let piece = std::mem::replace(&mut self.piece, Vec::with_capacity(PIECE));
        let sent = self.channel.blocking_send(Ok(piece.into()));
        sent.map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory(files: &[(&str, &str)]) -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        for (name, content) in files {
            let path = directory.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        directory
    }

    fn sent(context: &Context) -> Vec<(String, String)> {
        let bytes = context.write(Vec::new()).unwrap();
        let mut archive = tar::Archive::new(&bytes[..]);
        let entries = archive.entries().unwrap().map(|entry| {
            let mut entry = entry.unwrap();
            let name = entry.path().unwrap().to_string_lossy().into_owned();
            assert_eq!(
                (entry.header().uid().unwrap(), entry.header().gid().unwrap()),
                (0, 0)
            );
            (name, io::read_to_string(&mut entry).unwrap())
        });
        entries.collect()
    }

    fn names(context: &Context) -> Vec<String> {
        sent(context).into_iter().map(|(name, _)| name).collect()
    }

    #[test]
    fn what_is_ignored_stays_here_except_what_the_node_needs() {
        let files = [
            ("Dockerfile", "FROM scratch"),
            (".dockerignore", "*\n!kept\n!left/back\n"),
            ("kept", "1"),
            ("left/out", "2"),
            ("left/back", "3"),
        ];
        let directory = directory(&files);
        std::os::unix::fs::symlink("kept", directory.path().join("link")).unwrap();
        let context = Context::open(directory.path(), None).unwrap();
        assert_eq!(
            names(&context),
            [".dockerignore", "Dockerfile", "kept", "left/back"]
        );
        fs::write(directory.path().join(".dockerignore"), "left\n").unwrap();
        let context = Context::open(directory.path(), None).unwrap();
        assert_eq!(names(&context), [".dockerignore", "Dockerfile", "kept", "link"]);
    }

    #[test]
    fn a_dockerfile_has_its_own_list_of_what_is_ignored() {
        let files = [
            ("D", "FROM scratch"),
            ("D.dockerignore", "a"),
            (".dockerignore", "b"),
            ("a", "1"),
            ("b", "2"),
        ];
        let directory = directory(&files);
        let context = Context::open(directory.path(), Some(&directory.path().join("D"))).unwrap();
        assert_eq!(names(&context), [".dockerignore", "D", "D.dockerignore", "b"]);
    }

    #[test]
    fn a_dockerfile_from_elsewhere_comes_along_unseen() {
        let elsewhere = directory(&[("D", "FROM x")]);
        let inside = directory(&[("f", "1"), ("sub/D", "FROM y")]);
        let context = Context::open(inside.path(), Some(&elsewhere.path().join("D"))).unwrap();
        assert_eq!(context.dockerfile(), FOREIGN);
        let sent = sent(&context);
        assert!(sent.contains(&(FOREIGN.into(), "FROM x".into())), "{sent:?}");
        assert!(
            sent.contains(&(IGNORE.into(), format!("\n{FOREIGN}\n"))),
            "{sent:?}"
        );
        let context = Context::open(inside.path(), Some(&inside.path().join("sub/D"))).unwrap();
        assert_eq!(context.dockerfile(), "sub/D");
    }

    #[test]
    fn what_is_missing_is_named() {
        let empty = directory(&[]);
        let message = |path: &Path| Context::open(path, None).err().unwrap().message();
        assert!(message(empty.path()).contains("Dockerfile"));
        assert!(message(Path::new("/nowhere")).contains("/nowhere"));
    }
}
