//! What a binding parameterises its policy with: objects of the policy's `paramKind`.

use schema::cursor::Ref;
use schema::object::Obj;
use std::sync::Arc;

use crate::Served;
use crate::admission::Request;
use crate::select::LabelSelector;

/// `paramKind`
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ParamKind {
    api_version: String,
    kind: String,
}

impl ParamKind {
    /// Reads it, if there is one.
    pub(super) fn of(kind: Ref<'_>) -> Option<Self> {
        kind.exists().then(|| Self {
            api_version: kind.at("apiVersion").str().to_owned(),
            kind: kind.at("kind").str().to_owned(),
        })
    }
}

/// `paramRef`
#[derive(Debug)]
pub(super) struct ParamRef {
    name: String,
    namespace: String,
    selector: Option<Result<LabelSelector, String>>,
    /// Whether it is an error that there are none.
    denies_none: bool,
}

impl ParamRef {
    /// Reads it, if there is one.
    pub(super) fn of(reference: Ref<'_>) -> Option<Self> {
        let selector = reference.at("selector");
        reference.exists().then(|| Self {
            name: reference.at("name").str().to_owned(),
            namespace: reference.at("namespace").str().to_owned(),
            selector: selector.exists().then(|| {
                let parsed = LabelSelector::of(selector).map(Option::unwrap_or_default);
                parsed.map_err(|error| error.to_string())
            }),
            denies_none: reference.at("parameterNotFoundAction").str() == "Deny",
        })
    }
}

/// A parameter: none where the policy or the binding asks for none.
pub(super) type Param = Option<(Served, Arc<Obj>)>;

/// The parameters that a policy is evaluated with, one after the other.
///
/// # Errors
/// What is wrong with the binding, in upstream's words.
pub(super) fn collect(
    request: &Request<'_>,
    kind: Option<&ParamKind>,
    reference: Option<&ParamRef>,
) -> Result<Vec<Param>, String> {
    let Some(kind) = kind else {
        return Ok(vec![None]);
    };
    let served = find(request, kind)?;
    let Some(reference) = reference else {
        return Ok(vec![None]);
    };
    if !served.namespaced() && !reference.namespace.is_empty() {
        return Err("paramRef.namespace must not be provided for a cluster-scoped `paramKind`".to_owned());
    }
    let namespace = namespace(request, &served, reference)?;
    let found = lookup(request, &served, reference, namespace)?;
    if found.is_empty() && reference.denies_none {
        return Err("no params found for policy binding with `Deny` parameterNotFoundAction".to_owned());
    }
    Ok(found
        .into_iter()
        .map(|object| Some((served.clone(), object)))
        .collect())
}

fn find(request: &Request<'_>, kind: &ParamKind) -> Result<Served, String> {
    let (group, version) = kind
        .api_version
        .split_once('/')
        .unwrap_or(("", &kind.api_version));
    request
        .op
        .state
        .resources
        .by_kind(group, version, &kind.kind)
        .ok_or_else(|| {
            format!(
                "failed to find resource referenced by paramKind: '{}, Kind={}'",
                if group.is_empty() {
                    format!("/{version}")
                } else {
                    kind.api_version.clone()
                },
                kind.kind
            )
        })
}

/// The namespace of the parameters: the binding's, or else that of the write; none for all of a cluster's.
fn namespace<'a>(request: &Request<'a>, served: &Served, reference: &'a ParamRef) -> Result<&'a str, String> {
    if !served.namespaced() {
        return Ok("");
    }
    match (reference.namespace.as_str(), request.op.namespace) {
        ("", "") => Err(
            "cannot use namespaced paramRef in policy binding that matches cluster-scoped resources"
                .to_owned(),
        ),
        ("", own) => Ok(own),
        (named, _) => Ok(named),
    }
}

fn lookup(
    request: &Request<'_>,
    served: &Served,
    reference: &ParamRef,
    namespace: &str,
) -> Result<Vec<Arc<Obj>>, String> {
    let all = request.op.state.cache.snapshot(&served.key_prefix());
    if !reference.name.is_empty() {
        let key = if namespace.is_empty() {
            reference.name.clone()
        } else {
            format!("{namespace}/{}", reference.name)
        };
        return Ok(all.get(&key).cloned().into_iter().collect());
    }
    let Some(selector) = &reference.selector else {
        return Err("one of name or selector must be provided".to_owned());
    };
    let selector = selector.as_ref().map_err(Clone::clone)?;
    let selected = all.iter().filter(|object| {
        *object.meta.namespace == *namespace && selector.matches(|key| object.meta.label(key))
    });
    Ok(selected.cloned().collect())
}
