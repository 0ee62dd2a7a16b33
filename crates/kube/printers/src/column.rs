//! Columns of a table (`meta/v1 TableColumnDefinition`).

use std::borrow::Cow;

use schema::json::{write_int, write_string};

/// One column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// As clients print it, in capitals there: `Up-to-date`
    pub name: Cow<'static, str>,
    /// OpenAPI's type: `string`, `integer`, `boolean`, `number`, or `date`
    pub kind: Cow<'static, str>,
    /// OpenAPI's format, or `name` for the column that names the object
    pub format: Cow<'static, str>,
    /// A sentence for people
    pub description: Cow<'static, str>,
    /// 0, or more for columns that only wide output shows
    pub priority: i32,
}

impl Column {
    /// A built-in column.
    pub(crate) const fn new(
        name: &'static str,
        kind: &'static str,
        format: &'static str,
        priority: i32,
        description: &'static str,
    ) -> Self {
        Self {
            name: Cow::Borrowed(name),
            kind: Cow::Borrowed(kind),
            format: Cow::Borrowed(format),
            description: Cow::Borrowed(description),
            priority,
        }
    }

    /// Texts, always shown.
    pub(crate) const fn text(name: &'static str, description: &'static str) -> Self {
        Self::new(name, "string", "", 0, description)
    }

    /// Texts, in wide output only.
    pub(crate) const fn wide(name: &'static str, description: &'static str) -> Self {
        Self::new(name, "string", "", 1, description)
    }

    /// Integers.
    pub(crate) const fn int(name: &'static str, description: &'static str) -> Self {
        Self::new(name, "integer", "", 0, description)
    }

    /// Booleans.
    pub(crate) const fn bool(name: &'static str, description: &'static str) -> Self {
        Self::new(name, "boolean", "", 0, description)
    }

    /// Appends the column as JSON.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        let members = [
            ("{\"name\":", &self.name),
            (",\"type\":", &self.kind),
            (",\"format\":", &self.format),
            (",\"description\":", &self.description),
        ];
        for (name, value) in members {
            out.extend_from_slice(name.as_bytes());
            write_string(out, value);
        }
        out.extend_from_slice(b",\"priority\":");
        write_int(out, self.priority.into());
        out.push(b'}');
    }
}
