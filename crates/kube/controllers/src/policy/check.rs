//! Expressions against types.

use cel::policy::{Compiler, Objects, Scope};
use cel::{Decl, Type};

use super::spec::Spec;
use super::types::Types;

/// What does not fit, by the field that it stands in; one line for each kind, in upstream's words.
pub(super) fn warnings(spec: &Spec, types: &Types<'_>) -> Vec<(String, String)> {
    let checkers = checkers(spec, types);
    let mut warnings = Vec::new();
    for (index, validation) in spec.validations.iter().enumerate() {
        let expressions = [
            ("expression", &validation.expression),
            ("messageExpression", &validation.message_expression),
        ];
        for (member, expression) in expressions.into_iter().filter(|(_, text)| !text.is_empty()) {
            let wrong: Vec<String> = checkers
                .iter()
                .filter_map(|checker| checker.check(expression))
                .collect();
            if !wrong.is_empty() {
                warnings.push((format!("spec.validations[{index}].{member}"), wrong.join("\n")));
            }
        }
    }
    warnings
}

/// The policy's variables and the types of one kind.
struct Checker {
    kind: String,
    compiler: Compiler,
}

impl Checker {
    fn check(&self, expression: &str) -> Option<String> {
        let issues = self.compiler.check(expression).err()?;
        Some(format!("{}: {issues}\n", self.kind))
    }
}

fn checkers(spec: &Spec, types: &Types<'_>) -> Vec<Checker> {
    let params = spec.param_kind.as_ref().and_then(|kind| types.of_params(kind));
    let scope = Scope {
        params: spec.param_kind.is_some(),
        authorizer: true,
        mutation: false,
    };
    let checker = |kind: super::types::Typed| {
        let objects = Objects {
            object: kind.decl,
            params: params.clone().unwrap_or_else(|| Decl::of(Type::Dyn)),
        };
        let mut compiler = Compiler::new(scope, objects);
        for variable in &spec.variables {
            // One that is wrong is dynamic for those after it, and was refused when the policy was made.
            let _wrong = compiler.variable(&variable.name, &variable.expression).is_err();
        }
        Checker {
            kind: kind.kind,
            compiler,
        }
    };
    let kinds = types.of_rules(&spec.match_constraints.resource_rules);
    kinds.into_iter().map(checker).collect()
}
