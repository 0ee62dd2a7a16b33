//! Judging an object by rules.
//!
//! An error that was there before and whose value has not changed is a warning ("ratcheting"): a definition can
//! become stricter without locking its objects.

use schema::cursor::Ref;
use schema::field::{BadValue, Error, Path};

use super::{Node, RULES_BUDGET, Rule};
use crate::value::compare::identity;
use crate::value::{Place, Value};
use crate::{Decl, Error as Fault, ListKind, PER_CALL_LIMIT};

/// The longest message that an expression may make, in bytes.
const LONGEST_MESSAGE: usize = 5 << 10;

/// What comes of judging an object.
#[derive(Debug, Default)]
pub struct Judgement {
    /// What is wrong.
    pub errors: Vec<Error>,
    /// What is wrong and was before.
    pub warnings: Vec<String>,
}

/// The budget is spent, or a rule cost too much: no further rule is evaluated.
struct Stop;

pub(super) fn run(node: &Node, path: &Path, object: Ref<'_>, old: Option<Ref<'_>>) -> Judgement {
    let mut run = Run {
        left: RULES_BUDGET,
        judgement: Judgement::default(),
    };
    // When the budget is spent, that is among the errors.
    let _: Result<(), Stop> = run.node(node, path, At::new(object, old));
    run.judgement
}

/// A value, and what it was.
#[derive(Clone, Copy)]
struct At<'a> {
    value: Ref<'a>,
    old: Option<Ref<'a>>,
    /// The nearest value that has an old one, itself or around it, and that.
    anchor: Option<(Ref<'a>, Ref<'a>)>,
}

impl<'a> At<'a> {
    fn new(value: Ref<'a>, old: Option<Ref<'a>>) -> Self {
        let old = old.filter(|old| present(*old));
        Self {
            value,
            old,
            anchor: old.map(|old| (value, old)),
        }
    }

    fn below(self, value: Ref<'a>, old: Option<Ref<'a>>) -> Self {
        let below = Self::new(value, old);
        Self {
            anchor: below.anchor.or(self.anchor),
            ..below
        }
    }

    fn unchanged(self) -> bool {
        self.anchor.is_some_and(|(value, old)| value == old)
    }
}

/// Whether there is a value that is not `null`.
fn present(value: Ref<'_>) -> bool {
    value.exists() && !matches!(value.value(), Some(schema::tree::Value::Null))
}

struct Run {
    left: u64,
    judgement: Judgement,
}

impl Run {
    fn node(&mut self, node: &Node, path: &Path, at: At<'_>) -> Result<(), Stop> {
        if !present(at.value) {
            return Ok(());
        }
        self.rules(node, path, at)?;
        for branch in &node.all_of {
            self.node(branch, path, at)?;
        }
        if let Some(items) = &node.items {
            self.items(items, node, path, at)?;
        }
        if let Some(values) = &node.values {
            for (key, value) in at.value.entries() {
                let old = at.old.map(|old| old.at(key));
                self.node(values, &path.key(key), at.below(value, old))?;
            }
        }
        for (name, property) in &node.properties {
            let old = at.old.map(|old| old.at(name));
            self.node(property, &path.child(name), at.below(at.value.at(name), old))?;
        }
        Ok(())
    }

