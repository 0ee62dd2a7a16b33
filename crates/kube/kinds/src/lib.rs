//! What is special about each kind: defaults that upstream sets in code, what a strategy prepares, validation,
//! warnings.
//!
//! One row per resource ([`strategy()`]); a row is a value of [`Strategy`], and what a kind does not say is
//! [`PLAIN`]. Pure: trees in, trees and field errors out; no clock, no chance, no I/O. A rule reads
//! the object through a [`Place`], which knows the path that an error must name and writes it down only if there
//! is one. The rules that several kinds share, with upstream's texts, are in [`rules`].
//!
//! One file per kind, below a folder per room of the API; each folder exports its rows.
#![forbid(unsafe_code)]

mod access;
mod admission;
pub mod alloc;
#[cfg(test)]
mod cases;
mod certificates;
mod cluster;
mod config;
mod devices;
mod flow;
mod internal;
mod network;
mod place;
pub mod quota;
pub mod rules;
mod signer;
mod storage;
mod strategy;
#[cfg(test)]
mod tables;
mod volume;
mod workloads;

pub use internal::json as internal_json;
pub use place::Place;
pub use strategy::{
    Context, Generation, NameRule, PLAIN, Reset, Row, SelectableField, Strategy, Subresource, User,
};

/// The rows of every room, each sorted by (group, plural).
const ROOMS: &[&[Row]] = &[
    access::ROWS,
    admission::ROWS,
    certificates::ROWS,
    cluster::ROWS,
    config::ROWS,
    devices::ROWS,
    flow::ROWS,
    network::ROWS,
    storage::ROWS,
    workloads::ROWS,
];

/// What is special about a resource; [`PLAIN`] if nothing is (custom resources too).
pub fn strategy(group: &str, plural: &str) -> &'static Strategy {
    let find = |rows: &&'static [Row]| {
        let at = rows.binary_search_by(|row| (row.0, row.1).cmp(&(group, plural)));
        Some(rows[at.ok()?].2)
    };
    ROOMS.iter().find_map(find).unwrap_or(&PLAIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_sorted_and_name_resources_that_exist() {
        for rows in ROOMS {
            assert!(rows.is_sorted_by(|a, b| (a.0, a.1) < (b.0, b.1)));
        }
        for (group, plural, _) in ROOMS.iter().copied().flatten() {
            let exists = |def: &&schema::resource::ResourceDef| def.group == *group && def.plural == *plural;
            assert!(
                schema::resource::builtin().iter().any(|def| exists(&def)),
                "{group}/{plural}"
            );
        }
    }
}
