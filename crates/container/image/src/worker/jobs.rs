//! What a worker can do.

use std::fs::File;
use std::io::{self, BufReader};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, openat};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use sys::confine::capability;

use super::ahead::{Hand, ahead};
use crate::archive::{self, Fault, Kind, Reader, Totals, Unpack};
use crate::compression::{Compression, Decoder};
use crate::{Digest, Hasher, Limits, media_type};

/// A job, with all it needs besides descriptors.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Job {
    /// Unpack a layer into the directory, and say what is in it; if `raw`, what its bytes are called as
    /// they come, too. (Whoever feeds them from a stream knows that by itself.)
    Layer { limits: Limits, raw: bool },
    /// Write what is in a compressed stream to the file `1` of the directory.
    Plain { limits: Limits },
    /// As [`Job::Plain`], an archive in which no time is after `seconds` since 1970; says whether any was.
    Clamp { limits: Limits, seconds: i64 },
    /// As [`Job::Plain`], an archive as a layer of which single files can be fetched, deflated as hard as `level` says.
    Stargz { limits: Limits, level: u32 },
    /// Write each file of an archive to a file of the directory that is called by a number.
    Split { limits: Limits },
    /// Unpack an archive below a path of the directory.
    Unpack { path: PathBuf, options: Unpack },
}

/// An answer, as it goes over the pipe.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Answer<T> {
    Done(T),
    /// The archive is to blame.
    Refused(String),
    /// The machine is to blame.
    Failed(String),
}

/// What an unpacked layer is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LayerReport {
    /// Of the bytes as they came, and how many; if that was asked for.
    pub(crate) blob: Option<(Digest, u64)>,
    /// Empty where no specification has one.
    pub(crate) media_type: String,
    /// Of the plain bytes.
    pub(crate) diff_id: Digest,
    pub(crate) totals: Totals,
    /// Whether it says what its root looks like.
    pub(crate) root: bool,
}

/// The parts of an archive, in order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SplitReport {
    pub(crate) parts: Vec<Part>,
}

/// A file or link in an archive. Others are left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Part {
    /// Without `.` and doubled slashes.
    pub(crate) name: String,
    pub(crate) kind: PartKind,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum PartKind {
    /// Its content is in the file called by this number.
    File {
        number: u64,
        size: u64,
    },
    /// It is what another part is: the target of a symbolic link, or the name of a hard link.
    Symlink(String),
    Hardlink(String),
}

impl Job {
    /// What the job cannot do without.
    pub(super) const fn capabilities(&self) -> u64 {
        const FILES: u64 = capability::CHOWN
            | capability::DAC_OVERRIDE
            | capability::FOWNER
            | capability::FSETID
            | capability::MKNOD
            | capability::SETFCAP;
        match self {
            // Overlay's marks are attributes in the trusted namespace.
            Self::Layer { .. } => FILES | capability::SYS_ADMIN,
            Self::Unpack { .. } => FILES,
            Self::Plain { .. } | Self::Clamp { .. } | Self::Stargz { .. } | Self::Split { .. } => 0,
        }
    }

    /// Does it, and answers as it goes over the pipe `to`, which is told before how far it is.
    pub(super) fn perform(&self, stream: File, directory: &OwnedFd, (hand, to): (&Hand, &File)) -> Vec<u8> {
        match self {
            Self::Layer { limits, raw } => encode(layer(stream, directory, *limits, *raw, hand)),
            Self::Plain { limits } => encode(plain(stream, directory, *limits)),
            Self::Clamp { limits, seconds } => encode(clamp(stream, directory, *limits, *seconds)),
            Self::Stargz { limits, level } => encode(stargz(stream, directory, *limits, *level)),
            Self::Split { limits } => encode(split(stream, directory, *limits)),
            Self::Unpack { path, options } => encode(unpack((stream, to), directory, path, options)),
        }
    }
}

fn encode<T: Serialize>(result: Result<T, Fault>) -> Vec<u8> {
    let answer = match result {
        Ok(value) => Answer::Done(value),
        Err(Fault::Io(error)) if !is_corrupt(&error) => Answer::Failed(error.to_string()),
        Err(fault) if is_machine(&fault) => Answer::Failed(fault.to_string()),
        Err(fault) => Answer::Refused(fault.to_string()),
    };
    serde_json::to_vec(&answer).unwrap_or_default()
}

/// Whether an entry failed for a reason that lies in the machine: a full or broken disk, no memory.
fn is_machine(fault: &Fault) -> bool {
    const MACHINE: &[Errno] = &[
        Errno::NOSPC,
        Errno::DQUOT,
        Errno::IO,
        Errno::NOMEM,
        Errno::ROFS,
        Errno::MFILE,
    ];
    let Fault::Entry {
        why: archive::Why::Io(error),
        ..
    } = fault
    else {
        return false;
    };
    MACHINE
        .iter()
        .any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}

/// Decompressors say what is wrong with their input by errors of I/O.
fn is_corrupt(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidData, InvalidInput, Other, UnexpectedEof};
    error.raw_os_error().is_none()
        && matches!(error.kind(), InvalidData | InvalidInput | Other | UnexpectedEof)
}

