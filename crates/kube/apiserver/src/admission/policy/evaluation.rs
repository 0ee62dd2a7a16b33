//! Evaluating the expressions of one policy for one binding and parameter, or the conditions of a webhook, on one
//! budget.

use std::collections::BTreeMap;

use cel::{Error, Map, Mention, PER_CALL_LIMIT, Program, Value};

use super::read::Expression;

/// The number of the variable `variables`.
const VARIABLES: usize = 4;

/// Why an expression has no result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// It failed; others may go on.
    Failed(String),
    /// The budget is spent.
    Spent,
}

impl Fault {
    /// Upstream's words.
    pub(super) fn text(self) -> String {
        match self {
            Self::Failed(why) => why,
            Self::Spent => {
                "validation failed due to running out of cost budget, no further validation rules will be run"
                    .to_owned()
            }
        }
    }
}

/// One round of evaluations.
pub(in crate::admission) struct Evaluation<'p> {
    /// The policy's own variables, in their order.
    variables: &'p [(String, Expression)],
    inputs: Vec<Option<Value<'p>>>,
    /// What the policy's variables came to, as far as they have been asked for.
    results: BTreeMap<Box<str>, Result<Value<'p>, Error>>,
    /// What may still be spent.
    left: u64,
}

impl<'p> Evaluation<'p> {
    /// A round with these inputs.
    pub(in crate::admission) fn new(
        variables: &'p [(String, Expression)],
        inputs: Vec<Option<Value<'p>>>,
        budget: u64,
    ) -> Self {
        Self {
            variables,
            inputs,
            results: BTreeMap::new(),
            left: budget,
        }
    }

    /// The result of an expression.
    pub(super) fn eval(&mut self, expression: &'p Expression) -> Result<Value<'p>, Fault> {
        let program = expression
            .program
            .as_ref()
            .map_err(|why| Fault::Failed(format!("compilation error: {why}")))?;
        self.prepare(program.mention(VARIABLES))?;
        self.run(program)?.map_err(|error| {
            Fault::Failed(format!(
                "expression '{}' resulted in error: {error}",
                expression.source
            ))
        })
    }

    /// Evaluates the variables that an expression mentions, and those that they mention: each is only made of those
    /// before it, so going backwards finds all.
    fn prepare(&mut self, mention: &Mention) -> Result<(), Fault> {
        let variables = self.variables;
        let mut wanted: Vec<bool> = variables.iter().map(|(name, _)| mention.has(name)).collect();
        for at in (0..variables.len()).rev().filter(|at| *at > 0) {
            let Ok(program) = &variables[at].1.program else {
                continue;
            };
            if wanted[at] {
                for (earlier, (name, _)) in variables[..at].iter().enumerate() {
                    wanted[earlier] |= program.mention(VARIABLES).has(name);
                }
            }
        }
        for (at, (name, expression)) in variables.iter().enumerate() {
            if wanted[at] && !self.results.contains_key(name.as_str()) {
                let result = self.variable(name, expression)?;
                self.results.insert(name.as_str().into(), result);
            }
        }
        Ok(())
    }

    fn variable(
        &mut self,
        name: &str,
        expression: &'p Expression,
    ) -> Result<Result<Value<'p>, Error>, Fault> {
        let told = |what: &str, why: &dyn std::fmt::Display| {
            let name = schema::json::go_quote(name);
            Error::Failed(format!("composited variable {name} fails to {what}: {why}").into())
        };
        match &expression.program {
            Err(why) => Ok(Err(told("compile", why))),
            Ok(program) => Ok(self.run(program)?.map_err(|error| told("evaluate", &error))),
        }
    }

    fn run(&mut self, program: &'p Program) -> Result<Result<Value<'p>, Error>, Fault> {
        if let Some(variables) = self.inputs.get_mut(VARIABLES) {
            *variables = Some(Value::Map(Map::results(self.results.clone())));
        }
        let (result, cost) = program.eval(&self.inputs, PER_CALL_LIMIT);
        self.left = self.left.checked_sub(cost).ok_or(Fault::Spent)?;
        Ok(result)
    }
}

/// Whether all conditions are met.
///
/// # Errors
/// Why that cannot be said, unless failures are to be ignored: then they are not met.
pub(in crate::admission) fn met<'p>(
    conditions: &'p [Expression],
    ignores_failure: bool,
    evaluation: &mut Evaluation<'p>,
) -> Result<bool, String> {
    let mut faults = Vec::new();
    for condition in conditions {
        match evaluation.eval(condition) {
            Ok(Value::Bool(false)) => return Ok(false),
            Ok(_) => {}
            Err(Fault::Failed(why)) => faults.push(why),
            Err(Fault::Spent) if ignores_failure => return Ok(false),
            Err(Fault::Spent) => return Err(Fault::Spent.text()),
        }
    }
    match faults.as_slice() {
        [] => Ok(true),
        _ if ignores_failure => Ok(false),
        [one] => Err(one.clone()),
        several => Err(format!("[{}]", several.join(", "))),
    }
}
