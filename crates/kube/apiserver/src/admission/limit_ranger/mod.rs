//! `LimitRanger` (upstream's plugin of this name): what a namespace's LimitRanges give containers that ask for nothing,
//! and the bounds of what pods and claims may ask for.

mod constraints;
mod defaults;

use std::collections::BTreeMap;

use schema::cursor::Ref;
use schema::object::{Meta, ScanError, View};
use schema::status::Status;
use schema::tree::Struct;
use serde::Deserialize;

use super::{Operation, Request};
use crate::Answer;

const PREFIX: &str = "/registry/limitranges/";

/// What admission looks at of a LimitRange.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct LimitRange {
    spec: Spec,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Spec {
    limits: Vec<Limit>,
}

/// Quantities in canonical form, by resource.
type Texts = BTreeMap<String, String>;

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Limit {
    r#type: String,
    max: Texts,
    min: Texts,
    r#default: Texts,
    default_request: Texts,
    max_limit_request_ratio: Texts,
}

impl View for LimitRange {
    fn read(_: &Meta, body: &[u8]) -> Result<Self, ScanError> {
        super::read_view(body)
    }
}

/// Gives a new pod's containers what they do not ask for.
///
/// # Errors
/// 500 for a LimitRange that cannot be read.
pub(super) fn mutate(request: &Request<'_>, object: Option<&mut Struct>) -> Answer<()> {
    let Some(pod) = object.filter(|_| concerns_pod(request)) else {
        return Ok(());
    };
    each(request, |limit| {
        if limit.r#type == "Container" {
            defaults::fill(request.types, pod, limit);
        }
        Ok(())
    })
}

/// Holds a new pod or claim to its bounds.
///
/// # Errors
/// 403
pub(super) fn validate(request: &Request<'_>, object: Option<Ref<'_>>) -> Answer<()> {
    let claim = request.is("", "persistentvolumeclaims");
    let concerned = claim || concerns_pod(request);
    let Some(object) = object.filter(|_| concerned) else {
        return Ok(());
    };
    let judge = if claim {
        constraints::of_claim
    } else {
        constraints::of_pod
    };
    each_range(request, |range| {
        let mut wrong: Vec<String> = Vec::new();
        for limit in &range.spec.limits {
            judge(limit, object, &mut wrong);
        }
        match wrong.as_slice() {
            [] => Ok(()),
            [why] => Err(request.forbidden(Some(object), why)),
            _ => Err(request.forbidden(Some(object), &format!("[{}]", wrong.join(", ")))),
        }
    })
}

/// A pod asks for resources when it is made and when it is resized.
fn concerns_pod(request: &Request<'_>) -> bool {
    request.is_of("", "pods")
        && matches!(
            (request.operation, request.op.subresource),
            (Operation::Create, "") | (Operation::Update, "resize")
        )
}

fn each(request: &Request<'_>, mut act: impl FnMut(&Limit) -> Answer<()>) -> Answer<()> {
    each_range(request, |range| range.spec.limits.iter().try_for_each(&mut act))
}

/// Every LimitRange of the namespace; none for an object that is on its way out.
fn each_range(request: &Request<'_>, mut act: impl FnMut(&LimitRange) -> Answer<()>) -> Answer<()> {
    let ranges = request.op.state.cache.snapshot(PREFIX);
    let ending = request
        .old
        .is_some_and(|old| old.path("metadata.deletionTimestamp").exists());
    if ranges.is_empty() || ending {
        return Ok(());
    }
    let below = format!("{}/", request.op.namespace);
    let mut all = ranges.range(&below, "");
    all.try_for_each(|range| act(&*range.view::<LimitRange>().map_err(Status::internal)?))
}
