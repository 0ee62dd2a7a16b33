//! One mutation of a policy: what its expression says becomes the object.

use cel::Value;
use cel::policy::BUDGET;
use schema::cursor::Ref;
use schema::json;
use schema::tree::Struct;

use super::evaluation::{Evaluation, Fault};
use super::inputs::{Decoded, Inputs};
use super::read::{Mutation, Policy};
use crate::Refused;
use crate::admission::Request;
use crate::admission::webhook::matching::Told;
use crate::admission::webhook::object;

/// Why a mutation could not be carried out, in words; or what the client gets whatever the policy says of failures.
pub(super) enum Stopped {
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

/// Puts the object that a mutation describes in the place of the one that was.
///
/// # Errors
/// See [`Stopped`].
pub(super) fn carry_out(
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
        Mutation::Apply(_) => {
            well_named(&said)?;
            Some(applied(request, seen, &said)?)
        }
        Mutation::Patch(_) => {
            values(&said).iter().try_for_each(well_named)?;
            patched(request, seen, &said)?
        }
    };
    if let Some(changed) = changed {
        *tree = object::decode(request, told, tree, &changed)?;
    }
    Ok(())
}

fn well_named(made: &Value<'_>) -> Result<(), String> {
    cel::check_type_names(made).map_err(|why| format!("type mismatch: {why}"))
}

/// The values of a patch's operations.
fn values<'v>(operations: &Value<'v>) -> Vec<Value<'v>> {
    let Value::List(operations) = operations else {
        return Vec::new();
    };
    let value = |operation| match operation {
        Value::Map(operation) => operation.named("value"),
        _ => None,
    };
    operations.iter().filter_map(value).collect()
}

/// The object with a configuration laid over it.
fn applied(request: &Request<'_>, seen: &Struct, said: &Value<'_>) -> Result<Vec<u8>, String> {
    let configuration = json::parse(said.to_json().as_bytes()).map_err(|error| error.to_string())?;
    let live = Ref::new(request.types, seen).json();
    let live = json::parse(live.as_bytes()).map_err(|error| error.to_string())?;
    let merged = patch::lay_over(request.types, seen.ty, live, &configuration)
        .map_err(|why| format!("error applying patch: {why}"))?;
    let mut out = Vec::new();
    json::encode_untyped(&merged, &mut out);
    Ok(out)
}

/// The object after a patch; none where a test of the patch says that it is not to be applied.
fn patched(request: &Request<'_>, seen: &Struct, said: &Value<'_>) -> Result<Option<Vec<u8>>, String> {
    let document = Ref::new(request.types, seen).json();
    match patch::json_patch(document.as_bytes(), said.to_json().as_bytes()) {
        Ok(changed) => Ok(Some(changed)),
        Err(patch::Error::Test(_)) => Ok(None),
        Err(error) => Err(format!("JSON Patch: {error}")),
    }
}
