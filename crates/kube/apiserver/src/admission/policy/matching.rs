//! Whom a policy or a binding concerns (`MatchResources`).

use schema::cursor::Ref;

use crate::admission::Request;
use crate::admission::webhook::hooks::Rule;
use crate::admission::webhook::matching::{self, Told};
use crate::select::LabelSelector;
use crate::{Refused, Served};

/// `MatchResources`
#[derive(Debug)]
pub(super) struct Matching {
    namespaces: Result<LabelSelector, String>,
    objects: Result<LabelSelector, String>,
    rules: Vec<NamedRule>,
    excluded: Vec<NamedRule>,
    /// Whether another version of what a rule names counts.
    equivalent: bool,
}

/// `NamedRuleWithOperations`
#[derive(Debug)]
struct NamedRule {
    rule: Rule,
    /// Empty for all.
    names: Vec<String>,
}

impl Matching {
    /// Reads what is to match.
    pub(super) fn of(matching: Ref<'_>) -> Self {
        let selector = |member| {
            let parsed = LabelSelector::of(matching.at(member)).map(Option::unwrap_or_default);
            parsed.map_err(|error| error.to_string())
        };
        let rules = |member| matching.at(member).items().map(NamedRule::of).collect();
        Self {
            namespaces: selector("namespaceSelector"),
            objects: selector("objectSelector"),
            rules: rules("resourceRules"),
            excluded: rules("excludeResourceRules"),
            equivalent: matching.at("matchPolicy").str() != "Exact",
        }
    }

    /// Whether a write is concerned, and the version in which it is to be seen.
    ///
    /// # Errors
    /// Selectors that cannot be judged; only where all else matches.
    pub(super) fn concerns(
        &self,
        request: &Request<'_>,
        object: Option<Ref<'_>>,
    ) -> Result<Option<Told>, Refused> {
        let namespace = matching::in_namespace(request, &self.namespaces, object);
        let selected = matching::is_object(request, &self.objects, object);
        if matches!(namespace, Ok(false)) || matches!(selected, Ok(false)) {
            return Ok(None);
        }
        if self.named(request, &self.excluded).is_some() {
            return Ok(None);
        }
        let told = if self.rules.is_empty() {
            Some(None)
        } else {
            self.named(request, &self.rules)
        };
        let Some(told) = told else {
            return Ok(None);
        };
        namespace?;
        selected?;
        Ok(Some(told))
    }

    fn named(&self, request: &Request<'_>, rules: &[NamedRule]) -> Option<Told> {
        if rules.iter().any(|rule| rule.names(request, request.op.served)) {
            return Some(None);
        }
        if !self.equivalent || rules.is_empty() {
            return None;
        }
        let others = matching::equivalents(request);
        let named = |other: &&Served| rules.iter().any(|rule| rule.names(request, other));
        others.iter().find(named).map(|other| Some(other.clone()))
    }
}

impl NamedRule {
    fn of(rule: Ref<'_>) -> Self {
        Self {
            rule: Rule::of(rule),
            names: rule.at("resourceNames").strings().map(str::to_owned).collect(),
        }
    }

    fn names(&self, request: &Request<'_>, served: &Served) -> bool {
        matching::matches(request, &self.rule, served)
            && (self.names.is_empty() || self.names.iter().any(|name| name == request.name))
    }
}
