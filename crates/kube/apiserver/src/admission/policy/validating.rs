//! Carrying out validating policies (upstream's `plugin/policy/validating`).

use std::collections::BTreeMap;

use cel::Value;
use cel::policy::{BUDGET, CONDITIONS_BUDGET};
use schema::cursor::Ref;
use schema::status::Cause;
use serde::Serialize;

use super::evaluation::{Evaluation, Fault, met};
use super::inputs::{Decoded, Inputs};
use super::params;
use super::read::{Binding, Policy, Validation};
use crate::admission::Request;
use crate::{Answer, Refused};

/// The longest message that an expression may make, in bytes.
const LONGEST_MESSAGE: usize = 5 << 10;

/// The longest annotation of the audit log, in bytes; longer ones are cut.
const LONGEST_ANNOTATION: usize = 10 << 10;

/// Violations that the audit log is told of at most.
const MOST_VIOLATIONS: usize = 50;

/// Why a write is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Denial {
    message: String,
    /// Empty for `Invalid`.
    reason: String,
}

impl Denial {
    fn new(message: String) -> Self {
        Self {
            message,
            reason: String::new(),
        }
    }
}

/// What the audit log is told of a rule that is not met.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Violation {
    message: String,
    policy: String,
    binding: String,
    expression_index: usize,
    validation_actions: Vec<String>,
}

/// What becomes of what a policy says.
struct Judge<'r> {
    request: &'r Request<'r>,
    object: Option<Ref<'r>>,
    /// The first denial, with its whole text: the others are not told.
    denied: Option<Denial>,
    /// For the audit log: what was violated, and a policy's own annotations, which each binding may make differently.
    violations: Vec<Violation>,
    annotations: BTreeMap<String, Vec<String>>,
}

/// Lets the policies judge a write.
///
/// # Errors
/// The first denial; its code depends on its reason.
pub(super) fn judge(request: &Request<'_>, object: Option<Ref<'_>>, policies: &[Policy]) -> Answer<()> {
    let mut judge = Judge {
        request,
        object,
        denied: None,
        violations: Vec::new(),
        annotations: BTreeMap::new(),
    };
    for policy in policies {
        judge.policy(policy)?;
        judge.publish(&policy.name);
    }
    judge.publish_violations();
    match judge.denied {
        Some(denial) => Err(refusal(request, object, denial)),
        None => Ok(()),
    }
}

/// 422, unless the reason is another.
fn refusal(request: &Request<'_>, object: Option<Ref<'_>>, denial: Denial) -> Refused {
    let mut refused = request.forbidden(object, &denial.message);
    let (reason, code) = match denial.reason.as_str() {
        "Forbidden" => ("Forbidden", 403),
        "Unauthorized" => ("Unauthorized", 401),
        "RequestEntityTooLarge" => ("RequestEntityTooLarge", 413),
        "" => ("Invalid", 422),
        other => (other, 422),
    };
    let status = &mut refused.0;
    status.reason = reason.to_owned();
    status.code = code;
    let details = status.details.get_or_insert_default();
    details.causes.push(Cause {
        message: denial.message,
        ..Cause::default()
    });
    refused
}

