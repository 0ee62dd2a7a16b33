//! Webhooks that change objects, one after the other.

use schema::cursor::Ref;
use schema::json::go_quote;
use schema::status::Status;
use schema::tree::Struct;
use serde::Serialize;
use serde_json::Value;

use super::super::Request;
use super::super::rounds::{Round, Rounds};
use super::call::{Failed, ask, outcome};
use super::hooks::Hook;
use super::matching::{Told, concerns};
use super::{exempt, object};
use crate::Answer;

/// Lets the webhooks change what is written.
///
/// # Errors
/// What a webhook says, or what its failure is to the client.
pub(in crate::admission) async fn mutate(
    request: &Request<'_>,
    mut object: Option<&mut Struct>,
    rounds: &mut Rounds,
) -> Answer<()> {
    let hooks = request.op.state.webhooks.mutating(request.op.state);
    if hooks.is_empty() || exempt(request) {
        return Ok(());
    }
    let number = rounds.number();
    let mut round = rounds.webhooks(object.as_deref());
    for (index, hook) in hooks.iter().enumerate() {
        let seen = object.as_deref().map(|object| Ref::new(request.types, object));
        let Some(told) = concerns(request, hook, seen)? else {
            continue;
        };
        if !round.is_due(&hook.id) {
            continue;
        }
        let turn = Turn {
            request,
            hook,
            told: &told,
            place: format!("round_{number}_index_{index}"),
        };
        // Boxed, so that a write which concerns no webhook carries none of this.
        Box::pin(turn.take(object.as_deref_mut(), &mut round)).await?;
    }
    round.end(object.as_deref());
    Ok(())
}

/// One webhook is asked about a write.
struct Turn<'t> {
    request: &'t Request<'t>,
    hook: &'t Hook,
    told: &'t Told,
    /// How audit annotations call it: `round_0_index_3`
    place: String,
}

impl Turn<'_> {
    async fn take(&self, object: Option<&mut Struct>, round: &mut Round<'_, String>) -> Answer<()> {
        let changed = self.ask(object).await;
        self.note_mutation(matches!(changed, Ok(true)));
        if changed? {
            round.changed();
        }
        if self.hook.reinvoked {
            round.taken(self.hook.id.clone());
        }
        Ok(())
    }

    /// Asks and does what the answer says. Whether the object is another now.
    async fn ask(&self, object: Option<&mut Struct>) -> Answer<bool> {
        let (now, old) = (
            self.json(
                object
                    .as_deref()
                    .map(|object| Ref::new(self.request.types, object)),
            )?,
            self.json(self.request.old)?,
        );
        let asked = ask(self.request, self.hook, self.told, true, &now, &old).await;
        let asked = asked.and_then(|verdict| {
            let patched = self.patched((object.as_deref(), &now), &verdict.patch, &verdict.patch_type)?;
            if patched.is_some() {
                self.note_patch(&verdict.patch);
            }
            Ok(patched)
        });
        let failed_open = format!("failed-open.mutation.webhook.admission.k8s.io/{}", self.place);
        let Some(Some(new)) = outcome(self.request, self.hook, &failed_open, asked)? else {
            return Ok(false);
        };
        let Some(object) = object else { return Ok(false) };
        let changed = *object != new;
        *object = new;
        Ok(changed)
    }

    fn json(&self, object: Option<Ref<'_>>) -> Answer<String> {
        match object {
            Some(object) => object::encode(self.request, self.told, object),
            None => Ok("null".to_owned()),
        }
    }

    /// The object after a patch; none if it says nothing.
    fn patched(
        &self,
        (object, json): (Option<&Struct>, &str),
        patch: &[u8],
        patch_type: &str,
    ) -> Result<Option<Struct>, Failed> {
        if patch.is_empty() || is_empty_list(patch) {
            return Ok(None);
        }
        let refused = |why: String| Failed::Refused(Status::internal(why).into());
        let Some(object) = object else {
            return Err(refused(format!(
                "admission webhook {} attempted to modify the object, which is not supported for this operation",
                go_quote(&self.hook.name)
            )));
        };
        if patch_type != "JSONPatch" {
            let why = format!("unsupported patch type {}", go_quote(patch_type));
            return Err(Failed::Calling(why));
        }
        let changed = patch::json_patch(json.as_bytes(), patch).map_err(|error| match error {
            patch::Error::Operation(_) | patch::Error::Test(_) => refused(error.to_string()),
            other => Failed::Calling(format!("received undecodable patch in webhook response: {other}")),
        })?;
        object::decode(self.request, self.told, object, &changed)
            .map(Some)
            .map_err(Failed::Refused)
    }

    /// Tells the audit log whether the webhook changed the object.
    fn note_mutation(&self, mutated: bool) {
        let mutation = Mutation {
            configuration: &self.hook.configuration,
            webhook: &self.hook.name,
            mutated,
        };
        let key = format!("mutation.webhook.admission.k8s.io/{}", self.place);
        if let Ok(mutation) = serde_json::to_string(&mutation) {
            self.request.op.call.annotations.add(key, mutation);
        }
    }

    /// Tells the audit log how, where it logs bodies.
    fn note_patch(&self, patch: &[u8]) {
        let Ok(patch) = serde_json::from_slice(patch) else {
            return;
        };
        let patch = Patch {
            configuration: &self.hook.configuration,
            webhook: &self.hook.name,
            patch,
            patch_type: "JSONPatch",
        };
        let key = format!("patch.webhook.admission.k8s.io/{}", self.place);
        if let Ok(patch) = serde_json::to_string(&patch) {
            self.request.op.call.annotations.add_of_body(key, patch);
        }
    }
}

fn is_empty_list(patch: &[u8]) -> bool {
    serde_json::from_slice::<Vec<serde::de::IgnoredAny>>(patch).is_ok_and(|operations| operations.is_empty())
}

/// Upstream's `MutationAuditAnnotation`.
#[derive(Serialize)]
struct Mutation<'m> {
    configuration: &'m str,
    webhook: &'m str,
    mutated: bool,
}

/// Upstream's `PatchAuditAnnotation`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Patch<'m> {
    configuration: &'m str,
    webhook: &'m str,
    patch: Value,
    patch_type: &'static str,
}
