//! Layers of which single files can be fetched (eStargz, `docs/estargz.md` of stargz-snapshotter): gzip for everybody, and for
//! those who look at its end an archive with a table of contents.
//!
//! The content of each file begins a gzip member of its own, that of a large one several. Behind the end of the archive, where
//! no reader of tar looks any more, stands a file with the table; the footer, an empty member of a fixed length, says where. The
//! same archive gives the same bytes.

use std::collections::BTreeMap;
use std::io::{self, BufReader, BufWriter, Read, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{BUFFER, Entry, Fault, Kind, Reader, Why, Writer};
use crate::{Digest, Hasher, Limits};

/// What the table is called.
const TABLE: &str = "stargz.index.json";
/// A file that says that none is more urgent than others, and one that others' archives have where the urgent ones end.
const LANDMARKS: [&str; 2] = [".no.prefetch.landmark", ".prefetch.landmark"];
/// All that is in them.
const LANDMARK: &[u8] = &[0xf];
/// Content that stands in one member at most.
pub(crate) const CHUNK: u64 = 4 << 20;

/// What a reader has to know of such a layer beforehand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Seekable {
    /// Of the table of contents.
    pub(crate) table: Digest,
    /// Of all that is in it, the table with its header included.
    pub(crate) diff_id: Digest,
    /// So many bytes.
    pub(crate) plain: u64,
}

/// Writes an archive as such a layer, deflated as hard as `level` says, with no more than `chunk` bytes in a member.
///
/// # Errors
/// What is wrong with the archive; of the file system.
pub(crate) fn seekable(
    source: impl Read,
    out: impl Write,
    (level, chunk): (u32, u64),
    limits: Limits,
) -> Result<Seekable, Fault> {
    let mut reader = Reader::new(BufReader::with_capacity(BUFFER, source), limits);
    let mut layer = Layer {
        out: Writer::new(Members::new(BufWriter::with_capacity(BUFFER, out), level)),
        rows: Vec::new(),
        chunk,
    };
    let mut landmark = Entry::new(LANDMARKS[0], Kind::File);
    (landmark.mode, landmark.size) = (0o444, LANDMARK.len() as u64);
    layer.file(&landmark, &mut &*LANDMARK)?;
    while let Some(entry) = reader.next()? {
        if is_ours(&entry.name) {
            continue;
        }
        match entry.kind {
            Kind::Other(byte) => return Err(Fault::entry(&entry.name, Why::Kind(byte))),
            Kind::File => layer.file(&entry, &mut reader)?,
            _ => layer.other(&entry)?,
        }
    }
    Ok(layer.finish()?)
}

/// What an archive that was such a layer has of its own making.
fn is_ours(name: &[u8]) -> bool {
    let mut parts = name
        .split(|byte| *byte == b'/')
        .filter(|part| !matches!(*part, b"" | b"."));
    let (first, second) = (parts.next(), parts.next());
    let ours = LANDMARKS.iter().chain([&TABLE]).map(|ours| ours.as_bytes());
    second.is_none() && ours.into_iter().any(|ours| first == Some(ours))
}

/// A layer in the making.
struct Layer<W: Write> {
    out: Writer<Members<W>>,
    rows: Vec<Row>,
    chunk: u64,
}

impl<W: Write> Layer<W> {
    fn other(&mut self, entry: &Entry) -> io::Result<()> {
        self.rows.push(Row::new(entry));
        self.out.header(entry)
    }

    fn file(&mut self, entry: &Entry, content: &mut dyn Read) -> io::Result<()> {
        self.out.header(entry)?;
        let (mut row, first) = (Row::new(entry), self.rows.len());
        let (mut whole, mut done) = (Hasher::default(), 0);
        while done < entry.size {
            let length = self.chunk.min(entry.size - done);
            let last = done + length == entry.size;
            row.offset = self.out.get_mut().cut()?;
            (row.chunk_offset, row.chunk_size) = (done, if last { 0 } else { length });
            row.chunk_digest = Some(self.part(length, content, &mut whole)?);
            let next = Row::chunk(&row.name);
            self.rows.push(std::mem::replace(&mut row, next));
            done += length;
        }
        if entry.size == 0 {
            self.rows.push(row);
        }
        self.rows[first].digest = Some(whole.digest());
        self.out.pad(entry.size)
    }

