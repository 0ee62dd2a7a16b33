//! Filters of the build cache, in containerd's words: `id==x`, `id~=x`, `type!=regular`, `inuse`; a record fits if it fits any.

use crate::build::Usage;
use crate::grpc::Status;

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
    value: Option<(Operator, String)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Is,
    IsNot,
    Contains,
}

impl Filters {
    /// Reads filters. The client sends an empty one where it has none.
    pub(super) fn read(filters: &[String]) -> Result<Self, Status> {
        let filters = filters.iter().filter(|filter| !filter.is_empty());
        let read = |filter: &String| filter.split(',').map(|term| Term::read(filter, term)).collect();
        Ok(Self(filters.map(read).collect::<Result<_, Status>>()?))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn fit(&self, usage: &Usage) -> bool {
        self.is_empty()
            || self
                .0
                .iter()
                .any(|terms| terms.iter().all(|term| term.fits(usage)))
    }
}

impl Term {
    fn read(filter: &str, term: &str) -> Result<Self, Status> {
        let unknown = || Status::unimplemented(format!("filter {filter} is not supported"));
        const OPERATORS: [(&str, Operator); 3] = [
            ("!=", Operator::IsNot),
            ("==", Operator::Is),
            ("~=", Operator::Contains),
        ];
        let parts = OPERATORS.iter().find_map(|(text, operator)| {
            let (field, value) = term.split_once(text)?;
            Some((field, (*operator, value.trim_matches('"').to_owned())))
        });
        let (field, value) = parts.map_or((term, None), |(field, value)| (field, Some(value)));
        let pattern = value
            .as_ref()
            .filter(|(operator, _)| *operator == Operator::Contains);
        // A pattern is a regular expression; those that are plain text are understood.
        let plain = pattern
            .is_none_or(|(_, text)| !text.contains(['.', '*', '[', '(', '|', '^', '$', '+', '?', '\\']));
        if !FIELDS.contains(&field) || !plain {
            return Err(unknown());
        }
        Ok(Self {
            field: field.to_owned(),
            value,
        })
    }

    fn fits(&self, usage: &Usage) -> bool {
        let flag = |set: bool| set.then(|| "true".to_owned());
        let found = match &*self.field {
            "id" => Some(usage.id.clone()),
            "description" => Some(usage.description.clone()),
            "type" => Some(usage.kind.clone()),
            "inuse" => flag(usage.in_use),
            "shared" => flag(usage.shared),
            "private" => flag(!usage.shared),
            "parents" => Some(usage.parents.join(";")).filter(|parents| !parents.is_empty()),
            "immutable" => flag(true),
            _ => None,
        };
        match &self.value {
            None => found.is_some(),
            Some((Operator::Is, value)) => found.unwrap_or_default() == *value,
            Some((Operator::IsNot, value)) => found.unwrap_or_default() != *value,
            Some((Operator::Contains, value)) => found.unwrap_or_default().contains(value),
        }
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
            Filters::read(&filters).map(|filters| filters.fit(&usage)).ok()
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
            (&["id~=x.*"], None),
            (&["strange"], None),
        ] {
            assert_eq!(fit(filters), fits, "{filters:?}");
        }
    }
}
