//! Tables: the columns and cells that `kubectl get` shows of each kind, and partial objects. Pure.
//!
//! A kind is a row of one table: its columns and a function that writes its cells as JSON, straight into the answer's
//! buffer; no table is ever built in memory. Columns and cells are those of upstream's
//! `pkg/printers/internalversion`; a kind without a row gets upstream's default table.
//!
//! Cells are read from the object in its *storage* version, as upstream reads them from its internal one, whatever
//! version was asked for.
#![forbid(unsafe_code)]

mod age;
mod cells;
mod column;
mod kinds;
mod partial;
mod table;
mod text;

pub use age::human_duration;
pub use cells::{Cells, Row};
pub use column::Column;
pub use kinds::{Printer, SCALE, printer};
pub use partial::{MetaVersion, partial_object};
pub use table::{Include, ListMeta, Options, Table, UnknownInclude};
