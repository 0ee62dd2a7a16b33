//! Which objects a person means: words, labels, fields and a namespace, as `get` and `delete` take them alike.

use clap::Args;
use client::{Entry, ListOptions, Place, Selectors};

use super::Session;
use crate::failure::Failure;

/// Which objects.
#[derive(Debug, Args)]
pub(super) struct Which {
    /// TYPE, TYPE NAME..., or TYPE/NAME...; types may be joined by commas.
    words: Vec<String>,
    /// Those with these labels.
    #[arg(
        short = 'l',
        long,
        value_name = "SELECTOR",
        default_value = "",
        hide_default_value = true
    )]
    selector: String,
    /// Those with these fields: status.phase=Running.
    #[arg(long, value_name = "SELECTOR", default_value = "", hide_default_value = true)]
    field_selector: String,
    /// Of all namespaces.
    #[arg(short = 'A', long)]
    pub(super) all_namespaces: bool,
}

/// A resource, and one of its objects or those that are selected.
#[derive(Clone, Copy)]
pub(super) struct Target<'a> {
    pub(super) entry: &'a Entry,
    pub(super) name: Option<&'a str>,
}

impl Which {
    /// What is asked for, word by word.
    pub(super) fn targets<'a>(&'a self, session: &'a Session) -> Result<Vec<Target<'a>>, Failure> {
        let mut targets = Vec::new();
        for (kind, name) in wanted(&self.words)? {
            let entries = session.resources(kind)?;
            targets.extend(entries.into_iter().map(|entry| Target { entry, name }));
        }
        Ok(targets)
    }

    /// The namespace to look in; empty for all.
    pub(super) fn namespace<'a>(&self, session: &'a Session) -> &'a str {
        if self.all_namespaces {
            ""
        } else {
            &session.namespace
        }
    }

    /// Where the objects of a target are.
    pub(super) fn place<'a>(&self, session: &'a Session, target: Target<'a>) -> Place<'a> {
        target.entry.resource.within(self.namespace(session))
    }

    /// Whether the objects are chosen by what they are.
    pub(super) fn selects(&self) -> bool {
        !self.selector.is_empty() || !self.field_selector.is_empty()
    }

    /// The selectors, and the name if one object is meant.
    pub(super) fn selectors(&self, name: Option<&str>) -> Selectors {
        let named = name.map(|name| format!("metadata.name={name}"));
        let fields = [self.field_selector.clone(), named.unwrap_or_default()];
        let fields: Vec<String> = fields.into_iter().filter(|part| !part.is_empty()).collect();
        Selectors {
            labels: self.selector.clone(),
            fields: fields.join(","),
        }
    }

    /// A list of those that are selected.
    pub(super) fn listing(&self) -> ListOptions {
        ListOptions {
            selectors: self.selectors(None),
            ..ListOptions::default()
        }
    }
}

/// What words ask for: `TYPE`, `TYPE NAME…`, or `TYPE/NAME…`.
fn wanted(words: &[String]) -> Result<Vec<(&str, Option<&str>)>, Failure> {
    let slashed = words.iter().all(|word| word.contains('/'));
    if slashed && !words.is_empty() {
        return Ok(words
            .iter()
            .filter_map(|word| word.split_once('/'))
            .map(|(kind, name)| (kind, Some(name)))
            .collect());
    }
    let Some((kind, names)) = words.split_first() else {
        return Err(Failure::usage("name a resource: pods, pods NAME, or pods/NAME"));
    };
    if let Some(mixed) = names.iter().chain([kind]).find(|word| word.contains('/')) {
        return Err(Failure::usage(format!(
            "{mixed:?}: TYPE/NAME and TYPE NAME cannot be mixed"
        )));
    }
    match names {
        [] => Ok(vec![(kind, None)]),
        names => Ok(names
            .iter()
            .map(|name| (kind.as_str(), Some(name.as_str())))
            .collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_name_types_and_objects() {
        let read = |words: &[&str]| {
            let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            wanted(&words)
                .map(|all| {
                    all.into_iter()
                        .map(|(kind, name)| format!("{kind}:{}", name.unwrap_or("*")))
                        .collect::<Vec<_>>()
                })
                .map_err(|failure| failure.code())
        };
        assert_eq!(read(&["pods"]).unwrap(), ["pods:*"]);
        assert_eq!(read(&["pods", "a", "b"]).unwrap(), ["pods:a", "pods:b"]);
        assert_eq!(read(&["pods/a", "svc/b"]).unwrap(), ["pods:a", "svc:b"]);
        assert_eq!(read(&["pods", "svc/b"]), Err(2));
        assert_eq!(read(&[]), Err(2));
    }
}
