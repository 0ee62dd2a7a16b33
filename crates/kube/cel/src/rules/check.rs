//! What is wrong with the rules of a definition: they do not compile, or may cost too much.

use std::sync::Arc;

use schema::cursor::Ref;
use schema::field::{BadValue, Error, Errors, Path};
use schema::json::write_string;

use super::compile::{environment, has_rules, property_decl};
use super::path::resolve;
use crate::declare::declare;
use crate::types::{Decl, Type};

/// What one rule may cost over all that it is applied to.
const RULE_LIMIT: u64 = 10_000_000;

/// What all rules of a schema may cost.
const TOTAL_LIMIT: u64 = 100_000_000;

/// The largest request, in bytes.
const LARGEST_REQUEST: u64 = 3 << 20;

/// How many rules are named when all together cost too much.
const MOST_EXPENSIVE: usize = 4;

/// Checks the rules of a schema that stands at `path` (`spec.versions[0].schema.openAPIV3Schema`). That the texts of
/// a rule are there and of one line is not looked at here.
pub fn check(schema: Ref<'_>, path: &Path, errors: &mut Errors) {
    if !has_rules(schema) {
        return;
    }
    let mut check = Check {
        errors,
        total: 0,
        expensive: Vec::new(),
    };
    let decl = declare(schema, true).map(Arc::new);
    let place = Place {
        decl,
        cardinality: Some(1),
        uncorrelatable: None,
    };
    check.schema(schema, path, &place);
    check.total(path);
}

/// What is known of a schema's place.
#[derive(Clone)]
struct Place {
    decl: Option<Arc<Decl>>,
    /// How often it can occur in an object; none if nothing bounds that.
    cardinality: Option<u64>,
    /// The list or map in which values have no old value.
    uncorrelatable: Option<Path>,
}

impl Place {
    fn below(&self, decl: Option<Arc<Decl>>, schema: Ref<'_>, path: &Path) -> Self {
        let times = match schema.at("type").str() {
            "object" if schema.at("additionalProperties").exists() => schema.at("maxProperties").integer(),
            "array" => schema.at("maxItems").integer(),
            _ => Some(1),
        };
        let times = times.map(|times| u64::try_from(times).unwrap_or_default());
        let correlatable = match schema.at("type").str() {
            "array" => schema.at("x-kubernetes-list-type").str() == "map",
            _ => true,
        };
        Self {
            decl,
            cardinality: self
                .cardinality
                .zip(times)
                .map(|(one, other)| one.saturating_mul(other)),
            uncorrelatable: self
                .uncorrelatable
                .clone()
                .or_else(|| (!correlatable).then(|| path.clone())),
        }
    }
}

struct Check<'e> {
    errors: &'e mut Errors,
    total: u64,
    expensive: Vec<(u64, Path)>,
}

