//! Admission policies and their bindings: `pkg/apis/admissionregistration/{v1/defaults.go,validation}`.
//!
//! Expressions are compiled here as they are when they are asked: what would fail then is refused now.

mod binding;
mod matching;

use std::collections::BTreeSet;

use cel::policy::{Compiler, Objects, Scope, Wanted};
use schema::cursor::{self, Ref};
use schema::field::Errors;
use schema::row::Types;
use schema::tree::{Struct, Value};

use self::binding::{binding, validating_binding};
use self::matching::{matching, param_kind};
use crate::rules::{text, value};
use crate::{Generation, PLAIN, Place, Strategy};

const POLICY: Strategy = Strategy {
    default: |types, policy| {
        cursor::set_default(types, policy, "spec.failurePolicy", Value::str("Fail"));
        default_matching(types, policy, "spec.matchConstraints");
    },
    generation: Generation::Spec,
    unconditional_update: false,
    ..PLAIN
};

pub(super) const VALIDATING: Strategy = Strategy {
    validate_create: |_, policy, errors| validating(policy, errors),
    validate_update: |_, policy, _, errors| validating(policy, errors),
    ..POLICY
};

pub(super) const MUTATING: Strategy = Strategy {
    validate_create: |_, policy, errors| mutating(policy, errors),
    validate_update: |_, policy, _, errors| mutating(policy, errors),
    ..POLICY
};

pub(super) const BINDING: Strategy = Strategy {
    default: |types, binding| default_matching(types, binding, "spec.matchResources"),
    validate_create: |_, it, errors| binding(it, errors),
    validate_update: |_, it, _, errors| binding(it, errors),
    ..POLICY
};

pub(super) const VALIDATING_BINDING: Strategy = Strategy {
    validate_create: |_, it, errors| validating_binding(it, errors),
    validate_update: |_, it, _, errors| validating_binding(it, errors),
    ..BINDING
};

/// The most annotations that a policy may make, and the longest expression of one, in bytes.
const MOST_ANNOTATIONS: usize = 20;
const LONGEST_ANNOTATION: usize = 5 << 10;

/// The most conditions that a policy may have.
const MOST_CONDITIONS: usize = 64;

const REASONS: &[&str] = &["Forbidden", "Invalid", "RequestEntityTooLarge", "Unauthorized"];

fn default_matching(types: &Types, object: &mut Struct, path: &str) {
    if !Ref::new(types, object).path(path).exists() {
        return;
    }
    let at = |member: &str| format!("{path}.{member}");
    cursor::set_default(types, object, &at("matchPolicy"), Value::str("Equivalent"));
    cursor::ensure(types, object, &at("namespaceSelector"));
    cursor::ensure(types, object, &at("objectSelector"));
    for rules in ["resourceRules", "excludeResourceRules"] {
        cursor::each_mut(types, object, &at(rules), |rule| {
            cursor::set_default(types, rule, "scope", Value::str("*"));
        });
    }
}

fn validating(policy: Ref<'_>, errors: &mut Errors) {
    let name = policy.path("metadata.name").str();
    let place = Place::root(policy);
    let spec = place.child("spec");
    let compiler = head(&spec, false, errors);
    let (validations, annotations) = (spec.child("validations"), spec.child("auditAnnotations"));
    if validations.is_empty() && annotations.is_empty() {
        for list in [&validations, &annotations] {
            list.required(
                errors,
                "validations or auditAnnotations must contain at least one item",
            );
        }
        return;
    }
    validations
        .each()
        .for_each(|each| validation(&each, &compiler, errors));
    if annotations.len() > MOST_ANNOTATIONS {
        annotations.invalid(
            errors,
            format!("must not have more than {MOST_ANNOTATIONS} auditAnnotations"),
        );
    }
    let mut seen = BTreeSet::new();
    for annotation in annotations.each() {
        annotated(&annotation, name, &compiler, errors);
        let key = annotation.child("key");
        if !seen.insert(key.str()) {
            key.duplicate(errors);
        }
    }
}

/// What both sorts of policies begin with; the compiler knows the policy's variables.
fn head(spec: &Place<'_, '_>, mutation: bool, errors: &mut Errors) -> Compiler {
    value::optional_one_of(&spec.child("failurePolicy"), errors, &["Fail", "Ignore"]);
    let params = spec.child("paramKind");
    if params.exists() {
        param_kind(&params, errors);
    }
    let constraints = spec.child("matchConstraints");
    if constraints.require(errors, "") {
        matching(&constraints, errors);
        constraints.child("resourceRules").require(errors, "");
    }
    let scope = Scope {
        params: params.exists(),
        authorizer: true,
        mutation,
    };
    let mut compiler = Compiler::new(scope, Objects::default());
    conditions(&spec.child("matchConditions"), &compiler, errors);
    for variable in spec.child("variables").each() {
        self::variable(&variable, &mut compiler, errors);
    }
    compiler
}

