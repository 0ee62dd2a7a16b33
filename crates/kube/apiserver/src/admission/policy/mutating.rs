//! Carrying out mutating policies, one after the other: each sees what the one before has left.

use cel::Value;
use cel::policy::{BUDGET, CONDITIONS_BUDGET};
use schema::cursor::Ref;
use schema::json;
use schema::status::Cause;
use schema::tree::Struct;

use super::evaluation::{Evaluation, Fault, met};
use super::inputs::{Decoded, Inputs};
use super::params;
use super::read::{Binding, Mutation, Policy};
use crate::admission::Request;
use crate::admission::webhook::matching::Told;
use crate::admission::webhook::object;
use crate::{Answer, Refused};

/// Why a policy could not be carried out, in words; or what the client gets whatever the policy says of failures.
enum Stopped {
    Failed(String),
    Refused(Refused),
}

impl From<Refused> for Stopped {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

impl From<String> for Stopped {
    fn from(why: String) -> Self {
        Self::Failed(why)
    }
}

/// Lets the policies change an object.
///
/// # Errors
/// What a policy that may not be ignored fails with.
pub(super) fn change(request: &Request<'_>, tree: &mut Struct, policies: &[Policy]) -> Answer<()> {
    for policy in policies {
        let told = match policy
            .matching
            .concerns(request, Some(Ref::new(request.types, tree)))
        {
            Ok(Some(told)) => told,
            Ok(None) => continue,
            Err(refused) => {
                let why = format!("failed to configure policy: {}", refused.0.message);
                denied(request, tree, policy, None, &why)?;
                continue;
            }
        };
        for binding in &policy.bindings {
            match bound(request, tree, policy, binding, &told) {
                Ok(()) => {}
                Err(Stopped::Refused(refused)) => return Err(refused),
                Err(Stopped::Failed(why)) => denied(request, tree, policy, Some(binding), &why)?,
            }
        }
    }
    Ok(())
}

/// 403, unless the policy may be ignored.
fn denied(
    request: &Request<'_>,
    tree: &Struct,
    policy: &Policy,
    binding: Option<&Binding>,
    why: &str,
) -> Answer<()> {
    if policy.ignores_failure {
        return Ok(());
    }
    let whom = match binding {
        Some(binding) => format!("'{}' with binding '{}'", policy.name, binding.name),
        None => json::go_quote(&policy.name),
    };
    let message = format!("policy {whom} denied request: {why}");
    let mut refused = request.forbidden(Some(Ref::new(request.types, tree)), &message);
    refused.0.message.clone_from(&message);
    refused.0.reason = "Invalid".to_owned();
    let details = refused.0.details.get_or_insert_default();
    details.causes.push(Cause {
        message,
        ..Cause::default()
    });
    Err(refused)
}

fn bound(
    request: &Request<'_>,
    tree: &mut Struct,
    policy: &Policy,
    binding: &Binding,
    told: &Told,
) -> Result<(), Stopped> {
    if let Some(matching) = &binding.matching {
        let matched = matching.concerns(request, Some(Ref::new(request.types, tree)));
        let matched =
            matched.map_err(|refused| format!("failed to configure binding: {}", refused.0.message))?;
        if matched.is_none() {
            return Ok(());
        }
    }
    let params = params::collect(request, policy.params.as_ref(), binding.params.as_ref())
        .map_err(|why| format!("failed to configure binding: {why}"))?;
    for param in &params {
        let param = Decoded::new(param)?;
        let param = policy.params.is_some().then_some(&param);
        if !conditions(request, tree, policy, told, param)? {
            continue;
        }
        for mutation in &policy.mutations {
            mutate(request, tree, policy, mutation, told, param)?;
        }
    }
    Ok(())
}

fn conditions(
    request: &Request<'_>,
    tree: &Struct,
    policy: &Policy,
    told: &Told,
    param: Option<&Decoded>,
) -> Result<bool, Stopped> {
    let inputs = Inputs::new(request, told, Some(Ref::new(request.types, tree)))?;
    let namespace = cel::policy::namespace();
    let variables = inputs.variables(&namespace, param);
    let mut evaluation = Evaluation::new(&policy.variables, variables, CONDITIONS_BUDGET);
    Ok(met(&policy.conditions, policy.ignores_failure, &mut evaluation)?)
}

/// One mutation: the object that it describes takes the place of the one that was.
fn mutate(
    request: &Request<'_>,
    tree: &mut Struct,
    policy: &Policy,
    mutation: &Mutation,
    told: &Told,
    param: Option<&Decoded>,
) -> Result<(), Stopped> {
    let inputs = Inputs::new(request, told, Some(Ref::new(request.types, tree)))?;
    let namespace = cel::policy::namespace();
    let variables = inputs.variables(&namespace, param);
    let mut evaluation = Evaluation::new(&policy.variables, variables, BUDGET);
    let Some(seen) = inputs.object() else {
        return Ok(());
    };
    let (Mutation::Apply(expression) | Mutation::Patch(expression)) = mutation;
    let said = evaluation.eval(expression).map_err(Fault::text)?;
    let changed = match mutation {
        Mutation::Apply(_) => applied(request, seen, &said)?,
        Mutation::Patch(_) => patched(request, seen, &said)?,
    };
    *tree = object::decode(request, told, tree, &changed)?;
    Ok(())
}

/// The object with a configuration laid over it.
fn applied(request: &Request<'_>, seen: &Struct, said: &Value<'_>) -> Result<Vec<u8>, String> {
    let configuration = json::parse(said.to_json().as_bytes()).map_err(|error| error.to_string())?;
    let live = Ref::new(request.types, seen).json();
    let live = json::parse(live.as_bytes()).map_err(|error| error.to_string())?;
    let merged = patch::lay_over(request.types, seen.ty, live, &configuration)
        .map_err(|why| format!("invalid ApplyConfiguration: {why}"))?;
    let mut out = Vec::new();
    json::encode_untyped(&merged, &mut out);
    Ok(out)
}

fn patched(request: &Request<'_>, seen: &Struct, said: &Value<'_>) -> Result<Vec<u8>, String> {
    let document = Ref::new(request.types, seen).json();
    patch::json_patch(document.as_bytes(), said.to_json().as_bytes())
        .map_err(|error| format!("JSON Patch: {error}"))
}
