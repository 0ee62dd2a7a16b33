//! One entry, and its header block.

use std::ops::Range;

use super::{BLOCK, Block};
use crate::archive::Fault;

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    File,
    /// To the entry named by `link`.
    Hardlink,
    Symlink,
    Character,
    BlockDevice,
    Directory,
    Fifo,
    /// Something else; its type byte.
    Other(u8),
}

/// An entry of an archive. Names are bytes: tar knows no encoding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) name: Vec<u8>,
    /// Target of a link.
    pub(crate) link: Vec<u8>,
    pub(crate) kind: Kind,
    /// Permission bits, with set-id and sticky.
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    /// Bytes of content that follow.
    pub(crate) size: u64,
    /// Seconds and nanoseconds since 1970.
    pub(crate) mtime: (i64, u32),
    /// Major and minor number of a device.
    pub(crate) device: (u32, u32),
    /// Extended attributes, by their full name.
    pub(crate) xattrs: Vec<(String, Vec<u8>)>,
}

impl Entry {
    pub(crate) fn new(name: impl Into<Vec<u8>>, kind: Kind) -> Self {
        Self {
            name: name.into(),
            link: Vec::new(),
            kind,
            mode: 0,
            uid: 0,
            gid: 0,
            size: 0,
            mtime: (0, 0),
            device: (0, 0),
            xattrs: Vec::new(),
        }
    }
}

const NAME: Range<usize> = 0..100;
const MODE: Range<usize> = 100..108;
const UID: Range<usize> = 108..116;
const GID: Range<usize> = 116..124;
const SIZE: Range<usize> = 124..136;
const MTIME: Range<usize> = 136..148;
const CHECKSUM: Range<usize> = 148..156;
const KIND: usize = 156;
const LINK: Range<usize> = 157..257;
const MAGIC: Range<usize> = 257..263;
const VERSION: Range<usize> = 263..265;
const MAJOR: Range<usize> = 329..337;
const MINOR: Range<usize> = 337..345;
const PREFIX: Range<usize> = 345..500;

const TYPES: &[(u8, Kind)] = &[
    (b'0', Kind::File),
    (b'1', Kind::Hardlink),
    (b'2', Kind::Symlink),
    (b'3', Kind::Character),
    (b'4', Kind::BlockDevice),
    (b'5', Kind::Directory),
    (b'6', Kind::Fifo),
    (b'\0', Kind::File),
    (b'7', Kind::File),
];

impl Kind {
    fn of(byte: u8) -> Self {
        TYPES
            .iter()
            .find(|(known, _)| *known == byte)
            .map_or(Self::Other(byte), |(_, kind)| *kind)
    }

    fn byte(self) -> u8 {
        match self {
            Self::Other(byte) => byte,
            known => TYPES
                .iter()
                .find(|(_, kind)| *kind == known)
                .map_or(b'0', |(byte, _)| *byte),
        }
    }
}

/// Reads a header block.
pub(super) fn decode(block: &Block) -> Result<Entry, Fault> {
    if number(&block[CHECKSUM])? != checksum(block) {
        return Err(Fault::Header);
    }
    let id = |field: Range<usize>| u32::try_from(unsigned(&block[field])?).map_err(|_| Fault::Header);
    let mut entry = Entry::new(name(block), Kind::of(block[KIND]));
    entry.link = text(&block[LINK]).to_vec();
    entry.mode = id(MODE)? & 0o7777;
    entry.uid = id(UID)?;
    entry.gid = id(GID)?;
    entry.size = unsigned(&block[SIZE])?;
    entry.mtime.0 = number(&block[MTIME])?;
    if matches!(entry.kind, Kind::Character | Kind::BlockDevice) {
        entry.device = (id(MAJOR)?, id(MINOR)?);
    }
    Ok(entry)
}

/// The name, after its prefix where the header is ustar's. GNU's own format uses that space
/// otherwise.
fn name(block: &Block) -> Vec<u8> {
    let name = text(&block[NAME]);
    let prefix = if &block[MAGIC] == b"ustar\0" {
        text(&block[PREFIX])
    } else {
        b""
    };
    if prefix.is_empty() {
        name.to_vec()
    } else {
        [prefix, b"/", name].concat()
    }
}