/// Conditions of policies and webhooks.
pub(super) fn conditions(list: &Place<'_, '_>, compiler: &Compiler, errors: &mut Errors) {
    if list.len() > MOST_CONDITIONS {
        list.too_many(errors, MOST_CONDITIONS);
    }
    let mut seen = BTreeSet::new();
    for condition in list.each() {
        let (name, expression) = (condition.child("name"), condition.child("expression"));
        if expression.str().trim().is_empty() {
            expression.required(errors, "");
        } else {
            compiled(
                &expression,
                compiler.compile(expression.str().trim(), Wanted::Bool),
                errors,
            );
        }
        if name.require(errors, "") {
            name.check(errors, text::qualified_name);
            if !seen.insert(name.str()) {
                name.duplicate(errors);
            }
        }
    }
}

/// The compiler of conditions of webhooks.
pub(super) fn of_webhooks() -> Compiler {
    let scope = Scope {
        authorizer: true,
        ..Scope::default()
    };
    Compiler::new(scope, Objects::default())
}

fn compiled<T>(place: &Place<'_, '_>, result: Result<T, String>, errors: &mut Errors) {
    if let Err(why) = result {
        place.invalid(errors, why);
    }
}

fn variable(variable: &Place<'_, '_>, compiler: &mut Compiler, errors: &mut Errors) {
    let (name, expression) = (variable.child("name"), variable.child("expression"));
    if name.str().trim().is_empty() {
        name.required(errors, "name is not specified");
    } else if !is_identifier(name.str()) {
        name.invalid(errors, "name is not a valid CEL identifier");
    }
    if expression.str().trim().is_empty() {
        expression.required(errors, "expression is not specified");
    } else {
        let result = compiler.variable(name.str(), expression.str());
        compiled(&expression, result, errors);
    }
}

fn is_identifier(name: &str) -> bool {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    name.chars().all(word) && !name.starts_with(|c: char| c.is_ascii_digit()) && !cel::is_reserved(name)
}

fn has_newlines(text: &str) -> bool {
    text.contains(['\n', '\r'])
}

fn validation(validation: &Place<'_, '_>, compiler: &Compiler, errors: &mut Errors) {
    let (expression, message) = (validation.child("expression"), validation.child("message"));
    if expression.str().trim().is_empty() {
        expression.required(errors, "expression is not specified");
    } else {
        compiled(
            &expression,
            compiler.compile(expression.str(), Wanted::Bool),
            errors,
        );
    }
    let told = validation.child("messageExpression");
    if !told.is_empty() {
        if told.str().trim().is_empty() {
            told.invalid(errors, "must be non-empty if specified");
        } else {
            compiled(&told, compiler.message(told.str()), errors);
        }
    }
    if !message.is_empty() && message.str().trim().is_empty() {
        message.invalid(errors, "message must be non-empty if specified");
    } else if has_newlines(message.str().trim()) {
        message.invalid(errors, "message must not contain line breaks");
    }
    value::optional_one_of(&validation.child("reason"), errors, REASONS);
}

fn annotated(annotation: &Place<'_, '_>, policy: &str, compiler: &Compiler, errors: &mut Errors) {
    let (key, expression) = (annotation.child("key"), annotation.child("valueExpression"));
    for why in text::qualified_name(&format!("{policy}/{}", key.str())) {
        key.invalid_value(errors, format!("{policy}/{}", key.str()), why);
    }
    let trimmed = expression.str().trim();
    if trimmed.is_empty() {
        expression.required(errors, "valueExpression is not specified");
    } else if trimmed.len() > LONGEST_ANNOTATION {
        expression.required(
            errors,
            &format!("must not exceed {LONGEST_ANNOTATION} bytes in length"),
        );
    } else {
        compiled(&expression, compiler.compile(trimmed, Wanted::TextOrNull), errors);
    }
}

fn mutating(policy: Ref<'_>, errors: &mut Errors) {
    let place = Place::root(policy);
    let spec = place.child("spec");
    let compiler = head(&spec, true, errors);
    let mutations = spec.child("mutations");
    if mutations.require(errors, "mutations must contain at least one item") {
        mutations
            .each()
            .for_each(|each| mutation(&each, &compiler, errors));
    }
    let again = spec.child("reinvocationPolicy");
    if again.require(errors, "") {
        value::one_of(&again, errors, &["IfNeeded", "Never"]);
    }
}

fn mutation(mutation: &Place<'_, '_>, compiler: &Compiler, errors: &mut Errors) {
    let (json, apply) = (mutation.child("jsonPatch"), mutation.child("applyConfiguration"));
    let (wanted, own, other, kind) = match mutation.child("patchType").str() {
        "JSONPatch" => (Wanted::Patch, &json, &apply, "JSONPatch"),
        "ApplyConfiguration" => (Wanted::Object, &apply, &json, "ApplyConfiguration"),
        "" => return mutation.child("patchType").required(errors, ""),
        _ => {
            let known = ["ApplyConfiguration", "JSONPatch"];
            return mutation.child("patchType").not_supported(errors, &known);
        }
    };
    if other.exists() {
        other.forbidden(errors, format!("must not be specified when patchType is {kind}"));
    }
    if !own.exists() {
        return own.required(errors, &format!("must be specified when patchType is {kind}"));
    }
    let expression = own.child("expression");
    if expression.str().trim().is_empty() {
        expression.required(errors, "expression is not specified");
    } else {
        compiled(&expression, compiler.compile(expression.str(), wanted), errors);
    }
}
