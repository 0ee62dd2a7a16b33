//! Filters in containerd's words: `id==x`, `id~=^x.*`, `type!=regular`, `inuse`. A record of the build cache fits if it fits any.

use regex::{Regex, RegexBuilder};

use crate::build::Usage;
use crate::grpc::Status;

/// Bytes of a compiled pattern.
const MAX_PATTERN: usize = 1 << 20;

/// The fields that records have.
const FIELDS: [&str; 9] = [
    "description",
    "id",
    "immutable",
    "inuse",
    "mutable",
    "parents",
    "private",
    "shared",
    "type",
];

/// Filters.
#[derive(Clone, Debug, Default)]
pub(super) struct Filters(Vec<Vec<Term>>);

#[derive(Clone, Debug)]
struct Term {
    field: String,
    /// How it is to be; for none, it is to be at all.
    value: Option<Wanted>,
}

#[derive(Clone, Debug)]
enum Wanted {
    Is(String),
    IsNot(String),
    Matches(Regex),
}

/// A field of what is chosen, if it has it.
type Field<'a> = &'a dyn Fn(&str) -> Option<String>;

impl Filters {
    /// Reads filters. The client sends an empty one where it has none.
    pub(super) fn read(filters: &[String]) -> Result<Self, Status> {
        let filters = filters.iter().filter(|filter| !filter.is_empty());
        let read = |filter: &String| {
            let terms = filter.split(',');
            terms.map(|term| Term::read(filter, term, &FIELDS)).collect()
        };
        Ok(Self(filters.map(read).collect::<Result<_, Status>>()?))
    }

    /// Reads the terms of one filter, which are about these fields.
    pub(super) fn of_terms(terms: &[String], fields: &[&str]) -> Result<Self, Status> {
        let read = terms.iter().map(|term| Term::read(term, term, fields));
        Ok(Self(vec![read.collect::<Result<_, _>>()?]))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether something fits that has these fields.
    pub(super) fn fit(&self, found: Field<'_>) -> bool {
        self.is_empty()
            || self
                .0
                .iter()
                .any(|terms| terms.iter().all(|term| term.fits(found)))
    }
}

impl Term {
    fn read(filter: &str, term: &str, fields: &[&str]) -> Result<Self, Status> {
        let unknown = || Status::unimplemented(format!("filter {filter} is not supported"));
        let parts = ["!=", "==", "~="].iter().find_map(|operator| {
            let (field, value) = term.split_once(operator)?;
            Some((field, *operator, value.trim_matches('"')))
        });
        let (field, value) = match parts {
            None => (term, None),
            Some((field, "!=", value)) => (field, Some(Wanted::IsNot(value.to_owned()))),
            Some((field, "==", value)) => (field, Some(Wanted::Is(value.to_owned()))),
            Some((field, _, value)) => {
                let pattern = RegexBuilder::new(value).size_limit(MAX_PATTERN).build();
                let bad = |cause| Status::invalid(format!("invalid pattern in the filter {filter}: {cause}"));
                (field, Some(Wanted::Matches(pattern.map_err(bad)?)))
            }
        };
        if !fields.contains(&field) {
            return Err(unknown());
        }
        Ok(Self {
            field: field.to_owned(),
            value,
        })
    }

    fn fits(&self, found: Field<'_>) -> bool {
        let found = found(&self.field);
        match &self.value {
            None => found.is_some(),
            Some(Wanted::Is(value)) => found.unwrap_or_default() == *value,
            Some(Wanted::IsNot(value)) => found.unwrap_or_default() != *value,
            Some(Wanted::Matches(pattern)) => pattern.is_match(&found.unwrap_or_default()),
        }
    }
}

/// A field of a record of the build cache.
pub(super) fn of_usage(usage: &Usage, field: &str) -> Option<String> {
    let flag = |set: bool| set.then(|| "true".to_owned());
    match field {
        "id" => Some(usage.id.clone()),
        "description" => Some(usage.description.clone()),
        "type" => Some(usage.kind.clone()),
        "inuse" => flag(usage.in_use),
        "shared" => flag(usage.shared),
        "private" => flag(!usage.shared),
        "parents" => Some(usage.parents.join(";")).filter(|parents| !parents.is_empty()),
        "immutable" => flag(true),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    #[test]
    fn a_record_fits_any_of_the_filters() {
        let usage = Usage {
            id: "x".to_owned(),
            parents: Vec::new(),
            description: "RUN y".to_owned(),
            kind: "regular".to_owned(),
            size: 1,
            created: SystemTime::UNIX_EPOCH,
            last_used: SystemTime::UNIX_EPOCH,
            uses: 0,
            shared: true,
            in_use: true,
        };
        let fit = |filters: &[&str]| {
            let filters: Vec<String> = filters.iter().map(|filter| (*filter).to_owned()).collect();
            Filters::read(&filters)
                .map(|filters| filters.fit(&|field| of_usage(&usage, field)))
                .ok()
        };
        for (filters, fits) in [
            (&[""][..], Some(true)),
            (&["id==x"], Some(true)),
            (&["id==z"], Some(false)),
            (&["id==z", "inuse"], Some(true)),
            (&["inuse,type!=regular"], Some(false)),
            (&["mutable"], Some(false)),
            (&["private"], Some(false)),
            (&["shared,immutable"], Some(true)),
            (&["parents==y"], Some(false)),
            (&["id~=x"], Some(true)),
            (&["id~=z"], Some(false)),
            (&["id~=^x.*"], Some(true)),
            (&["id~=^y"], Some(false)),
            (&["id~=("], None),
            (&["strange"], None),
        ] {
            assert_eq!(fit(filters), fits, "{filters:?}");
        }
    }
}