    fn part(&mut self, length: u64, content: &mut dyn Read, whole: &mut Hasher) -> io::Result<Digest> {
        let mut digest = Hasher::default();
        let mut part = Tee {
            inner: content.take(length),
            hashers: [&mut digest, whole],
        };
        // It is cut short by nobody: the header has gone out.
        if io::copy(&mut part, self.out.get_mut())? < length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(digest.digest())
    }

    fn finish(self) -> io::Result<Seekable> {
        let mut members = self.out.finish()?;
        let offset = members.cut()?;
        let table = serde_json::to_vec(&Table {
            version: 1,
            entries: self.rows,
        })?;
        let mut entry = Entry::new(TABLE, Kind::File);
        (entry.mode, entry.size) = (0o444, table.len() as u64);
        let mut writer = Writer::new(members);
        writer.file(&entry, &mut &*table)?;
        let mut members = writer.finish()?;
        members.cut()?;
        let seekable = Seekable {
            table: Digest::of(&table),
            diff_id: members.plain.digest(),
            plain: members.plain.size(),
        };
        members.end(&footer(offset))?;
        Ok(seekable)
    }
}

/// An empty member whose extra field says where the table begins.
fn footer(offset: u64) -> Vec<u8> {
    let said = format!("{offset:016x}STARGZ");
    let mut footer = vec![0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 0xff, 26, 0, b'S', b'G', 22, 0];
    footer.extend(said.as_bytes());
    // One block, the last, stored, of no bytes; their checksum, and how many.
    footer.extend([1, 0, 0, 0xff, 0xff]);
    footer.extend([0; 8]);
    footer
}

/// gzip members in a row: what is written begins one where none is open.
struct Members<W: Write> {
    level: Compression,
    open: Option<GzEncoder<Counted<W>>>,
    between: Option<Counted<W>>,
    plain: Hasher,
}

impl<W: Write> Members<W> {
    fn new(inner: W, level: u32) -> Self {
        Self {
            level: Compression::new(level),
            open: None,
            between: Some(Counted { inner, bytes: 0 }),
            plain: Hasher::default(),
        }
    }

    /// Ends the member that is open; answers where the next one begins.
    fn cut(&mut self) -> io::Result<u64> {
        if let Some(open) = self.open.take() {
            self.between = Some(open.finish()?);
        }
        Ok(self.between.as_ref().map_or(0, |between| between.bytes))
    }

    fn end(mut self, footer: &[u8]) -> io::Result<()> {
        self.cut()?;
        let mut out = self.between.ok_or(io::ErrorKind::BrokenPipe)?;
        out.write_all(footer)?;
        out.flush()
    }
}

impl<W: Write> Write for Members<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let open = match &mut self.open {
            Some(open) => open,
            empty => {
                let between = self.between.take().ok_or(io::ErrorKind::BrokenPipe)?;
                empty.insert(GzEncoder::new(between, self.level))
            }
        };
        let written = open.write(bytes)?;
        self.plain.update(&bytes[..written]);
        Ok(written)
    }

    /// A member that is flushed in between would be longer, and nobody waits for it.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Counted<W> {
    inner: W,
    bytes: u64,
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Hashes what is read.
struct Tee<'a, R> {
    inner: R,
    hashers: [&'a mut Hasher; 2],
}

impl<R: Read> Read for Tee<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.hashers
            .iter_mut()
            .for_each(|hasher| hasher.update(&buffer[..read]));
        Ok(read)
    }
}

/// `stargz.index.json`.
#[derive(Serialize)]
#[cfg_attr(test, derive(Deserialize))]
struct Table {
    version: u32,
    entries: Vec<Row>,
}

