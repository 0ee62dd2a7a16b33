//! Webhooks that judge objects, all at once.

use futures_util::future::join_all;
use schema::cursor::Ref;
use schema::status::Status;

use super::super::Request;
use super::call::{ask, is_late, outcome};
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
    if is_late(request) {
        return Err(Status::timeout("request did not complete within requested timeout", 0).into());
    }
    let asked = concerned
        .iter()
        .map(|(hook, told)| one(request, hook, told, object));
    join_all(asked).await.into_iter().collect()
}

async fn one(request: &Request<'_>, hook: &Hook, told: &Told, object: Option<Ref<'_>>) -> Answer<()> {
    let json = |object: Option<Ref<'_>>| match object {
        Some(object) => object::encode(request, told, object),
        None => Ok("null".to_owned()),
    };
    let (now, old) = (json(object)?, json(request.old)?);
    let asked = ask(request, hook, told, false, &now, &old).await;
    outcome(hook, asked).map(drop)
}