fn text(field: &[u8]) -> &[u8] {
    let end = field.iter().position(|byte| *byte == 0).unwrap_or(field.len());
    &field[..end]
}

/// An octal number with blanks around it, or GNU's: big-endian behind a set highest bit.
fn number(field: &[u8]) -> Result<i64, Fault> {
    if field[0] & 0x80 != 0 {
        return binary(field);
    }
    let digits = text(field).trim_ascii();
    let octal = |value: i64, digit: &u8| match digit {
        b'0'..=b'7' => value.checked_mul(8)?.checked_add(i64::from(digit - b'0')),
        _ => None,
    };
    digits.iter().try_fold(0, octal).ok_or(Fault::Header)
}

/// A number that may not be negative.
pub(super) fn unsigned(field: &[u8]) -> Result<u64, Fault> {
    u64::try_from(number(field)?).map_err(|_| Fault::Header)
}

fn binary(field: &[u8]) -> Result<i64, Fault> {
    let negative = field[0] & 0x40 != 0;
    let first = if negative {
        i128::from(field[0]) - 256
    } else {
        i128::from(field[0] & 0x7f)
    };
    let value = field[1..]
        .iter()
        .fold(first, |value, byte| value.wrapping_shl(8) | i128::from(*byte));
    i64::try_from(value).map_err(|_| Fault::Header)
}

/// The sum of all bytes, with the checksum itself taken as blanks.
fn checksum(block: &Block) -> i64 {
    let byte = |(at, byte): (usize, &u8)| i64::from(if CHECKSUM.contains(&at) { b' ' } else { *byte });
    block.iter().enumerate().map(byte).sum()
}

/// Writes a header block, and says which fields did not fit: those go into PAX records.
pub(super) fn encode(entry: &Entry) -> (Block, Misfits) {
    let mut block = [0; BLOCK];
    let mut misfits = Misfits {
        name: !fits_text(&mut block[NAME], &entry.name),
        link: !fits_text(&mut block[LINK], &entry.link),
        ..Misfits::default()
    };
    octal(&mut block[MODE], entry.mode.into());
    misfits.uid = !octal(&mut block[UID], entry.uid.into());
    misfits.gid = !octal(&mut block[GID], entry.gid.into());
    misfits.size = !octal(&mut block[SIZE], entry.size);
    let seconds = u64::try_from(entry.mtime.0);
    misfits.mtime = !octal(&mut block[MTIME], seconds.unwrap_or(0)) || seconds.is_err();
    block[KIND] = entry.kind.byte();
    block[MAGIC].copy_from_slice(b"ustar\0");
    block[VERSION].copy_from_slice(b"00");
    if matches!(entry.kind, Kind::Character | Kind::BlockDevice) {
        octal(&mut block[MAJOR], entry.device.0.into());
        octal(&mut block[MINOR], entry.device.1.into());
    }
    let sum = checksum(&block).unsigned_abs();
    octal(&mut block[CHECKSUM.start..CHECKSUM.end - 1], sum);
    block[CHECKSUM.end - 1] = b' ';
    (block, misfits)
}

/// Fields that need a PAX record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "one for each field")]
pub(super) struct Misfits {
    pub(super) name: bool,
    pub(super) link: bool,
    pub(super) uid: bool,
    pub(super) gid: bool,
    pub(super) size: bool,
    pub(super) mtime: bool,
}

/// Only plain ASCII goes into the header: readers disagree on the encoding of the rest.
fn fits_text(field: &mut [u8], text: &[u8]) -> bool {
    let fits = text.len() <= field.len() && text.is_ascii();
    let kept = text.len().min(field.len());
    field[..kept].copy_from_slice(&text[..kept]);
    fits
}

/// Digits with a NUL after them; zero if they do not fit.
fn octal(field: &mut [u8], value: u64) -> bool {
    let width = field.len() - 1;
    let digits = format!("{value:0width$o}");
    let fits = digits.len() == width;
    let digits = if fits { digits } else { "0".repeat(width) };
    field[..width].copy_from_slice(digits.as_bytes());
    field[width] = 0;
    fits
}