/// An entry of the archive, or a further part of a file's content. What is zero is left out, as upstream does.
#[derive(Default, Serialize)]
#[cfg_attr(test, derive(Debug, Deserialize))]
#[serde(rename_all = "camelCase", default)]
struct Row {
    name: String,
    #[serde(rename = "type")]
    kind: String,
    #[serde(skip_serializing_if = "is_zero")]
    size: u64,
    #[serde(skip_serializing_if = "String::is_empty")]
    modtime: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    link_name: String,
    mode: u32,
    uid: u32,
    gid: u32,
    #[serde(skip_serializing_if = "is_zero")]
    offset: u64,
    #[serde(skip_serializing_if = "is_zero")]
    dev_major: u64,
    #[serde(skip_serializing_if = "is_zero")]
    dev_minor: u64,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    xattrs: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<Digest>,
    #[serde(skip_serializing_if = "is_zero")]
    chunk_offset: u64,
    #[serde(skip_serializing_if = "is_zero")]
    chunk_size: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    chunk_digest: Option<Digest>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
const fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Row {
    fn new(entry: &Entry) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let seconds = Timestamp::from_second(entry.mtime.0).ok();
        let xattrs = entry.xattrs.iter();
        Self {
            name: text(&entry.name),
            kind: word(entry.kind).to_owned(),
            size: entry.size,
            modtime: seconds
                .filter(|time| time.as_second() != 0)
                .map_or_else(String::new, |time| time.to_string()),
            link_name: text(&entry.link),
            mode: entry.mode,
            uid: entry.uid,
            gid: entry.gid,
            dev_major: entry.device.0.into(),
            dev_minor: entry.device.1.into(),
            xattrs: xattrs
                .map(|(name, value)| (name.clone(), STANDARD.encode(value)))
                .collect(),
            ..Self::default()
        }
    }

    /// What follows on the first part of a file.
    fn chunk(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            kind: "chunk".to_owned(),
            ..Self::default()
        }
    }
}

const fn word(kind: Kind) -> &'static str {
    match kind {
        Kind::File | Kind::Other(_) => "reg",
        Kind::Hardlink => "hardlink",
        Kind::Symlink => "symlink",
        Kind::Character => "char",
        Kind::BlockDevice => "block",
        Kind::Directory => "dir",
        Kind::Fifo => "fifo",
    }
}

#[cfg(test)]
mod tests {
    use flate2::read::{GzDecoder, MultiGzDecoder};
    use proptest::prelude::*;

    use super::*;
    use crate::compression::Decoder;

    /// A directory, files of these contents, a link to each.
    fn archive(contents: &[Vec<u8>]) -> Vec<u8> {
        let mut writer = Writer::new(Vec::new());
        let mut directory = Entry::new("d/", Kind::Directory);
        (directory.mode, directory.mtime) = (0o755, (1_000_000_000, 0));
        writer.header(&directory).unwrap();
        for (number, content) in contents.iter().enumerate() {
            let mut entry = Entry::new(format!("d/{number}"), Kind::File);
            (entry.size, entry.mode, entry.uid) = (content.len() as u64, 0o640, 7);
            entry.xattrs.push(("user.k".to_owned(), vec![0xff, 1]));
            writer.file(&entry, &mut &content[..]).unwrap();
            let mut link = Entry::new(format!("l{number}"), Kind::Symlink);
            link.link = entry.name;
            writer.header(&link).unwrap();
        }
        writer.finish().unwrap()
    }

    fn made(archive: &[u8], chunk: u64) -> (Vec<u8>, Seekable) {
        let mut layer = Vec::new();
        let said = seekable(archive, &mut layer, (6, chunk), Limits::default()).unwrap();
        (layer, said)
    }

    /// Names and contents.
    fn listed(bytes: &[u8]) -> Vec<(String, Vec<u8>)> {
        let decoder = Decoder::new(bytes).unwrap().1;
        let mut reader = Reader::new(BufReader::new(decoder), Limits::default());
        let mut found = Vec::new();
        while let Some(entry) = reader.next().unwrap() {
            let mut content = Vec::new();
            reader.read_to_end(&mut content).unwrap();
            found.push((String::from_utf8(entry.name).unwrap(), content));
        }
        found
    }

    /// As a reader does that has only the end of it.
    fn table(layer: &[u8], said: &Seekable) -> Table {
        let (_, end) = layer.split_at(layer.len() - 51);
        assert_eq!(
            (&end[..4], &end[12..16]),
            (&[0x1f, 0x8b, 8, 4][..], &b"SG\x16\0"[..])
        );
        assert_eq!(&end[32..38], b"STARGZ");
        let offset = usize::from_str_radix(std::str::from_utf8(&end[16..32]).unwrap(), 16).unwrap();
        let mut inner = Vec::new();
        GzDecoder::new(&layer[offset..]).read_to_end(&mut inner).unwrap();
        let [(name, json)] = &listed(&inner)[..] else {
            panic!("one entry")
        };
        assert_eq!((&**name, Digest::of(json)), (TABLE, said.table));
        serde_json::from_slice(json).unwrap()
    }

