//! Whom a write concerns: rules, namespaces, objects.

use schema::cursor::Ref;
use schema::status::{GroupName, Status};

use super::super::{Operation, Request, policy};
use super::hooks::{Hook, Rule};
use crate::select::LabelSelector;
use crate::{Answer, Refused, Served};

/// The version in which a webhook is told of a write; none: that of the request.
pub(in crate::admission) type Told = Option<Served>;

/// Whether a webhook is to be asked, and in which version. `object` is what is written now.
///
/// # Errors
/// 500 for selectors that cannot be read, 404 for a namespace that is not there, 403 for conditions that cannot be
/// judged; all only of webhooks whose rules match.
pub(super) fn concerns(request: &Request<'_>, hook: &Hook, object: Option<Ref<'_>>) -> Answer<Option<Told>> {
    let Some(told) = told(request, hook) else {
        return Ok(None);
    };
    if !in_namespace(request, &hook.namespaces, object)? || !is_object(request, &hook.objects, object)? {
        return Ok(None);
    }
    let conditions = &hook.conditions;
    if !conditions.is_empty() && !policy::met(request, &told, object, conditions, hook.ignores_failure)? {
        return Ok(None);
    }
    Ok(Some(told))
}

/// The first rule that matches the write, or else another version of the same resource.
fn told(request: &Request<'_>, hook: &Hook) -> Option<Told> {
    let served = request.op.served;
    if hook.rules.iter().any(|rule| matches(request, rule, served)) {
        return Some(None);
    }
    if !hook.equivalent {
        return None;
    }
    let others = equivalents(request);
    let mut pairs = hook
        .rules
        .iter()
        .flat_map(|rule| others.iter().map(move |other| (rule, other)));
    let (_, other) = pairs.find(|(rule, other)| matches(request, rule, other))?;
    Some(Some(other.clone()))
}

/// The same objects under other versions, and other groups.
pub(in crate::admission) fn equivalents(request: &Request<'_>) -> Vec<Served> {
    let own = request.op.served;
    let prefix = own.key_prefix();
    let mut others = request.op.state.resources.all();
    others.retain(|other| {
        let same = other.def.group == own.def.group && other.version().name == own.version().name;
        !same && other.def.plural == own.def.plural && other.key_prefix() == prefix
    });
    others
}

/// Whether a rule names the write, were it of this resource.
pub(in crate::admission) fn matches(request: &Request<'_>, rule: &Rule, served: &Served) -> bool {
    let any = |items: &[String], wanted: &str| items.iter().any(|item| item == "*" || item == wanted);
    in_scope(request, rule)
        && any(&rule.operations, request.operation.name())
        && any(&rule.groups, &served.def.group)
        && any(&rule.versions, &served.version().name)
        && rule
            .resources
            .iter()
            .any(|resource| is_resource(resource, &served.def.plural, request.op.subresource))
}

fn in_scope(request: &Request<'_>, rule: &Rule) -> bool {
    let cluster = request.is_of("", "namespaces") || request.op.namespace.is_empty();
    match rule.scope.as_str() {
        "Namespaced" => !cluster,
        "Cluster" => cluster,
        _ => true,
    }
}

fn is_resource(rule: &str, plural: &str, subresource: &str) -> bool {
    let (resource, below) = rule.split_once('/').unwrap_or((rule, ""));
    (resource == "*" || resource == plural) && (below == "*" || below == subresource)
}

/// The namespace of a write; of a namespace, itself.
pub(in crate::admission) fn namespace<'a>(request: &Request<'a>) -> &'a str {
    if request.is_of("", "namespaces") {
        request.name
    } else {
        request.op.namespace
    }
}

/// Whether a write is in a namespace that is selected.
///
/// # Errors
/// 500 for a selector that cannot be read, 404 for a namespace that is not there.
pub(in crate::admission) fn in_namespace(
    request: &Request<'_>,
    selector: &Result<LabelSelector, String>,
    object: Option<Ref<'_>>,
) -> Answer<bool> {
    let (namespace, is_namespace) = (namespace(request), request.is_of("", "namespaces"));
    if namespace.is_empty() && !is_namespace {
        return Ok(true);
    }
    let selector = parsed(selector)?;
    if selector.is_empty() {
        return Ok(true);
    }
    let written = matches!(request.operation, Operation::Create | Operation::Update);
    if is_namespace && request.op.subresource.is_empty() && written {
        return Ok(object.is_some_and(|object| selects(selector, object)));
    }
    let all = request.op.state.cache.snapshot("/registry/namespaces/");
    let Some(found) = all.get(namespace) else {
        let namespaces = GroupName {
            group: "",
            name: "namespaces",
        };
        return Err(Status::not_found(namespaces, namespace).into());
    };
    Ok(selector.matches(|key| found.meta.label(key)))
}

/// Whether the object is selected, as it is or as it was.
///
/// # Errors
/// 500 for a selector that cannot be read.
pub(in crate::admission) fn is_object(
    request: &Request<'_>,
    selector: &Result<LabelSelector, String>,
    object: Option<Ref<'_>>,
) -> Answer<bool> {
    let selector = parsed(selector)?;
    let mut seen = [object, request.old].into_iter().flatten();
    Ok(selector.is_empty() || seen.any(|object| object.at("metadata").exists() && selects(selector, object)))
}

fn selects(selector: &LabelSelector, object: Ref<'_>) -> bool {
    let labels = object.path("metadata.labels");
    selector.matches(|key| labels.at(key).text())
}

fn parsed(selector: &Result<LabelSelector, String>) -> Result<&LabelSelector, Refused> {
    selector.as_ref().map_err(|error| Status::internal(error).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resources_and_what_is_below_them_are_named_apart() {
        let cases = [
            ("pods", "pods", "", true),
            ("pods", "pods", "status", false),
            ("pods/*", "pods", "", true),
            ("pods/*", "pods", "status", true),
            ("pods/status", "pods", "", false),
            ("*", "pods", "", true),
            ("*", "pods", "status", false),
            ("*/*", "pods", "status", true),
            ("*/scale", "deployments", "scale", true),
            ("services", "pods", "", false),
        ];
        for (rule, plural, subresource, expected) in cases {
            assert_eq!(
                is_resource(rule, plural, subresource),
                expected,
                "{rule} {plural}/{subresource}"
            );
        }
    }
}