impl Check<'_> {
    fn schema(&mut self, schema: Ref<'_>, path: &Path, place: &Place) {
        for (name, property) in schema.at("properties").entries() {
            let decl = property_decl(name, property, place.decl.as_ref());
            let below = place.below(decl, schema, path);
            self.schema(property, &path.child("properties").key(name), &below);
        }
        for name in ["items", "additionalProperties"] {
            let inner = schema.at(name);
            if inner.object().is_some() {
                let decl = place.decl.as_ref().and_then(|decl| decl.element());
                let below = place.below(decl, schema, path);
                self.schema(inner, &path.child(name), &below);
            }
        }
        for (index, branch) in schema.at("allOf").items().enumerate() {
            self.schema(branch, &path.child("allOf").index(index), place);
        }
        let rules = path.child("x-kubernetes-validations");
        for (index, rule) in schema.at("x-kubernetes-validations").items().enumerate() {
            if !rule.at("rule").str().trim().is_empty() {
                self.rule(rule, schema, &rules.index(index), place);
            }
        }
    }

    fn rule(&mut self, rule: Ref<'_>, schema: Ref<'_>, path: &Path, place: &Place) {
        let field = rule.at("fieldPath").str();
        if !field.is_empty() && resolve(field, schema).is_err() {
            let error = Error::invalid(&path.child("fieldPath"), field, "must be a valid path");
            self.errors.push(error);
            return;
        }
        let Some(decl) = &place.decl else {
            let why = "internal error: failed to construct type information for x-kubernetes-validations rules: \
                       unable to convert structural schema to CEL declarations";
            self.errors.push(Error::internal(path, why));
            return;
        };
        let env = environment(decl, rule.at("optionalOldSelf").bool());
        let text = rule.at("rule").str();
        let at = path.child("rule");
        let (program, cost) = match env.compile_with_cost(text) {
            Err(issues) => return self.refuse(&at, rule, format!("compilation failed: {issues}")),
            Ok((program, _)) if !matches!(program.output(), Type::Bool) => {
                return self.refuse(&at, rule, "cel expression must evaluate to a bool".to_owned());
            }
            Ok(compiled) => compiled,
        };
        let most = place
            .cardinality
            .unwrap_or(LARGEST_REQUEST / (decl.min_bytes + 1));
        self.cost("estimated rule cost", &at, cost.saturating_mul(most));
        self.message(rule, path, &env);
        if program.uses(1) {
            self.correlatable(&at, text, place);
        } else if let Some(value) = rule.at("optionalOldSelf").boolean() {
            let why = "may not be set if oldSelf is not used in rule";
            self.errors
                .push(Error::invalid(&path.child("optionalOldSelf"), value, why));
        }
    }

    fn message(&mut self, rule: Ref<'_>, path: &Path, env: &crate::Env) {
        let text = rule.at("messageExpression").str();
        let at = path.child("messageExpression");
        if text.trim().is_empty() {
            return;
        }
        match env.compile_with_cost(text) {
            Err(issues) => self.refuse(
                &at,
                rule,
                format!("messageExpression compilation failed: {issues}"),
            ),
            Ok((program, _)) if !matches!(program.output(), Type::String) => {
                self.refuse(
                    &at,
                    rule,
                    "messageExpression must evaluate to a string".to_owned(),
                );
            }
            Ok((_, cost)) => self.cost("estimated messageExpression cost", &at, cost),
        }
    }

    fn correlatable(&mut self, path: &Path, text: &str, place: &Place) {
        if let Some(within) = &place.uncorrelatable {
            let why =
                format!("oldSelf cannot be used on the uncorrelatable portion of the schema within {within}");
            self.errors.push(Error::invalid(path, text, why));
        }
    }

    fn refuse(&mut self, path: &Path, rule: Ref<'_>, why: String) {
        self.errors.push(Error::invalid(path, go_rule(rule), why));
    }

    fn cost(&mut self, what: &str, path: &Path, cost: u64) {
        if cost > RULE_LIMIT {
            self.errors
                .push(Error::forbidden(path, too_expensive(what, cost, RULE_LIMIT)));
        }
        self.total = self.total.saturating_add(cost);
        if cost >= TOTAL_LIMIT / 100 {
            self.expensive.push((cost, path.clone()));
        }
    }

    fn total(&mut self, path: &Path) {
        if self.total <= TOTAL_LIMIT {
            return;
        }
        self.expensive.sort_by_key(|(cost, _)| std::cmp::Reverse(*cost));
        for (_, path) in self.expensive.iter().take(MOST_EXPENSIVE) {
            let why =
                "contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 schema";
            self.errors.push(Error::forbidden(path, why));
        }
        let what = "x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema";
        let why = too_expensive(what, self.total, TOTAL_LIMIT);
        self.errors.push(Error::forbidden(path, why));
    }
}

#[expect(clippy::cast_precision_loss, reason = "it is printed with a digit")]
fn too_expensive(what: &str, cost: u64, limit: u64) -> String {
    let factor = cost as f64 / limit as f64;
    let factor = match factor {
        factor if factor > 100.0 => "more than 100x".to_owned(),
        factor if factor < 1.5 => format!("{factor:.6}x"),
        factor => format!("{factor:.1}x"),
    };
    format!(
        "{what} exceeds budget by factor of {factor} (try simplifying the rule, or adding maxItems, maxProperties, \
         and maxLength where arrays, maps, and strings are declared)"
    )
}

/// A rule as upstream prints it in errors: its internal type as JSON, whose members are named as in Go.
fn go_rule(rule: Ref<'_>) -> BadValue {
    let mut out = Vec::new();
    let mut text = |name: &str, member: &str| {
        out.extend_from_slice(format!("\"{name}\":").as_bytes());
        write_string(&mut out, rule.at(member).str());
        out.push(b',');
    };
    text("Rule", "rule");
    text("Message", "message");
    text("MessageExpression", "messageExpression");
    let reason = rule.at("reason");
    out.extend_from_slice(format!("\"Reason\":{},", reason.json()).as_bytes());
    out.extend_from_slice(b"\"FieldPath\":");
    write_string(&mut out, rule.at("fieldPath").str());
    let optional = rule.at("optionalOldSelf").json();
    let text = String::from_utf8_lossy(&out);
    BadValue::json(&format!("{{{text},\"OptionalOldSelf\":{optional}}}"))
}
