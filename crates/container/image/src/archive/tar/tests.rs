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
