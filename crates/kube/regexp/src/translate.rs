//! From Go's words to the engine's, from left to right.

use std::collections::BTreeSet;

use crate::class::{class, literal};
use crate::escape::{Escape, NEARLY_ALL, escape};
use crate::group::{Opened, open};
use crate::reader::Reader;
use crate::repeat::{Count, MOST, repeat};
use crate::{DEEPEST, Error, Fault, HEAVIEST};

/// An expression as the engine reads it.
pub(crate) struct Translated {
    pub(crate) text: String,
    /// See [`HEAVIEST`].
    pub(crate) weight: u64,
}

/// Translates an expression.
pub(crate) fn translate(expression: &str) -> Result<Translated, Error> {
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
        if translation.level.weight > HEAVIEST {
            return Err(Error::new(Fault::TooLarge, expression));
        }
    }
    if translation.groups.is_empty() {
        Ok(Translated {
            text: translation.out,
            weight: translation.level.weight,
        })
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
    /// The last thing that could be repeated.
    last: Option<Item>,
    /// How often anything so far repeats what is in it at most.
    most: Count,
    /// What all of it weighs.
    weight: u64,
}

#[derive(Clone, Copy, Debug)]
struct Item {
    /// How often it repeats what is in it at most.
    count: Count,
    weight: u64,
}

impl Level {
    fn push(&mut self, count: Count, weight: u64) {
        self.last = Some(Item { count, weight });
        self.most = self.most.max(count);
        self.weight = self.weight.saturating_add(weight);
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
                let weight = class(&mut self.reader, &mut self.out)?;
                self.level.push(1, weight);
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
        let weight = match self.reader.next() {
            Some(special @ ('.' | '^' | '$')) => {
                self.out.push(special);
                NEARLY_ALL
            }
            Some(plain) => {
                literal(&mut self.out, plain);
                plain.len_utf8() as u64
            }
            None => 0,
        };
        self.level.push(1, weight);
    }

    fn repetition(&mut self, start: usize, count: Count) -> Result<(), Error> {
        if let Some(before) = self.repeated {
            return Err(self.reader.wrong(Fault::RepeatOperator, before));
        }
        let Some(last) = self.level.last else {
            return Err(self.reader.wrong(Fault::MissingArgument, start));
        };
        let times = last.count.saturating_mul(count);
        if times > MOST {
            return Err(self.reader.wrong(Fault::RepeatSize, start));
        }
        // It has been weighed once already.
        self.level.weight -= last.weight;
        let weight = last.weight.saturating_mul(u64::from(count)).saturating_add(1);
        self.level.push(times, weight);
        self.out.push_str(self.reader.since(start));
        self.repeated = Some(start);
        Ok(())
    }

    fn open(&mut self) -> Result<(), Error> {
        match open(&mut self.reader, &mut self.names, &mut self.out)? {
            Opened::Group if self.groups.len() == DEEPEST => {
                return Err(Error::new(Fault::TooDeep, self.reader.whole()));
            }
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
        let closed = std::mem::replace(&mut self.level, around);
        self.level.push(closed.most.max(1), closed.weight);
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
            self.level.push(1, 1);
            return Ok(());
        }
        let escaped = escape(&mut self.reader)?;
        self.level.push(1, escaped.weight());
        match escaped {
            Escape::Character(character) => literal(&mut self.out, character),
            Escape::Class(class) => {
                self.out.push('[');
                self.out.push_str(&class);
                self.out.push(']');
            }
        }
        Ok(())
    }

    /// Up to `\E`, or the end.
    fn quotation(&mut self) {
        while !self.reader.take(r"\E") {
            let Some(character) = self.reader.next() else {
                return;
            };
            literal(&mut self.out, character);
            self.level.push(1, character.len_utf8() as u64);
        }
    }
}
