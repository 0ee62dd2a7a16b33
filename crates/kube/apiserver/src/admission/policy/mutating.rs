//! Carrying out mutating policies (upstream's `plugin/policy/mutating`).
//!
//! Which policies, bindings and parameters concern a write is decided before the first of them changes it; then they take
//! their turns, each seeing what the one before has left. A mutation that fails is left out, those after it are tried all
//! the same, and what may not be ignored refuses the write in the end.

use std::fmt;

use cel::policy::CONDITIONS_BUDGET;
use schema::cursor::Ref;
use schema::json;
use schema::status::Cause;
use schema::tree::Struct;

use super::evaluation::{Evaluation, met};
use super::inputs::{Decoded, Inputs};
use super::mutation::{Stopped, carry_out};
use super::params::{self, Param};
use super::read::{Binding, Policy};
use crate::Answer;
use crate::admission::Request;
use crate::admission::rounds::{Round, Rounds};
use crate::admission::webhook::matching::Told;

/// A policy that concerns a write, with one of its bindings and one of its parameters.
struct Invocation<'p> {
    policy: &'p Policy,
    binding: &'p Binding,
    param: Param,
    told: Told,
}

impl Invocation<'_> {
    fn key(&self) -> [String; 3] {
        let param = self.param.as_ref().map_or("", |(_, object)| &object.key);
        [&self.policy.name, &self.binding.name, param].map(str::to_owned)
    }
}

/// Lets the policies change an object.
///
/// # Errors
/// What a policy that may not be ignored fails with.
pub(super) fn change(
    request: &Request<'_>,
    tree: &mut Struct,
    policies: &[Policy],
    rounds: &mut Rounds,
) -> Answer<()> {
    let mut faults = Faults::default();
    let written = Ref::new(request.types, tree);
    let mut invocations = Vec::new();
    for policy in policies {
        invocations.extend(concerned(request, written, policy, &mut faults));
    }
    if !invocations.is_empty() {
        let mut round = rounds.policies(Some(tree));
        let mut carried_out = false;
        for invocation in &invocations {
            carried_out |= invoke(request, tree, invocation, &mut round, &mut faults)?;
        }
        // Upstream looks at whether anything was carried out, not at what it did.
        if carried_out {
            round.changed();
        }
        round.end(Some(tree));
    }
    faults.refuse(request, tree)
}

/// How a policy concerns a write: once for each parameter of each binding.
fn concerned<'p>(
    request: &Request<'_>,
    written: Ref<'_>,
    policy: &'p Policy,
    faults: &mut Faults<'p>,
) -> Vec<Invocation<'p>> {
    let told = match policy.matching.concerns(request, Some(written)) {
        Ok(Some(told)) => told,
        Ok(None) => return Vec::new(),
        Err(refused) => {
            faults.misconfigured(policy, None, &refused.0.message);
            return Vec::new();
        }
    };
    let mut invocations = Vec::new();
    for binding in &policy.bindings {
        match params_of(request, written, policy, binding) {
            Ok(params) => invocations.extend(params.into_iter().map(|param| Invocation {
                policy,
                binding,
                param,
                told: told.clone(),
            })),
            Err(why) => faults.misconfigured(policy, Some(binding), &why),
        }
    }
    invocations
}

/// The parameters that a binding brings; none where it does not concern the write.
fn params_of(
    request: &Request<'_>,
    written: Ref<'_>,
    policy: &Policy,
    binding: &Binding,
) -> Result<Vec<Param>, String> {
    if let Some(matching) = &binding.matching {
        let matched = matching.concerns(request, Some(written));
        if matched.map_err(|refused| refused.0.message)?.is_none() {
            return Ok(Vec::new());
        }
    }
    params::collect(request, policy.params.as_ref(), binding.params.as_ref())
}

