//! `meta/v1 Table`, written row by row.

use schema::cursor::Ref;
use schema::json::{write_int, write_string};
use schema::object::ScanError;

use crate::cells::Completed;
use crate::partial::partial_object;
use crate::{Cells, Column, MetaVersion, Printer, Row};

/// What a row says of its object besides the cells (`includeObject`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Include {
    /// Nothing.
    None,
    /// Its metadata; the default.
    #[default]
    Metadata,
    /// All of it.
    Object,
}

/// An `includeObject` that is none of the three; the message is upstream's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "Unable to convert to Table as requested: includeObject: Invalid value: {}: must be 'Metadata', 'Object', 'None', or empty",
    schema::json::go_quote(.0)
)]
pub struct UnknownInclude(pub String);

impl Include {
    /// The query parameter's value, empty if it was not given.
    ///
    /// # Errors
    /// See [`UnknownInclude`].
    pub fn parse(value: &str) -> Result<Self, UnknownInclude> {
        match value {
            "" | "Metadata" => Ok(Self::Metadata),
            "Object" => Ok(Self::Object),
            "None" => Ok(Self::None),
            other => Err(UnknownInclude(other.to_owned())),
        }
    }
}

/// How the client wants its table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// The version of the table and of the partial objects in it.
    pub version: MetaVersion,
    /// What rows say of their objects.
    pub include: Include,
    /// Whether the columns are told: a watch tells them once.
    pub headers: bool,
}

/// The table's metadata: the list's, or the resource version of the one object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ListMeta<'a> {
    /// The revision of the list.
    pub resource_version: &'a str,
    /// Where the list goes on; empty at its end.
    pub continue_token: &'a str,
    /// How many items are left, if known.
    pub remaining: Option<i64>,
}

impl ListMeta<'_> {
    /// Appends it as JSON.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.push(b'{');
        if !self.resource_version.is_empty() {
            out.extend_from_slice(b"\"resourceVersion\":");
            write_string(out, self.resource_version);
        }
        if !self.continue_token.is_empty() {
            out.extend_from_slice(b",\"continue\":");
            write_string(out, self.continue_token);
        }
        if let Some(remaining) = self.remaining {
            out.extend_from_slice(b",\"remainingItemCount\":");
            write_int(out, remaining);
        }
        out.push(b'}');
    }
}

/// Writes the cells of a row.
type Print<'p> = Box<dyn Fn(&Row<'_>, &mut Cells<'_>) + 'p>;

/// A table in the making.
pub struct Table<'p> {
    out: Vec<u8>,
    print: Print<'p>,
    options: Options,
    empty: bool,
}

impl<'p> Table<'p> {
    /// A table of a built-in kind, without rows yet.
    pub fn new(printer: &'p Printer, meta: &ListMeta<'_>, options: Options) -> Self {
        Self::with(printer.columns, printer.print, meta, options)
    }

    /// A table with columns of its own, without rows yet.
    pub fn with(
        own: &[Column],
        print: impl Fn(&Row<'_>, &mut Cells<'_>) + 'p,
        meta: &ListMeta<'_>,
        options: Options,
    ) -> Self {
        let mut out = Vec::with_capacity(1024);
        options.version.begin("Table", &mut out);
        out.extend_from_slice(b",\"metadata\":");
        meta.write(&mut out);
        out.extend_from_slice(b",\"columnDefinitions\":");
        columns(options.headers.then_some(own), &mut out);
        out.extend_from_slice(b",\"rows\":[");
        Self {
            out,
            print: Box::new(print),
            options,
            empty: true,
        }
    }

    /// Adds a row: the object's tree for the cells, and the object as it is served for [`Options::include`].
    ///
    /// # Errors
    /// Bytes that are no object with metadata.
    pub fn row(&mut self, object: Ref<'_>, now: i64, served: &[u8]) -> Result<(), ScanError> {
        let begin: &[u8] = if std::mem::take(&mut self.empty) {
            b"{\"cells\":["
        } else {
            b",{\"cells\":["
        };
        self.out.extend_from_slice(begin);
        let mut cells = Cells::new(&mut self.out);
        (self.print)(&Row { object, now }, &mut cells);
        let completed = cells.completed;
        self.out.push(b']');
        completed_condition(completed, &mut self.out);
        self.out.extend_from_slice(b",\"object\":");
        match self.options.include {
            Include::None => self.out.extend_from_slice(b"null"),
            Include::Metadata => partial_object(self.options.version, served, &mut self.out)?,
            Include::Object => self.out.extend_from_slice(served),
        }
        self.out.push(b'}');
        Ok(())
    }

    /// The table as JSON.
    pub fn finish(mut self) -> Vec<u8> {
        self.out.extend_from_slice(b"]}");
        self.out
    }
}

fn columns(columns: Option<&[Column]>, out: &mut Vec<u8>) {
    let Some(columns) = columns else {
        return out.extend_from_slice(b"null");
    };
    out.push(b'[');
    for (at, column) in columns.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        column.write(out);
    }
    out.push(b']');
}

fn completed_condition(completed: Option<Completed>, out: &mut Vec<u8>) {
    let Some(Completed { reason, message }) = completed else {
        return;
    };
    out.extend_from_slice(b",\"conditions\":[{\"type\":\"Completed\",\"status\":\"True\",\"reason\":");
    write_string(out, reason);
    out.extend_from_slice(b",\"message\":");
    write_string(out, message);
    out.extend_from_slice(b"}]");
}
