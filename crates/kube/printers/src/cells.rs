//! What a kind's printer reads from and writes to.

use schema::cursor::Ref;
use schema::json::{write_float, write_int, write_string};

use crate::age;

/// The object of a row, and the time at which it is looked at.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    /// The object in its storage version.
    pub object: Ref<'a>,
    /// Unix seconds.
    pub now: i64,
}

impl<'a> Row<'a> {
    /// What stands at a path.
    pub(crate) fn at(&self, path: &str) -> Ref<'a> {
        self.object.path(path)
    }

    /// `metadata.name`
    pub(crate) fn name(&self) -> &'a str {
        self.at("metadata.name").str()
    }

    /// The time since the one at a path; `<unknown>` if there is none.
    pub(crate) fn since(&self, path: &str) -> String {
        age::since(self.at(path).str(), self.now)
    }

    /// Whether deletion has begun.
    pub(crate) fn deleted(&self) -> bool {
        self.at("metadata.deletionTimestamp").exists()
    }
}

/// The cells of one row, written as JSON as they come.
#[derive(Debug)]
pub struct Cells<'b> {
    out: &'b mut Vec<u8>,
    first: bool,
    pub(crate) completed: Option<Completed>,
}

/// A row's condition `Completed`: the object runs to an end and has reached it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Completed {
    pub(crate) reason: &'static str,
    pub(crate) message: &'static str,
}

impl<'b> Cells<'b> {
    /// Cells to be appended; the brackets around them are the caller's.
    pub fn new(out: &'b mut Vec<u8>) -> Self {
        Self {
            out,
            first: true,
            completed: None,
        }
    }

    fn next(&mut self) -> &mut Vec<u8> {
        if !std::mem::take(&mut self.first) {
            self.out.push(b',');
        }
        self.out
    }

    /// A text.
    pub fn text(&mut self, text: &str) -> &mut Self {
        write_string(self.next(), text);
        self
    }

    /// A text, or another one if it is empty.
    pub(crate) fn text_or(&mut self, text: &str, empty: &str) -> &mut Self {
        self.text(if text.is_empty() { empty } else { text })
    }

    /// The text at a place, or another one if nothing is there (empty is something).
    pub(crate) fn present_or(&mut self, at: Ref<'_>, absent: &str) -> &mut Self {
        self.text(at.text().unwrap_or(absent))
    }

    /// A number.
    pub fn int(&mut self, int: i64) -> &mut Self {
        write_int(self.next(), int);
        self
    }

    /// A length.
    pub(crate) fn count(&mut self, count: usize) -> &mut Self {
        self.int(i64::try_from(count).unwrap_or(i64::MAX))
    }

    /// Nothing.
    pub fn null(&mut self) -> &mut Self {
        self.next().extend_from_slice(b"null");
        self
    }

    /// A number that need not be an integer.
    pub fn number(&mut self, number: f64) -> &mut Self {
        write_float(self.next(), number);
        self
    }

    /// A boolean.
    pub fn bool(&mut self, value: bool) -> &mut Self {
        self.next()
            .extend_from_slice(if value { b"true" } else { b"false" });
        self
    }

    /// `metadata.name`
    pub(crate) fn name(&mut self, row: &Row<'_>) -> &mut Self {
        self.text(row.name())
    }

    /// The time since creation.
    pub(crate) fn age(&mut self, row: &Row<'_>) -> &mut Self {
        self.text(&row.since("metadata.creationTimestamp"))
    }
}
