//! What a decoder says besides the value: the error to answer with, and the issues.

use super::{Decoder, Step};
use crate::json::report::{Issue, IssueKind, MAX_ISSUES};
use std::fmt::Write;

/// The error to answer with, if the rest is JSON.
pub(super) struct Failure {
    pub(super) message: String,
    /// From an unmarshaler. Go stops there, so it wins over type errors found before it.
    pub(super) fatal: bool,
}

impl Decoder<'_> {
    pub(super) fn save(&mut self, message: String, fatal: bool) {
        let fatal = fatal || self.opaque.is_some();
        if self.error.as_ref().is_none_or(|error| fatal && !error.fatal) {
            self.error = Some(Failure { message, fatal });
        }
    }

    /// Go's text for JSON of the wrong type; its path has the members only, not keys and indexes.
    pub(super) fn mismatch(&mut self, value: &str, go: &str, fatal: bool) {
        let path = &self.path[..self.opaque.unwrap_or(self.path.len())];
        let members = path.iter().filter_map(|step| match step {
            Step::Field(name) => Some(self.types.name(*name)),
            Step::Key(_) | Step::Index(_) => None,
        });
        let place = match self.owner {
            Some(owner) => {
                let path = members.collect::<Vec<_>>().join(".");
                format!("struct field {}.{path}", self.types.type_name(owner).1)
            }
            None => "value".to_owned(),
        };
        let message = format!("json: cannot unmarshal {value} into Go {place} of type {go}");
        self.save(message, fatal);
    }

    /// Records an issue at the current path.
    pub(super) fn issue(&mut self, kind: IssueKind) {
        if !self.report || self.opaque.is_some() || self.issues.len() >= MAX_ISSUES {
            return;
        }
        let mut path = String::new();
        for step in &self.path {
            match step {
                Step::Field(name) => push_member(&mut path, self.types.name(*name)),
                Step::Key(key) => push_member(&mut path, key),
                Step::Index(index) => drop(write!(path, "[{index}]")),
            }
        }
        let issue = Issue { kind, path };
        if !self.issues.contains(&issue) {
            self.issues.push(issue);
        }
    }
}

fn push_member(path: &mut String, name: &str) {
    if !path.is_empty() {
        path.push('.');
    }
    path.push_str(name);
}

/// Reports on custom resources: duplicates as they came, then unknown members of `metadata`, then
/// the other unknown ones by path, because upstream finds them in three passes.
pub(super) fn custom_order(issue: &Issue) -> (bool, bool, String) {
    match issue.kind {
        IssueKind::Duplicate => (false, false, String::new()),
        IssueKind::Unknown => (true, !issue.path.starts_with("metadata."), issue.path.clone()),
    }
}
