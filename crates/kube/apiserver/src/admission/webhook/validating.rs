//! Webhooks that judge objects, all at once.

use futures_util::future::join_all;
use schema::cursor::Ref;

use super::super::Request;
use super::call::{ask, in_time, outcome};
use super::hooks::Hook;
use super::matching::{Told, concerns};
use super::object;
use crate::Answer;

/// Asks all webhooks that a write concerns. Of several that object, the first in their order is heard.
///
/// # Errors
/// What a webhook says, or what its failure is to the client.
pub(super) async fn judge(request: &Request<'_>, object: Option<Ref<'_>>, hooks: &[Hook]) -> Answer<()> {
    let mut concerned: Vec<(&Hook, Told)> = Vec::new();
    for hook in hooks {
        if let Some(told) = concerns(request, hook, object)? {
            concerned.push((hook, told));
        }
    }
    if concerned.is_empty() {
        return Ok(());
    }
    in_time(request)?;
    let asked = concerned
        .iter()
        .enumerate()
        .map(|(index, (hook, told))| one(request, hook, index, told, object));
    join_all(asked).await.into_iter().collect()
}

async fn one(
    request: &Request<'_>,
    hook: &Hook,
    index: usize,
    told: &Told,
    object: Option<Ref<'_>>,
) -> Answer<()> {
    let json = |object: Option<Ref<'_>>| match object {
        Some(object) => object::encode(request, told, object),
        None => Ok("null".to_owned()),
    };
    let (now, old) = (json(object)?, json(request.old)?);
    let asked = ask(request, hook, told, false, &now, &old).await;
    let failed_open = format!("failed-open.validating.webhook.admission.k8s.io/round_0_index_{index}");
    outcome(request, hook, &failed_open, asked).map(drop)
}
