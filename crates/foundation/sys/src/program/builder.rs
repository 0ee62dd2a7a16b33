//! Writing a program: strings are stored once, lists are laid out as `execve` wants them.

use std::collections::HashMap;

use super::format::{FormatError, Layout};
use super::op::{Op, Slot, Text, Texts, Words};
use super::{MAX_OPS, Program, SLOTS};

/// Why a program cannot be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BuildError {
    /// A string holds a NUL byte, which no system call can take.
    #[error("{0:?} contains a NUL byte")]
    Nul(String),
    /// All [`SLOTS`] descriptors are in use.
    #[error("more than {SLOTS} descriptors")]
    Slots,
    /// The finished bytes do not verify: larger than a program may be.
    #[error(transparent)]
    Format(#[from] FormatError),
}

/// Collects operations and what they refer to.
///
/// A string with a NUL byte is remembered and refused by [`Builder::finish`], so that a plan
/// reads as a plain sequence of operations.
#[derive(Debug, Default)]
pub struct Builder {
    ops: Vec<Op>,
    words: Vec<u64>,
    strings: Vec<u8>,
    known: HashMap<Vec<u8>, Text>,
    slots: u8,
    free: Vec<Slot>,
    error: Option<BuildError>,
}

impl Builder {
    /// A builder whose first `given` slots are filled by the launcher.
    pub fn new(given: u8) -> Self {
        Self {
            slots: given,
            ..Self::default()
        }
    }

    /// Appends one operation.
    pub fn push(&mut self, op: Op) -> &mut Self {
        self.ops.push(op);
        self
    }

    /// A slot that nothing uses yet.
    pub fn slot(&mut self) -> Slot {
        if let Some(slot) = self.free.pop() {
            return slot;
        }
        if usize::from(self.slots) >= SLOTS {
            self.error.get_or_insert(BuildError::Slots);
            return Slot::NONE;
        }
        self.slots += 1;
        Slot(self.slots - 1)
    }

    /// Gives back a slot that no later operation uses; what it held is closed when it is filled
    /// again, at the latest when the program ends.
    pub fn release(&mut self, slot: Slot) {
        self.free.push(slot);
    }

    /// The string `text`, stored once however often it is used.
    pub fn text(&mut self, text: impl AsRef<[u8]>) -> Text {
        let text = text.as_ref();
        if let Some(known) = self.known.get(text) {
            return *known;
        }
        if text.contains(&0) {
            self.error
                .get_or_insert_with(|| BuildError::Nul(String::from_utf8_lossy(text).into_owned()));
        }
        let at = Text(count(self.strings.len()));
        self.strings.extend_from_slice(text);
        self.strings.push(0);
        self.known.insert(text.to_vec(), at);
        at
    }

    /// A NULL-terminated list of strings.
    pub fn texts<T: AsRef<[u8]>>(&mut self, texts: impl IntoIterator<Item = T>) -> Texts {
        let offsets: Vec<u64> = texts.into_iter().map(|text| self.text(text).0.into()).collect();
        let at = Texts(self.words(offsets).0);
        self.words.push(0);
        at
    }

    /// A counted list of raw words.
    pub fn words(&mut self, words: impl IntoIterator<Item = u64>) -> Words {
        let at = self.words.len();
        self.words.push(0);
        self.words.extend(words);
        self.words[at] = (self.words.len() - at - 1) as u64;
        Words(count(at))
    }

    /// The program, verified.
    pub fn finish(self) -> Result<Program, BuildError> {
        if let Some(error) = self.error {
            return Err(error);
        }
        if self.ops.len() > MAX_OPS as usize {
            return Err(FormatError::TooLarge.into());
        }
        let layout = Layout {
            ops: count(self.ops.len()),
            words: count(self.words.len()),
            strings: count(self.strings.len()),
        };
        let mut bytes = layout.header().to_vec();
        bytes.extend(self.ops.iter().flat_map(|op| op.to_record().to_bytes()));
        bytes.extend(self.words.iter().flat_map(|word| word.to_le_bytes()));
        bytes.extend(self.strings);
        Ok(Program::parse(bytes)?)
    }
}

/// A length as the format stores it. One that does not fit makes a program that is refused as too
/// large, long before the number matters.
fn count(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}