/// One pass: digest of what comes, decompression and digest of what is in it on one thread, unpacking on another.
fn layer(
    stream: File,
    directory: &OwnedFd,
    limits: Limits,
    raw: bool,
    hand: &Hand,
) -> Result<LayerReport, Fault> {
    let options = Unpack {
        whiteouts: true,
        limits,
        ..Unpack::default()
    };
    let stream = Tap {
        inner: stream,
        hasher: raw.then(Hasher::default),
    };
    let (compression, decoder) = Decoder::new(stream)?;
    let media_type = of(compression);
    // A plain layer is its own digest; there is no need to compute it twice.
    let twice = raw && compression == Compression::None;
    let plain = Tap {
        inner: decoder,
        hasher: (!twice).then(Hasher::default),
    };
    let (unpacked, plain) = ahead(hand, plain, |plain| {
        let mut reader = Reader::new(plain, limits);
        archive::unpack_plain(directory.as_fd(), Path::new(""), &mut reader, &options)
    })?;
    let unpacked = unpacked?;
    let (plain, stream) = (plain.hasher, plain.inner.into_inner());
    let of_plain = plain.or_else(|| stream.hasher.clone()).unwrap_or_default();
    Ok(LayerReport {
        blob: stream.hasher.map(|hasher| (hasher.digest(), hasher.size())),
        media_type: media_type.to_owned(),
        diff_id: of_plain.digest(),
        totals: unpacked.totals,
        root: unpacked.root,
    })
}

/// A layer's media type; there is none for what no specification has.
const fn of(compression: Compression) -> &'static str {
    match compression {
        Compression::None => media_type::LAYER,
        Compression::Gzip => media_type::LAYER_GZIP,
        Compression::Zstd => media_type::LAYER_ZSTD,
        Compression::Bzip2 | Compression::Xz => "",
    }
}

/// Hashes what is read, if there is something to hash with.
struct Tap<R> {
    inner: R,
    hasher: Option<Hasher>,
}

impl<R: io::Read> io::Read for Tap<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        if let Some(hasher) = &mut self.hasher {
            hasher.update(&buffer[..count]);
        }
        Ok(count)
    }
}

/// The one file that a stream became.
pub(crate) const PLAIN: &str = "1";

fn plain(stream: File, directory: &OwnedFd, limits: Limits) -> Result<u64, Fault> {
    let (_, decoder) = Decoder::new(stream)?;
    let mut decoder = BufReader::with_capacity(archive::BUFFER, decoder);
    let limit = limits.bytes;
    let mut content = io::Read::take(&mut decoder, limit.saturating_add(1));
    let size = io::copy(&mut content, &mut create(directory, PLAIN)?)?;
    if size > limit {
        return Err(Fault::Limit { limit, of: "bytes" });
    }
    Ok(size)
}

fn clamp(stream: File, directory: &OwnedFd, limits: Limits, seconds: i64) -> Result<bool, Fault> {
    let (_, decoder) = Decoder::new(stream)?;
    archive::clamp(decoder, create(directory, PLAIN)?, seconds, limits)
}

fn stargz(stream: File, directory: &OwnedFd, limits: Limits, level: u32) -> Result<archive::Seekable, Fault> {
    let (_, decoder) = Decoder::new(stream)?;
    let out = create(directory, PLAIN)?;
    archive::seekable(decoder, out, (level, archive::CHUNK), limits)
}

fn split(stream: File, directory: &OwnedFd, limits: Limits) -> Result<SplitReport, Fault> {
    let (_, decoder) = Decoder::new(stream)?;
    let mut reader = Reader::new(BufReader::with_capacity(archive::BUFFER, decoder), limits);
    let mut parts = Vec::new();
    let mut number = 0;
    while let Some(entry) = reader.next()? {
        let name = |name: &[u8]| clean(&String::from_utf8_lossy(name));
        let kind = match entry.kind {
            Kind::File => {
                number += 1;
                write(directory, number, &mut reader)?;
                let size = entry.size;
                PartKind::File { number, size }
            }
            Kind::Symlink => PartKind::Symlink(String::from_utf8_lossy(&entry.link).into_owned()),
            Kind::Hardlink => PartKind::Hardlink(name(&entry.link)),
            _ => continue,
        };
        let name = name(&entry.name);
        parts.push(Part { name, kind });
    }
    reader.drain()?;
    Ok(SplitReport { parts })
}

/// Names are only compared with names in the archive's own manifest, never used as paths.
fn clean(name: &str) -> String {
    let parts = name.split('/').filter(|part| !matches!(*part, "" | "."));
    parts.collect::<Vec<_>>().join("/")
}

fn write<R: io::BufRead>(directory: &OwnedFd, number: u64, content: &mut Reader<R>) -> Result<(), Fault> {
    io::copy(content, &mut create(directory, &number.to_string())?).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => Fault::Truncated,
        _ => error.into(),
    })?;
    Ok(())
}

fn create(directory: &OwnedFd, name: &str) -> io::Result<File> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    Ok(openat(directory, name, flags, Mode::from_raw_mode(0o600))?.into())
}

/// What a worker says before its answer each time that it has read so much: JSON may begin with it.
pub(super) const BEAT: u8 = b' ';
const BETWEEN_BEATS: usize = 4 << 20;

/// Says how far it is as it is read. When nobody listens any more it ends, and with it the job.
struct Beating<'a, R> {
    inner: R,
    to: &'a File,
    /// So much is read until the next time.
    left: usize,
}

impl<R: io::Read> io::Read for Beating<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.left = match self.left.checked_sub(count) {
            Some(left) => left,
            None => {
                let mut to = self.to;
                io::Write::write_all(&mut to, &[BEAT])?;
                BETWEEN_BEATS
            }
        };
        Ok(count)
    }
}

fn unpack(
    (stream, to): (File, &File),
    directory: &OwnedFd,
    path: &Path,
    options: &Unpack,
) -> Result<Totals, Fault> {
    let (_, inner) = Decoder::new(stream)?;
    let beating = Beating { inner, to, left: 0 };
    let decoder = BufReader::with_capacity(archive::BUFFER, beating);
    let mut reader = Reader::new(decoder, options.limits);
    Ok(archive::unpack_plain(directory.as_fd(), path, &mut reader, options)?.totals)
}
