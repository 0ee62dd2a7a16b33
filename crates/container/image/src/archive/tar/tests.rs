use std::io::{Cursor, Read};

use proptest::prelude::*;

use super::*;
use crate::Limits;
use crate::archive::Fault;

fn limits() -> Limits {
    Limits {
        bytes: 1 << 20,
        entries: 100,
        depth: 32,
        extension: 1 << 16,
    }
}

fn read(bytes: &[u8]) -> Result<Vec<(Entry, Vec<u8>)>, Fault> {
    let mut reader = Reader::new(bytes, limits());
    let mut entries = Vec::new();
    while let Some(entry) = reader.next()? {
        let mut content = Vec::new();
        reader.read_to_end(&mut content)?;
        entries.push((entry, content));
    }
    Ok(entries)
}

fn written(entries: &[(Entry, Vec<u8>)]) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new());
    for (entry, content) in entries {
        writer.file(entry, &mut Cursor::new(content)).unwrap();
    }
    writer.finish().unwrap()
}

fn entry() -> impl Strategy<Value = (Entry, Vec<u8>)> {
    let kind = prop_oneof![
        Just(Kind::File),
        Just(Kind::Symlink),
        Just(Kind::Hardlink),
        Just(Kind::Fifo),
        Just(Kind::Character),
    ];
    let name = prop_oneof!["[a-z/.é]{1,20}[a-z]", "[a-z]{90,300}"];
    let xattrs = prop::collection::vec(
        ("user\\.[a-z]{1,5}", prop::collection::vec(any::<u8>(), 0..9)),
        0..3,
    );
    let numbers = (
        0..0o10000u32,
        any::<u32>(),
        any::<u32>(),
        -9_000_000_000i64..90_000_000_000,
    );
    let content = prop::collection::vec(any::<u8>(), 0..1500);
    (name.clone(), name, kind, numbers, xattrs, content).prop_map(
        |(name, link, kind, numbers, xattrs, content)| {
            let mut entry = Entry::new(name, kind);
            (entry.mode, entry.uid, entry.gid, entry.mtime.0) = numbers;
            entry.xattrs = xattrs;
            match kind {
                Kind::File => entry.size = content.len() as u64,
                Kind::Symlink | Kind::Hardlink => entry.link = link.into_bytes(),
                Kind::Character => entry.device = (10, 229),
                _ => {}
            }
            let content = if kind == Kind::File { content } else { Vec::new() };
            (entry, content)
        },
    )
}

proptest! {
    #[test]
    fn what_is_written_is_read(entries in prop::collection::vec(entry(), 0..6)) {
        prop_assert_eq!(read(&written(&entries)).unwrap(), entries);
    }

    /// The `tar` crate is a second reader, not of our making.
    #[test]
    fn others_read_what_is_written(entries in prop::collection::vec(entry(), 1..6)) {
        let bytes = written(&entries);
        let mut archive = ::tar::Archive::new(&*bytes);
        for (theirs, (ours, content)) in archive.entries().unwrap().zip(&entries) {
            let mut theirs = theirs.unwrap();
            prop_assert_eq!(&*theirs.path_bytes(), &*ours.name);
            prop_assert_eq!(theirs.header().mode().unwrap(), ours.mode);
            if ours.kind == Kind::File {
                let mut read = Vec::new();
                theirs.read_to_end(&mut read).unwrap();
                prop_assert_eq!(&read, content);
            }
        }
    }

    #[test]
    fn a_cut_archive_is_no_shorter_archive(entries in prop::collection::vec(entry(), 1..4), cut in 0.0..1.0f64) {
        let bytes = written(&entries);
        let end = bytes.len() - 2 * BLOCK;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a fraction of a length")]
        let cut = (end as f64 * cut) as usize;
        // Cut between two entries it is a shorter archive; anywhere else it is none.
        if let Ok(read) = read(&bytes[..cut]) {
            prop_assert!(read.len() < entries.len());
            prop_assert_eq!(cut % BLOCK, 0);
        }
    }

    #[test]
    fn noise_does_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..3000)) {
        crate::archive::fuzz(&bytes);
    }

    #[test]
    fn damage_does_no_harm(entries in prop::collection::vec(entry(), 1..4), at in any::<prop::sample::Index>(), byte: u8) {
        let mut bytes = written(&entries);
        let at = at.index(bytes.len());
        bytes[at] = byte;
        crate::archive::fuzz(&bytes);
    }
}