/// Lets one take its turn; whether a mutation was carried out.
fn invoke<'p>(
    request: &Request<'_>,
    tree: &mut Struct,
    invocation: &Invocation<'p>,
    round: &mut Round<'_, [String; 3]>,
    faults: &mut Faults<'p>,
) -> Answer<bool> {
    let (policy, binding, told) = (invocation.policy, invocation.binding, &invocation.told);
    let param = Decoded::new(&invocation.param)?;
    let param = policy.params.is_some().then_some(&param);
    match conditions(request, tree, policy, told, param)? {
        Ok(true) => {}
        Ok(false) => return Ok(false),
        Err(why) => {
            faults.failed(policy, binding, why);
            return Ok(false);
        }
    }
    let key = invocation.key();
    if !round.is_due(&key) {
        return Ok(false);
    }
    let before = tree.clone();
    let mut carried_out = false;
    for mutation in &policy.mutations {
        match carry_out(request, tree, policy, mutation, told, param) {
            Ok(()) => carried_out = true,
            Err(Stopped::Failed(why)) => faults.failed(policy, binding, why),
            Err(Stopped::Refused(refused)) => return Err(refused),
        }
    }
    if *tree != before {
        round.changed();
    }
    if policy.reinvoked {
        round.taken(key);
    }
    Ok(carried_out)
}

/// Whether the policy's conditions are met, or why that cannot be said.
fn conditions(
    request: &Request<'_>,
    tree: &Struct,
    policy: &Policy,
    told: &Told,
    param: Option<&Decoded>,
) -> Answer<Result<bool, String>> {
    if policy.conditions.is_empty() {
        return Ok(Ok(true));
    }
    let inputs = Inputs::new(request, told, Some(Ref::new(request.types, tree)))?;
    let namespace = cel::policy::namespace();
    let variables = inputs.of_conditions(&namespace, param);
    let mut evaluation = Evaluation::new(&policy.variables, variables, CONDITIONS_BUDGET);
    Ok(met(&policy.conditions, policy.ignores_failure, &mut evaluation))
}

/// What went wrong with policies that may not be ignored.
#[derive(Default)]
struct Faults<'p>(Vec<Fault<'p>>);

struct Fault<'p> {
    policy: &'p Policy,
    binding: Option<&'p Binding>,
    why: String,
    /// Whether it is the policy's evaluation that failed, and not its configuration.
    invalid: bool,
}

impl fmt::Display for Fault<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (policy, why) = (&self.policy.name, &self.why);
        match self.binding {
            Some(binding) => write!(
                f,
                "policy '{policy}' with binding '{}' denied request: {why}",
                binding.name
            ),
            None => write!(f, "policy {} denied request: {why}", json::go_quote(policy)),
        }
    }
}

impl<'p> Faults<'p> {
    fn add(&mut self, fault: Fault<'p>) {
        if !fault.policy.ignores_failure {
            self.0.push(fault);
        }
    }

    fn misconfigured(&mut self, policy: &'p Policy, binding: Option<&'p Binding>, why: &str) {
        let what = if binding.is_some() { "binding" } else { "policy" };
        self.add(Fault {
            policy,
            binding,
            why: format!("failed to configure {what}: {why}"),
            invalid: false,
        });
    }

    fn failed(&mut self, policy: &'p Policy, binding: &'p Binding, why: String) {
        self.add(Fault {
            policy,
            binding: Some(binding),
            why,
            invalid: true,
        });
    }

    /// 403 in the words of the first, with all as causes.
    fn refuse(self, request: &Request<'_>, tree: &Struct) -> Answer<()> {
        let Some(first) = self.0.first() else {
            return Ok(());
        };
        let mut refused = request.forbidden(Some(Ref::new(request.types, tree)), "");
        let status = &mut refused.0;
        status.message = first.to_string();
        if first.invalid {
            status.reason = "Invalid".to_owned();
        }
        let causes = self.0.iter().map(|fault| Cause {
            message: fault.to_string(),
            ..Cause::default()
        });
        status.details.get_or_insert_default().causes.extend(causes);
        Err(refused)
    }
}