impl Judge<'_> {
    fn deny(&mut self, policy: &Policy, binding: Option<&Binding>, denial: Denial) {
        let whom = match binding {
            Some(binding) => format!("'{}' with binding '{}'", policy.name, binding.name),
            None => format!("'{}'", policy.name),
        };
        let message = format!(
            "ValidatingAdmissionPolicy {whom} denied request: {}",
            denial.message
        );
        self.denied.get_or_insert(Denial { message, ..denial });
    }

    /// A policy that cannot be asked denies, unless it says that it may be ignored.
    fn misconfigured(&mut self, policy: &Policy, binding: Option<&Binding>, why: &str) {
        if !policy.ignores_failure {
            let what = if binding.is_some() { "binding" } else { "policy" };
            self.deny(
                policy,
                binding,
                Denial::new(format!("failed to configure {what}: {why}")),
            );
        }
    }

    fn policy(&mut self, policy: &Policy) -> Answer<()> {
        let told = match policy.matching.concerns(self.request, self.object) {
            Ok(Some(told)) => told,
            Ok(None) => return Ok(()),
            Err(refused) => {
                self.misconfigured(policy, None, &refused.0.message);
                return Ok(());
            }
        };
        let mut inputs = None;
        for binding in &policy.bindings {
            if !self.is_bound(policy, binding) {
                continue;
            }
            let params = match params::collect(self.request, policy.params.as_ref(), binding.params.as_ref())
            {
                Ok(params) => params,
                Err(why) => {
                    self.misconfigured(policy, Some(binding), &why);
                    continue;
                }
            };
            if inputs.is_none() {
                inputs = Some(Inputs::new(self.request, &told, self.object)?);
            }
            let Some(inputs) = &inputs else { continue };
            for param in &params {
                self.apply(policy, binding, inputs, &Decoded::new(param)?);
            }
        }
        Ok(())
    }

    fn is_bound(&mut self, policy: &Policy, binding: &Binding) -> bool {
        let Some(matching) = &binding.matching else {
            return true;
        };
        match matching.concerns(self.request, self.object) {
            Ok(told) => told.is_some(),
            Err(refused) => {
                self.misconfigured(policy, Some(binding), &refused.0.message);
                false
            }
        }
    }

    fn apply(&mut self, policy: &Policy, binding: &Binding, inputs: &Inputs<'_>, param: &Decoded) {
        let namespace = cel::policy::namespace();
        let param = policy.params.is_some().then_some(param);
        let conditions = inputs.of_conditions(&namespace, param);
        let mut conditions = Evaluation::new(&policy.variables, conditions, CONDITIONS_BUDGET);
        match met(&policy.conditions, policy.ignores_failure, &mut conditions) {
            Ok(true) => {}
            Ok(false) => return,
            Err(why) => return self.failed(policy, binding, 0, why),
        }
        let evaluation = || Evaluation::new(&policy.variables, inputs.variables(&namespace, param), BUDGET);
        self.validate(policy, binding, evaluation());
        self.annotate(policy, binding, evaluation());
    }

    fn validate<'p>(&mut self, policy: &'p Policy, binding: &Binding, mut evaluation: Evaluation<'p>) {
        for (index, validation) in policy.validations.iter().enumerate() {
            match evaluation.eval(&validation.expression) {
                Ok(Value::Bool(true)) => {}
                Ok(_) => {
                    let denial = Denial {
                        message: message(validation, &mut evaluation),
                        reason: validation.reason.clone(),
                    };
                    self.violated(policy, binding, index, denial);
                }
                Err(Fault::Spent) => return self.failed(policy, binding, 0, Fault::Spent.text()),
                Err(fault) => self.failed(policy, binding, index, fault.text()),
            }
        }
    }

    /// Makes what the policy tells the audit log. What cannot be made refuses the write, whatever the binding's actions.
    fn annotate<'p>(&mut self, policy: &'p Policy, binding: &Binding, mut evaluation: Evaluation<'p>) {
        for (key, annotation) in &policy.annotations {
            match evaluation.eval(annotation) {
                Ok(Value::String(text)) => self.annotation(key, text.trim()),
                Ok(_) => {}
                Err(Fault::Spent) => return self.failed(policy, binding, 0, Fault::Spent.text()),
                Err(_) if policy.ignores_failure => {}
                Err(fault) => self.deny(policy, Some(binding), Denial::new(fault.text())),
            }
        }
    }

    fn annotation(&mut self, key: &str, text: &str) {
        let text = &text[..text.floor_char_boundary(LONGEST_ANNOTATION)];
        let said = self.annotations.entry(key.to_owned()).or_default();
        if !text.is_empty() && !said.iter().any(|said| said == text) {
            said.push(text.to_owned());
        }
    }

    /// Tells the audit log what a policy had to say with all of its bindings.
    fn publish(&mut self, policy: &str) {
        for (key, said) in std::mem::take(&mut self.annotations) {
            if !said.is_empty() {
                let annotations = &self.request.op.call.annotations;
                annotations.add(format!("{policy}/{key}"), said.join(", "));
            }
        }
    }

    fn publish_violations(&mut self) {
        self.violations.truncate(MOST_VIOLATIONS);
        if self.violations.is_empty() {
            return;
        }
        const KEY: &str = "validation.policy.admission.k8s.io/validation_failure";
        match serde_json::to_string(&self.violations) {
            Ok(violations) => self.request.op.call.annotations.add(KEY, violations),
            Err(error) => tracing::warn!(%error, "violations cannot be told to the audit log"),
        }
    }

    /// An expression could not be evaluated.
    fn failed(&mut self, policy: &Policy, binding: &Binding, index: usize, why: String) {
        if !policy.ignores_failure {
            self.violated(policy, binding, index, Denial::new(why));
        }
    }

    /// The rule of this index is not met.
    fn violated(&mut self, policy: &Policy, binding: &Binding, index: usize, denial: Denial) {
        for action in &binding.actions {
            match action.as_str() {
                "Deny" => self.deny(policy, Some(binding), denial.clone()),
                "Warn" => self.request.op.call.warnings.add(format!(
                    "Validation failed for ValidatingAdmissionPolicy '{}' with binding '{}': {}",
                    policy.name, binding.name, denial.message
                )),
                "Audit" => self.violations.push(Violation {
                    message: denial.message.clone(),
                    policy: policy.name.clone(),
                    binding: binding.name.clone(),
                    expression_index: index,
                    validation_actions: binding.actions.clone(),
                }),
                _ => {}
            }
        }
    }
}

/// What is said: by the message's expression if it says something fit to be shown, by the message, or by the rule.
fn message<'p>(validation: &'p Validation, evaluation: &mut Evaluation<'p>) -> String {
    let said = validation
        .message_expression
        .as_ref()
        .and_then(|expression| evaluation.eval(expression).ok());
    let said = match &said {
        Some(Value::String(text)) => text.trim(),
        _ => "",
    };
    if !said.is_empty() && said.len() <= LONGEST_MESSAGE && !said.contains('\n') {
        return said.to_owned();
    }
    if !validation.message.is_empty() {
        return validation.message.clone();
    }
    format!("failed expression: {}", validation.expression.source.trim())
}