#[test]
fn gnu_long_names_and_numbers_are_read() {
    let mut builder = ::tar::Builder::new(Vec::new());
    let mut header = ::tar::Header::new_gnu();
    header.set_size(3);
    header.set_uid(3_000_000);
    header.set_mtime(1 << 34);
    builder
        .append_data(&mut header, "long/".repeat(60) + "x", &b"abc"[..])
        .unwrap();
    let entries = read(&builder.into_inner().unwrap()).unwrap();
    let (entry, content) = &entries[0];
    assert_eq!(entry.name, format!("{}x", "long/".repeat(60)).into_bytes());
    assert_eq!(
        (entry.uid, entry.mtime.0, content.as_slice()),
        (3_000_000, 1 << 34, &b"abc"[..])
    );
}

#[test]
fn limits_are_kept() {
    let check = |limits: Limits, text: &str| {
        let entries: Vec<_> = (0..5)
            .map(|n| {
                (
                    Entry {
                        size: 1000,
                        ..Entry::new(format!("{n}"), Kind::File)
                    },
                    vec![0; 1000],
                )
            })
            .collect();
        let bytes = written(&entries);
        let mut reader = Reader::new(&*bytes, limits);
        let fault = std::iter::from_fn(|| reader.next().transpose())
            .find_map(Result::err)
            .unwrap();
        assert_eq!(fault.to_string(), text);
    };
    check(
        Limits {
            entries: 4,
            ..limits()
        },
        "the archive has more than 4 entries",
    );
    check(
        Limits {
            bytes: 4999,
            ..limits()
        },
        "the archive has more than 4999 bytes",
    );
}

#[test]
fn an_extended_header_is_bounded() {
    let mut entry = Entry::new("x", Kind::File);
    entry.xattrs.push(("user.big".to_owned(), vec![0; 1 << 17]));
    let fault = read(&written(&[(entry, Vec::new())])).unwrap_err();
    assert_eq!(
        fault.to_string(),
        "the archive has more than 65536 bytes of extended header"
    );
}

#[test]
fn times_may_have_fractions_and_lie_before_1970() {
    let check = |text: &str, time: (i64, u32)| {
        let mut entry = Entry::new("x", Kind::File);
        pax::apply(
            format!("{} mtime={text}\n", text.len() + 10).as_bytes(),
            &mut entry,
        )
        .unwrap();
        assert_eq!(entry.mtime, time, "{text}");
    };
    check("12.5000000000", (12, 500_000_000));
    check("-1.25000", (-2, 750_000_000));
    check("1234567890", (1_234_567_890, 0));
}

/// `size` bytes of a file that has `parts` of it, as the four forms have them: a header, blocks behind it, PAX records.
struct Sparse {
    parts: Vec<(u64, &'static str)>,
    size: u64,
}

impl Sparse {
    fn content(&self) -> Vec<u8> {
        self.parts.iter().flat_map(|(_, part)| part.bytes()).collect()
    }

    fn expanded(&self) -> Vec<u8> {
        let mut whole = vec![0; usize::try_from(self.size).unwrap()];
        for (place, part) in &self.parts {
            let place = usize::try_from(*place).unwrap();
            whole[place..place + part.len()].copy_from_slice(part.as_bytes());
        }
        whole
    }

    /// In GNU's own form: four parts in the header, the rest in blocks behind it.
    fn gnu(&self) -> Vec<u8> {
        let mut builder = ::tar::Builder::new(Vec::new());
        let content = self.content();
        let mut header = ::tar::Header::new_gnu();
        header.set_entry_type(::tar::EntryType::GNUSparse);
        header.set_size(content.len() as u64);
        header.set_path("x").unwrap();
        let gnu = header.as_gnu_mut().unwrap();
        let octal =
            |field: &mut [u8; 12], value: u64| field.copy_from_slice(format!("{value:011o}\0").as_bytes());
        octal(&mut gnu.realsize, self.size);
        let (first, more) = self.parts.split_at(self.parts.len().min(4));
        for (slot, (place, part)) in gnu.sparse.iter_mut().zip(first) {
            octal(&mut slot.offset, *place);
            octal(&mut slot.numbytes, part.len() as u64);
        }
        gnu.isextended[0] = u8::from(!more.is_empty());
        header.set_cksum();
        let mut blocks = Vec::new();
        for (number, chunk) in more.chunks(21).enumerate() {
            let mut block = [0; BLOCK];
            for (slot, (place, part)) in chunk.iter().enumerate() {
                let text = format!("{place:011o}\0{:011o}\0", part.len());
                block[slot * 24..][..24].copy_from_slice(text.as_bytes());
            }
            block[504] = u8::from((number + 1) * 21 < more.len());
            blocks.extend(block);
        }
        let mut bytes = header.as_bytes().to_vec();
        bytes.extend(blocks);
        bytes.extend(&content);
        bytes.resize(bytes.len().next_multiple_of(BLOCK), 0);
        builder.get_mut().extend(bytes);
        builder.into_inner().unwrap()
    }

