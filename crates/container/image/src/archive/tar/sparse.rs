//! Files with holes: which parts of them an archive has (GNU tar manual, "Storing Sparse Files"). There are four forms: GNU's own
//! header, two in which PAX records list the parts, and one in which the list stands before the content.

use super::Block;
use crate::archive::Fault;

/// How PAX records' keys about it begin.
pub(super) const KEY: &str = "GNU.sparse.";

/// Where a part begins in the file, and how long it is.
type Part = (u64, u64);

/// What holes are read as.
static ZEROS: [u8; 64 << 10] = [0; 64 << 10];

/// What PAX records say.
#[derive(Debug, Default)]
pub(super) struct Said {
    version: (Option<u64>, Option<u64>),
    pub(super) name: Option<Vec<u8>>,
    pub(super) size: Option<u64>,
    /// Places and lengths in turns.
    numbers: Option<Vec<u64>>,
}

/// Where the parts are listed.
pub(super) enum Form {
    Records(Vec<u64>),
    /// Before the content.
    Content,
}

impl Said {
    /// Takes in a record; `key` is without what all begin with.
    pub(super) fn set(&mut self, key: &str, value: &[u8]) -> Result<(), Fault> {
        match key {
            "major" => self.version.0 = Some(number(value)?),
            "minor" => self.version.1 = Some(number(value)?),
            "name" => self.name = Some(value.to_vec()),
            "size" | "realsize" => self.size = Some(number(value)?),
            "map" => {
                self.numbers = Some(
                    value
                        .split(|byte| *byte == b',')
                        .map(number)
                        .collect::<Result<_, _>>()?,
                );
            }
            "offset" | "numbytes" => {
                let numbers = self.numbers.get_or_insert_default();
                if numbers.len() % 2 != usize::from(key == "numbytes") {
                    return Err(Fault::Header);
                }
                numbers.push(number(value)?);
            }
            _ => {}
        }
        Ok(())
    }

    /// Where the parts are; nothing for a file without holes, or a version that nobody knows: that is what it is.
    pub(super) fn form(&mut self) -> Option<Form> {
        match (self.version, self.numbers.take()) {
            ((Some(1), Some(0)), _) => Some(Form::Content),
            ((None, None) | (Some(0), Some(0 | 1)), Some(numbers)) => Some(Form::Records(numbers)),
            _ => None,
        }
    }
}

/// A file's parts, and how far it was read.
#[derive(Debug)]
pub(super) struct Holes {
    /// What was not read yet, the next one last.
    parts: Vec<Part>,
    at: u64,
    size: u64,
}

/// What comes next of a file.
#[derive(Clone, Copy)]
pub(super) enum Next {
    Data(u64),
    Hole(&'static [u8]),
    End,
}

impl Holes {
    /// Of places and lengths in turns. They must be in order, within the file, and together what is stored.
    pub(super) fn new(numbers: &[u64], size: u64, stored: u64) -> Result<Self, Fault> {
        let (pairs, []) = numbers.as_chunks::<2>() else {
            return Err(Fault::Header);
        };
        let (mut end, mut sum) = (0, 0_u64);
        for &[place, length] in pairs {
            let until = place.checked_add(length).ok_or(Fault::Header)?;
            if place < end || until > size {
                return Err(Fault::Header);
            }
            (end, sum) = (until, sum + length);
        }
        if sum != stored {
            return Err(Fault::Header);
        }
        let parts = pairs.iter().rev().map(|&[place, length]| (place, length));
        let parts = parts.filter(|(_, length)| *length > 0).collect();
        Ok(Self { parts, at: 0, size })
    }

    pub(super) fn next(&self) -> Next {
        let (place, length) = self.parts.last().copied().unwrap_or((self.size, 0));
        if self.at < place {
            let hole = usize::try_from(place - self.at).unwrap_or(usize::MAX);
            return Next::Hole(&ZEROS[..hole.min(ZEROS.len())]);
        }
        match place + length - self.at {
            0 => Next::End,
            left => Next::Data(left),
        }
    }

    /// Passes over what is left of a hole. Says how long that was.
    pub(super) fn pass(&mut self) -> u64 {
        let place = self.parts.last().map_or(self.size, |(place, _)| *place);
        let hole = place.saturating_sub(self.at);
        self.at += hole;
        hole
    }

    /// So many bytes were read, of one part or hole.
    pub(super) fn read(&mut self, count: u64) {
        self.at += count;
        self.parts.pop_if(|(place, length)| self.at == *place + *length);
    }
}

/// The parts in a header of GNU's, and the file's size.
pub(super) fn header(block: &Block) -> Result<(Vec<u64>, u64, bool), Fault> {
    let numbers = table(&block[386..482])?;
    Ok((
        numbers,
        super::header::unsigned(&block[483..495])?,
        block[482] != 0,
    ))
}

/// The parts in a block behind it, and whether there is another.
pub(super) fn extension(block: &Block) -> Result<(Vec<u64>, bool), Fault> {
    Ok((table(&block[..504])?, block[504] != 0))
}

/// Places and lengths of twelve bytes each, up to one that says nothing.
fn table(bytes: &[u8]) -> Result<Vec<u64>, Fault> {
    let said = bytes.chunks(24).take_while(|pair| pair[0] != 0);
    let numbers = said.flat_map(|pair| pair.chunks(12)).map(super::header::unsigned);
    numbers.collect()
}

/// How many numbers a list has that stands before the content: its first line says how many pairs.
pub(super) fn counted(list: &[u8]) -> Result<usize, Fault> {
    let first = list.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let pairs: u32 = std::str::from_utf8(first)
        .ok()
        .and_then(|text| text.parse().ok())
        .ok_or(Fault::Header)?;
    usize::try_from(u64::from(pairs) * 2).map_err(|_| Fault::Header)
}

/// So many numbers of that list.
pub(super) fn listed(list: &[u8], count: usize) -> Result<Vec<u64>, Fault> {
    let lines = list.split(|byte| *byte == b'\n').skip(1).take(count);
    lines.map(number).collect()
}

fn number(value: &[u8]) -> Result<u64, Fault> {
    let text = std::str::from_utf8(value).map_err(|_| Fault::Header)?;
    text.parse().map_err(|_| Fault::Header)
}