    /// Only items of a list that is a map have an old value.
    fn items(&mut self, items: &Node, node: &Node, path: &Path, at: At<'_>) -> Result<(), Stop> {
        let key = |item: Ref<'_>| match &node.list {
            ListKind::Map(keys) => Some(identity(&Place::new(item.types()).reference(item), keys)),
            _ => None,
        };
        let olds: std::collections::HashMap<String, Ref<'_>> = at
            .old
            .into_iter()
            .flat_map(Ref::items)
            .filter_map(|item| Some((key(item)?, item)))
            .collect();
        for (index, item) in at.value.items().enumerate() {
            let old = key(item).and_then(|key| olds.get(&key).copied());
            self.node(items, &path.index(index), at.below(item, old))?;
        }
        Ok(())
    }

    fn rules(&mut self, node: &Node, path: &Path, at: At<'_>) -> Result<(), Stop> {
        let Some(decl) = &node.decl else {
            return Ok(());
        };
        for rule in &node.rules {
            if rule.uses_old && at.old.is_none() && !rule.optional_old {
                continue;
            }
            let old = at.old.filter(|_| rule.uses_old).map(|old| read(decl, old));
            let old = if rule.optional_old {
                Some(old.map_or(Value::Optional(None), Value::some))
            } else {
                old
            };
            let variables = [Some(read(decl, at.value)), old];
            self.rule(rule, node, path, at, &variables)?;
        }
        Ok(())
    }

    fn rule<'a>(
        &mut self,
        rule: &'a Rule,
        node: &Node,
        path: &Path,
        at: At<'_>,
        variables: &[Option<Value<'a>>],
    ) -> Result<(), Stop> {
        let kind = &*node.kind;
        if self.left == 0 {
            return Err(self.spent(path, kind));
        }
        let program = match &rule.program {
            Ok(program) => program,
            Err(why) => {
                self.invalid(path, kind, format!("rule compile error: {why}"));
                return Ok(());
            }
        };
        let (result, cost) = program.eval(variables, PER_CALL_LIMIT);
        if cost > self.left {
            return Err(self.spent(path, kind));
        }
        self.left -= cost;
        match result {
            Ok(Value::Bool(true)) => Ok(()),
            Ok(_) => self.broken(rule, node, path, at, variables),
            Err(fault) => self.failed(rule, path, kind, &fault),
        }
    }

    fn spent(&mut self, path: &Path, kind: &str) -> Stop {
        let why =
            "validation failed due to running out of cost budget, no further validation rules will be run";
        self.invalid(path, kind, why.to_owned());
        Stop
    }

    fn invalid(&mut self, path: &Path, kind: &str, why: String) {
        self.judgement.errors.push(Error::invalid(path, kind, why));
    }

    fn failed(&mut self, rule: &Rule, path: &Path, kind: &str, fault: &Fault) -> Result<(), Stop> {
        let text = &rule.text;
        match fault {
            Fault::NoSuchOverload | Fault::NoSuchFunction(_) => {
                let why =
                    "call arguments did not match a supported operator, function or macro signature for rule";
                self.invalid(path, kind, format!("'{fault}': {why}: {text}"));
                Ok(())
            }
            Fault::CostLimit => {
                let why = "no further validation rules will be run due to call cost exceeds limit for rule";
                self.invalid(path, kind, format!("'{fault}': {why}: {text}"));
                Err(Stop)
            }
            fault => {
                self.invalid(path, kind, format!("{fault} evaluating rule: {text}"));
                Ok(())
            }
        }
    }

    /// The rule does not hold.
    fn broken<'a>(
        &mut self,
        rule: &'a Rule,
        node: &Node,
        path: &Path,
        at: At<'_>,
        variables: &[Option<Value<'a>>],
    ) -> Result<(), Stop> {
        let path = match &rule.field {
            Some(field) => path.child(field),
            None => path.clone(),
        };
        let detail = match self.message(rule, variables) {
            Ok(Some(message)) => message,
            Ok(None) => rule
                .message
                .clone()
                .unwrap_or_else(|| format!("failed rule: {}", rule.text)),
            Err(why) => {
                self.report(rule, at, Error::invalid(&path, &*node.kind, why));
                return Err(Stop);
            }
        };
        let error = match &*rule.reason {
            "FieldValueForbidden" => Error::forbidden(&path, detail),
            "FieldValueRequired" => Error::required(&path, detail),
            "FieldValueDuplicate" => Error::duplicate(&path, bad_value(node, at.value)),
            _ if is_compound(node) => Error::invalid_omitted(&path, detail),
            _ => Error::invalid(&path, bad_value(node, at.value), detail),
        };
        self.report(rule, at, error);
        Ok(())
    }

    fn report(&mut self, rule: &Rule, at: At<'_>, error: Error) {
        if !rule.uses_old && at.unchanged() {
            self.judgement.warnings.push(error.to_string());
        } else {
            self.judgement.errors.push(error);
        }
    }

    /// What the message's expression says, if it says something fit to be shown.
    fn message<'a>(
        &mut self,
        rule: &'a Rule,
        variables: &[Option<Value<'a>>],
    ) -> Result<Option<String>, String> {
        let Some(program) = &rule.message_program else {
            return Ok(None);
        };
        let (result, cost) = program.eval(variables, PER_CALL_LIMIT);
        if cost > self.left {
            return Err(
                "messageExpression evaluation failed due to running out of cost budget, no further validation rules \
                 will be run"
                    .to_owned(),
            );
        }
        self.left -= cost;
        match result {
            Err(Fault::CostLimit) => Err(format!(
                "no further validation rules will be run due to call cost exceeds limit for messageExpression: {}",
                schema::json::go_quote(&rule.message_text)
            )),
            Ok(Value::String(text)) => {
                let text = text.trim();
                let fit = !text.is_empty() && text.len() <= LONGEST_MESSAGE && !text.contains('\n');
                Ok(fit.then(|| text.to_owned()))
            }
            _ => Ok(None),
        }
    }
}

/// A value as its schema says that it is read.
fn read<'a>(decl: &'a Decl, value: Ref<'a>) -> Value<'a> {
    Place::new(value.types()).declared(decl).reference(value)
}

fn is_compound(node: &Node) -> bool {
    matches!(&*node.kind, "object" | "array")
}

fn bad_value(node: &Node, value: Ref<'_>) -> BadValue {
    if is_compound(node) {
        BadValue::json("{}")
    } else {
        value.into()
    }
}
