//! Webhooks that change objects, one after the other.
//!
//! When one has changed the object, the compiled-in plugins and the policies look again, and so do those webhooks that ask
//! for it (`reinvocationPolicy: IfNeeded`), once.

use std::collections::BTreeSet;

use schema::cursor::Ref;
use schema::json::go_quote;
use schema::status::Status;
use schema::tree::Struct;

use super::super::Request;
use super::call::{Failed, ask, outcome};
use super::hooks::Hook;
use super::matching::{Told, concerns};
use super::{exempt, object};
use crate::Answer;

/// What a second round needs to know of the first.
#[derive(Debug, Default)]
pub(in crate::admission) struct Rounds {
    /// Whether this is the second.
    again: bool,
    /// Webhooks that want to be asked again, should the object change after them.
    asked: BTreeSet<String>,
    /// Webhooks after which it has.
    due: BTreeSet<String>,
    /// The object as the webhooks left it.
    left: Option<Struct>,
}

impl Rounds {
    fn changed(&mut self) {
        self.due.append(&mut self.asked);
    }

    /// Begins the second round, with the object as the plugins in between have left it.
    pub(in crate::admission) fn again(&mut self, object: Option<&Struct>) {
        self.again = true;
        if self.left.as_ref() != object {
            self.changed();
        }
    }
}

/// Lets the webhooks change what is written. Whether one did.
///
/// # Errors
/// What a webhook says, or what its failure is to the client.
pub(in crate::admission) async fn mutate(
    request: &Request<'_>,
    mut object: Option<&mut Struct>,
    rounds: &mut Rounds,
) -> Answer<bool> {
    if exempt(request) {
        return Ok(false);
    }
    let hooks = request.op.state.webhooks.mutating(request.op.state);
    let mut changed = false;
    for hook in hooks.iter() {
        if rounds.again && !rounds.due.contains(&hook.id) {
            continue;
        }
        let seen = object.as_deref().map(|object| Ref::new(request.types, object));
        let Some(told) = concerns(request, hook, seen)? else {
            continue;
        };
        // Boxed, so that a write which concerns no webhook carries none of this.
        if Box::pin(one(request, hook, &told, object.as_deref_mut())).await? {
            changed = true;
            rounds.changed();
        }
        if hook.reinvoked {
            rounds.asked.insert(hook.id.clone());
        }
    }
    if changed {
        rounds.left = object.as_deref().cloned();
    }
    Ok(changed)
}

/// Asks one webhook and does what it says. Whether the object is another now.
async fn one(request: &Request<'_>, hook: &Hook, told: &Told, object: Option<&mut Struct>) -> Answer<bool> {
    let json = |object: Option<Ref<'_>>| match object {
        Some(object) => object::encode(request, told, object),
        None => Ok("null".to_owned()),
    };
    let (now, old) = (
        json(object.as_deref().map(|object| Ref::new(request.types, object)))?,
        json(request.old)?,
    );
    let asked = ask(request, hook, told, true, &now, &old).await;
    let asked = asked.and_then(|verdict| match verdict.patch.is_empty() {
        true => Ok(None),
        false => patched(
            request,
            hook,
            told,
            (object.as_deref(), &now),
            &verdict.patch,
            &verdict.patch_type,
        ),
    });
    let Some(Some(new)) = outcome(hook, asked)? else {
        return Ok(false);
    };
    let Some(object) = object else { return Ok(false) };
    let changed = *object != new;
    *object = new;
    Ok(changed)
}

/// The object after a patch; none if it says nothing.
fn patched(
    request: &Request<'_>,
    hook: &Hook,
    told: &Told,
    (object, json): (Option<&Struct>, &str),
    patch: &[u8],
    patch_type: &str,
) -> Result<Option<Struct>, Failed> {
    if serde_json::from_slice::<Vec<serde_json::Value>>(patch).is_ok_and(|operations| operations.is_empty()) {
        return Ok(None);
    }
    let refused = |why: String| Failed::Refused(Status::internal(why).into());
    let Some(object) = object else {
        return Err(refused(format!(
            "admission webhook {} attempted to modify the object, which is not supported for this operation",
            go_quote(&hook.name)
        )));
    };
    if patch_type != "JSONPatch" {
        return Err(Failed::Calling(format!(
            "unsupported patch type {}",
            go_quote(patch_type)
        )));
    }
    let changed = patch::json_patch(json.as_bytes(), patch).map_err(|error| match error {
        patch::Error::Operation(_) => refused(error.to_string()),
        other => Failed::Calling(format!("received undecodable patch in webhook response: {other}")),
    })?;
    object::decode(request, told, object, &changed)
        .map(Some)
        .map_err(Failed::Refused)
}
