//! From Go's words to the engine's, from left to right.

use std::collections::BTreeSet;

use crate::class::{class, literal};
use crate::escape::{Escape, escape};
use crate::group::{Opened, open};
use crate::reader::Reader;
use crate::repeat::{Count, MOST, repeat};
use crate::{Error, Fault};

/// The expression as the engine reads it.
pub(crate) fn translate(expression: &str) -> Result<String, Error> {
    let mut translation = Translation {
        reader: Reader::new(expression),
        out: String::with_capacity(expression.len() + 16),
        names: BTreeSet::new(),
        groups: Vec::new(),
        level: Level::default(),
        repeated: None,
    };
    while translation.reader.peek().is_some() {
        translation.step()?;
    }
    if translation.groups.is_empty() {
        Ok(translation.out)
    } else {
        Err(Error::new(Fault::MissingParen, expression))
    }
}

struct Translation<'e> {
    reader: Reader<'e>,
    out: String,
    names: BTreeSet<&'e str>,
    /// The groups that are open, outside in.
    groups: Vec<Level>,
    /// What is being read.
    level: Level,
    /// Where the repetition begins that was read last, if nothing was read since.
    repeated: Option<usize>,
}

/// What is known of a group, or of the whole.
#[derive(Clone, Copy, Debug, Default)]
struct Level {
    /// The last thing that could be repeated, by how often it repeats what is in it at most.
    last: Option<Count>,
    /// The highest of those so far.
    most: Count,
}

impl Level {
    fn push(&mut self, count: Count) {
        self.last = Some(count);
        self.most = self.most.max(count);
    }
}

impl Translation<'_> {
    fn step(&mut self) -> Result<(), Error> {
        let start = self.reader.at();
        if let Some(count) = repeat(&mut self.reader)? {
            return self.repetition(start, count);
        }
        self.repeated = None;
        match self.reader.peek() {
            Some('(') => self.open(),
            Some(')') => self.close(),
            Some('|') => {
                self.reader.next();
                self.out.push('|');
                self.level.last = None;
                Ok(())
            }
            Some('[') => {
                class(&mut self.reader, &mut self.out)?;
                self.level.push(1);
                Ok(())
            }
            Some('\\') => self.escaped(),
            _ => {
                self.character();
                Ok(())
            }
        }
    }

    fn character(&mut self) {
        match self.reader.next() {
            Some(special @ ('.' | '^' | '$')) => self.out.push(special),
            Some(plain) => literal(&mut self.out, plain),
            None => {}
        }
        self.level.push(1);
    }

    fn repetition(&mut self, start: usize, count: Count) -> Result<(), Error> {
        if let Some(before) = self.repeated {
            return Err(self.reader.wrong(Fault::RepeatOperator, before));
        }
        let Some(last) = self.level.last else {
            return Err(self.reader.wrong(Fault::MissingArgument, start));
        };
        let times = last.saturating_mul(count);
        if times > MOST {
            return Err(self.reader.wrong(Fault::RepeatSize, start));
        }
        self.level.push(times);
        self.out.push_str(self.reader.since(start));
        self.repeated = Some(start);
        Ok(())
    }

    fn open(&mut self) -> Result<(), Error> {
        match open(&mut self.reader, &mut self.names, &mut self.out)? {
            Opened::Group => self.groups.push(std::mem::take(&mut self.level)),
            // Flags are nothing that could be repeated.
            Opened::Flags => self.level.last = None,
        }
        Ok(())
    }

    fn close(&mut self) -> Result<(), Error> {
        let Some(around) = self.groups.pop() else {
            return Err(Error::new(Fault::UnexpectedParen, self.reader.whole()));
        };
        self.reader.next();
        self.out.push(')');
        let most = std::mem::replace(&mut self.level, around).most;
        self.level.push(most.max(1));
        Ok(())
    }

    /// A backslash outside brackets: besides characters and classes, places and quotations.
    fn escaped(&mut self) -> Result<(), Error> {
        const PLACES: &[(&str, &str)] = &[
            (r"\A", r"\A"),
            (r"\z", r"\z"),
            (r"\b", r"(?-u:\b)"),
            (r"\B", r"(?-u:\B)"),
        ];
        if self.reader.take(r"\Q") {
            self.quotation();
            return Ok(());
        }
        if let Some((_, place)) = PLACES.iter().find(|(go, _)| self.reader.take(go)) {
            self.out.push_str(place);
        } else {
            match escape(&mut self.reader)? {
                Escape::Character(character) => literal(&mut self.out, character),
                Escape::Class(class) => {
                    self.out.push('[');
                    self.out.push_str(&class);
                    self.out.push(']');
                }
            }
        }
        self.level.push(1);
        Ok(())
    }

    /// Up to `\E`, or the end.
    fn quotation(&mut self) {
        while !self.reader.take(r"\E") {
            let Some(character) = self.reader.next() else {
                return;
            };
            literal(&mut self.out, character);
            self.level.push(1);
        }
    }
}