    fn content(layer: &[u8], offset: u64, length: u64) -> Vec<u8> {
        let mut content = Vec::new();
        let member = &layer[usize::try_from(offset).unwrap()..];
        MultiGzDecoder::new(member)
            .take(length)
            .read_to_end(&mut content)
            .unwrap();
        content
    }

    fn check(contents: &[Vec<u8>], chunk: u64) {
        let archive = archive(contents);
        let (layer, said) = made(&archive, chunk);
        let mut plain = Vec::new();
        MultiGzDecoder::new(&*layer).read_to_end(&mut plain).unwrap();
        assert_eq!(
            (Digest::of(&plain), plain.len() as u64),
            (said.diff_id, said.plain)
        );
        // For those who know nothing of it: the same files, and the landmark.
        let mut files = listed(&archive);
        files.insert(0, (LANDMARKS[0].to_owned(), LANDMARK.to_vec()));
        assert_eq!(listed(&layer), files);
        let table = table(&layer, &said);
        let mut rows = table.entries.iter().peekable();
        for (name, expected) in files {
            let row = rows.next().unwrap();
            assert_eq!((&row.name, row.size), (&name, expected.len() as u64));
            if row.kind != "reg" {
                continue;
            }
            assert_eq!(row.digest, Some(Digest::of(&expected)));
            let mut parts: Vec<&Row> = Vec::from_iter((row.size > 0).then_some(row));
            while let Some(more) = rows.next_if(|row| row.kind == "chunk") {
                parts.push(more);
            }
            let mut whole = Vec::new();
            for part in parts {
                assert_eq!((&part.name, part.chunk_offset), (&name, whole.len() as u64));
                let rest = row.size - part.chunk_offset;
                let length = if part.chunk_size == 0 {
                    rest
                } else {
                    part.chunk_size
                };
                assert!(length <= chunk);
                let bytes = content(&layer, part.offset, length);
                assert_eq!(part.chunk_digest, Some(Digest::of(&bytes)));
                whole.extend(bytes);
            }
            assert_eq!(whole, expected);
        }
        assert!(rows.next().is_none());
        // Of what it was made of is all that it depends on; made of itself it is the same.
        assert_eq!(made(&archive, chunk), (layer.clone(), said.clone()));
        assert_eq!(made(&plain, chunk), (layer, said));
    }

    #[test]
    fn rows_say_what_entries_are() {
        let (layer, said) = made(&archive(&[b"abc".to_vec(), Vec::new()]), CHUNK);
        let table = table(&layer, &said);
        let shown = serde_json::to_value(&table.entries[1..4]).unwrap();
        let mut expected = serde_json::json!([
            {"name": "d/", "type": "dir", "modtime": "2001-09-09T01:46:40Z", "mode": 0o755, "uid": 0, "gid": 0},
            {"name": "d/0", "type": "reg", "size": 3, "mode": 0o640, "uid": 7, "gid": 0, "xattrs": {"user.k": "/wE="},
             "digest": Digest::of(b"abc"), "chunkDigest": Digest::of(b"abc")},
            {"name": "l0", "type": "symlink", "linkName": "d/0", "mode": 0, "uid": 0, "gid": 0},
        ]);
        expected[1]["offset"] = table.entries[2].offset.into();
        assert_eq!(shown, expected);
        let empty = &table.entries[4];
        assert_eq!((empty.offset, empty.digest), (0, Some(Digest::of(b""))));
    }

    #[test]
    fn what_is_no_archive_is_refused() {
        let cut = &archive(&[vec![1; 2000]])[..2000];
        assert!(seekable(cut, io::sink(), (6, CHUNK), Limits::default()).is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// Offsets, lengths and digests are true whatever there is.
        #[test]
        fn each_file_is_where_the_table_says(
            contents in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..1200), 0..8),
            chunk in 1_u64..700,
        ) {
            check(&contents, chunk);
        }
    }
}
