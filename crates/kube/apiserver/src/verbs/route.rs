//! Which paths a resource has, and which methods they take.
//!
//! Upstream installs a route for each path and method (`installer.go`): a path without any is not found, and one
//! that has others does not allow the method. Here both follow from the resource's row.

use http::Method;
use schema::resource::Verbs;
use schema::status::Status;

use crate::{Answer, Call, Served, Verb};

/// What is done with one object.
const OF_ITEM: u16 = Verbs::GET.0 | Verbs::UPDATE.0 | Verbs::PATCH.0 | Verbs::DELETE.0;
/// What is done with all objects of a resource.
const OF_ALL: u16 = Verbs::LIST.0 | Verbs::WATCH.0;
/// What is done with a collection that objects can be made in.
const OF_COLLECTION: u16 = OF_ALL | Verbs::CREATE.0 | Verbs::DELETECOLLECTION.0;

/// Whether the resource has the path, and the path the method.
///
/// # Errors
/// 404, 405.
pub(super) fn check(call: &Call, served: &Served) -> Answer<()> {
    let there = verbs_of_path(call, served);
    if there == 0 {
        return Err(Status::no_such_resource().into());
    }
    let connects = call.info.subresource == "proxy";
    // RFC 9110 would have HEAD wherever there is GET; upstream installs no such routes.
    let foreign = call.method == Method::HEAD && !connects;
    match needed(&call.info.verb) {
        Some(verb) if there & verb.0 != 0 && !foreign => Ok(()),
        _ => Err(Status::method_not_allowed().into()),
    }
}

const fn needed(verb: &Verb) -> Option<Verbs> {
    Some(match verb {
        Verb::Get => Verbs::GET,
        Verb::List => Verbs::LIST,
        Verb::Watch => Verbs::WATCH,
        Verb::Create => Verbs::CREATE,
        Verb::Update => Verbs::UPDATE,
        Verb::Patch => Verbs::PATCH,
        Verb::Delete => Verbs::DELETE,
        Verb::DeleteCollection => Verbs::DELETECOLLECTION,
        Verb::Proxy | Verb::Method(_) => return None,
    })
}

/// The verbs that the path has at all; none where there is no such path.
fn verbs_of_path(call: &Call, served: &Served) -> u16 {
    let (info, version) = (&call.info, served.version());
    let parts: Vec<&str> = info
        .parts
        .iter()
        .map(String::as_str)
        .filter(|part| !part.is_empty())
        .collect();
    let everywhere = info.namespace.is_empty();
    // The path of one namespace looks like a path in it.
    let misplaced = !served.namespaced() && !everywhere && served.def.plural != "namespaces";
    let nowhere = served.namespaced() && everywhere && parts.len() > 1;
    if misplaced || nowhere {
        return 0;
    }
    let by_watch_path = if info.verb == Verb::Watch {
        version.verbs.0 & Verbs::WATCH.0
    } else {
        0
    };
    match parts.as_slice() {
        [_] if served.namespaced() && everywhere => version.verbs.0 & OF_ALL,
        [_] => version.verbs.0 & OF_COLLECTION,
        [_, _] => version.verbs.0 & OF_ITEM | by_watch_path,
        [_, _, "proxy", ..] | [_, _, _] => subresource(served, &info.subresource),
        _ => 0,
    }
}

fn subresource(served: &Served, name: &str) -> u16 {
    let mut below = served.version().subresources.iter();
    below
        .find(|below| below.name == name)
        .map_or(0, |below| below.verbs.0)
}