    fn pax(&self, records: &[(&str, String)], before: &str) -> Vec<u8> {
        let mut builder = ::tar::Builder::new(Vec::new());
        let records: Vec<(&str, &[u8])> = records
            .iter()
            .map(|(key, value)| (*key, value.as_bytes()))
            .collect();
        builder.append_pax_extensions(records).unwrap();
        let mut content = before.as_bytes().to_vec();
        content.resize(content.len().next_multiple_of(BLOCK), 0);
        content.extend(self.content());
        let mut header = ::tar::Header::new_ustar();
        header.set_size(content.len() as u64);
        builder
            .append_data(&mut header, "GNUSparseFile.0/x", &*content)
            .unwrap();
        builder.into_inner().unwrap()
    }

    fn all(&self) -> Vec<(&'static str, Vec<u8>)> {
        let number = |key, value: u64| (key, value.to_string());
        let count = self.parts.len() as u64;
        let mut old = vec![
            number("GNU.sparse.size", self.size),
            number("GNU.sparse.numblocks", count),
        ];
        for (place, part) in &self.parts {
            old.push(number("GNU.sparse.offset", *place));
            old.push(number("GNU.sparse.numbytes", part.len() as u64));
        }
        let pairs = self
            .parts
            .iter()
            .flat_map(|(place, part)| [place.to_string(), part.len().to_string()]);
        let pairs: Vec<String> = pairs.collect();
        let name = ("GNU.sparse.name", "x".to_owned());
        let middle = [
            number("GNU.sparse.size", self.size),
            number("GNU.sparse.numblocks", count),
            ("GNU.sparse.map", pairs.join(",")),
            name.clone(),
        ];
        let new = [
            number("GNU.sparse.major", 1),
            number("GNU.sparse.minor", 0),
            number("GNU.sparse.realsize", self.size),
            name.clone(),
        ];
        old.push(name);
        let list = format!("{count}\n{}\n", pairs.join("\n"));
        vec![
            ("gnu", self.gnu()),
            ("0.0", self.pax(&old, "")),
            ("0.1", self.pax(&middle, "")),
            ("1.0", self.pax(&new, &list)),
        ]
    }
}

#[test]
fn holes_are_read_as_zeros() {
    let many = (0..60).map(|number| (number * 1000, "part"));
    for sparse in [
        Sparse {
            parts: vec![(0, "begin"), (100_000, "middle"), (200_000, "")],
            size: 200_000,
        },
        Sparse {
            parts: vec![(7, "x"), (8, "next")],
            size: 12,
        },
        Sparse {
            parts: many.collect(),
            size: 70_000,
        },
    ] {
        for (form, bytes) in sparse.all() {
            let entries = read(&bytes).unwrap();
            let (entry, content) = &entries[0];
            assert_eq!(
                (&*entry.name, entry.kind, entry.size),
                (&b"x"[..], Kind::File, sparse.size),
                "{form}"
            );
            assert!(*content == sparse.expanded(), "{form}");
            assert_eq!(entries.len(), 1, "{form}");
            // What nobody reads is skipped by what is stored of it.
            let mut reader = Reader::new(&*bytes, limits());
            assert!(
                reader.next().unwrap().is_some() && reader.next().unwrap().is_none(),
                "{form}"
            );
        }
    }
}

#[test]
fn holes_that_make_no_sense_are_refused() {
    let wrong = [
        (
            "beyond the end",
            Sparse {
                parts: vec![(10, "x")],
                size: 5,
            },
        ),
        (
            "one upon another",
            Sparse {
                parts: vec![(0, "abc"), (2, "de")],
                size: 9,
            },
        ),
        (
            "backwards",
            Sparse {
                parts: vec![(6, "abc"), (2, "de")],
                size: 9,
            },
        ),
        (
            "beyond all",
            Sparse {
                parts: vec![(u64::from(u32::MAX), "x")],
                size: 1,
            },
        ),
    ];
    for (why, sparse) in wrong {
        for (form, bytes) in sparse.all() {
            let fault = read(&bytes).unwrap_err().to_string();
            assert_eq!(fault, "archive/tar: invalid tar header", "{why} {form}");
        }
    }
    let large = Sparse {
        parts: vec![(0, "x")],
        size: 1 << 32,
    };
    for (form, bytes) in large.all() {
        let fault = read(&bytes).unwrap_err().to_string();
        assert_eq!(fault, "the archive has more than 1048576 bytes", "{form}");
    }
    // A version that nobody knows is a file like others.
    let unknown = Sparse {
        parts: vec![(0, "x")],
        size: 1,
    };
    let bytes = unknown.pax(&[("GNU.sparse.major", "7".to_owned())], "");
    assert_eq!(read(&bytes).unwrap()[0].1, b"x");
}
