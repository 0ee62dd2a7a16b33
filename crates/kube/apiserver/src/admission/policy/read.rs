//! Policies and their bindings as they are asked: compiled, joined, and shared by all writes until one of them changes.

use std::sync::{Arc, Mutex, PoisonError};

use cel::Program;
use cel::policy::{Compiler, Objects, Scope, Wanted};
use schema::BUILTIN;
use schema::cursor::Ref;
use schema::json::{self, Options};
use schema::object::{Obj, Revision};
use schema::resource::type_of_kind;

use super::matching::Matching;
use super::params::{ParamKind, ParamRef};
use crate::server::State;

const GROUP: &str = "admissionregistration.k8s.io";

/// A policy.
#[derive(Debug)]
pub(super) struct Policy {
    pub(super) name: String,
    pub(super) matching: Matching,
    /// Whether a write goes on when the policy cannot be evaluated.
    pub(super) ignores_failure: bool,
    pub(super) params: Option<ParamKind>,
    pub(super) conditions: Vec<Expression>,
    /// Its own variables, in their order, by name.
    pub(super) variables: Vec<(String, Expression)>,
    pub(super) validations: Vec<Validation>,
    /// What the audit log is told, by key.
    pub(super) annotations: Vec<(String, Expression)>,
    pub(super) mutations: Vec<Mutation>,
    /// Whether it is asked again when what comes after it has changed the object.
    pub(super) reinvoked: bool,
    pub(super) bindings: Vec<Binding>,
}

/// An expression, compiled; or why it is none, which creation does not let happen.
#[derive(Debug)]
pub(in crate::admission) struct Expression {
    pub(super) source: String,
    pub(super) program: Result<Program, String>,
}

/// What has to be true.
#[derive(Debug)]
pub(super) struct Validation {
    pub(super) expression: Expression,
    pub(super) message: String,
    pub(super) message_expression: Option<Expression>,
    pub(super) reason: String,
}

/// How an object is changed.
#[derive(Debug)]
pub(super) enum Mutation {
    /// By an object that is applied to it.
    Apply(Expression),
    /// By a JSON patch.
    Patch(Expression),
}

/// Where a policy holds, and what with.
#[derive(Debug)]
pub(super) struct Binding {
    pub(super) name: String,
    pub(super) matching: Option<Matching>,
    pub(super) params: Option<ParamRef>,
    /// `Deny`, `Warn`, `Audit`
    pub(super) actions: Vec<String>,
}

/// Policies in the order of their names; only those that are bound.
pub(super) type Bound = Arc<Vec<Policy>>;

#[derive(Debug, Default)]
struct Known(Mutex<(Option<[Revision; 2]>, Bound)>);

/// All policies.
#[derive(Debug, Default)]
pub(crate) struct Policies {
    validating: Known,
    mutating: Known,
}

impl Policies {
    /// Those that judge.
    pub(super) fn validating(&self, state: &State) -> Bound {
        self.validating.current(state, "Validating")
    }

    /// Those that change objects.
    pub(super) fn mutating(&self, state: &State) -> Bound {
        self.mutating.current(state, "Mutating")
    }
}

/// Where policies and bindings of one sort are.
const fn prefixes(validating: bool) -> [&'static str; 2] {
    if validating {
        [
            "/registry/validatingadmissionpolicies/",
            "/registry/validatingadmissionpolicybindings/",
        ]
    } else {
        [
            "/registry/mutatingadmissionpolicies/",
            "/registry/mutatingadmissionpolicybindings/",
        ]
    }
}

impl Known {
    fn current(&self, state: &State, sort: &str) -> Bound {
        let prefixes = prefixes(sort == "Validating");
        let changed = prefixes.map(|prefix| state.cache.changed(prefix));
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.0 != Some(changed) {
            let [policies, bindings] = prefixes.map(|prefix| state.cache.snapshot(prefix));
            let kind = format!("{sort}AdmissionPolicy");
            let mut all: Vec<Policy> = policies
                .iter()
                .filter_map(|object| policy(object, &kind))
                .collect();
            for object in bindings.iter() {
                bind(&mut all, object, &format!("{kind}Binding"));
            }
            all.retain(|policy| !policy.bindings.is_empty());
            *known = (Some([policies.changed, bindings.changed]), Arc::new(all));
        }
        known.1.clone()
    }
}

/// Reads an object; none if it cannot be read, which validation does not let happen.
fn read<T>(object: &Obj, kind: &str, read: impl FnOnce(Ref<'_>) -> T) -> Option<T> {
    let decode = |ty| json::decode(&BUILTIN, ty, object.body(), Options::default());
    let Some(Ok(decoded)) = type_of_kind(GROUP, "v1", kind).map(decode) else {
        tracing::warn!(key = %object.key, "an admission policy or its binding cannot be read");
        return None;
    };
    Some(read(Ref::new(&BUILTIN, &decoded.object)))
}

fn policy(object: &Obj, kind: &str) -> Option<Policy> {
    read(object, kind, |tree| {
        Policy::of(&object.meta.name, tree.at("spec"))
    })
}

fn bind(policies: &mut [Policy], object: &Obj, kind: &str) {
    let bound = read(object, kind, |tree| {
        let spec = tree.at("spec");
        (
            spec.at("policyName").str().to_owned(),
            Binding::of(&object.meta.name, spec),
        )
    });
    if let Some((name, binding)) = bound
        && let Some(policy) = policies.iter_mut().find(|policy| policy.name == name)
    {
        policy.bindings.push(binding);
    }
}

impl Policy {
    fn of(name: &str, spec: Ref<'_>) -> Self {
        let params = ParamKind::of(spec.at("paramKind"));
        let scope = Scope {
            params: params.is_some(),
            authorizer: true,
            mutation: spec.at("mutations").exists(),
        };
        let mut compiler = Compiler::new(scope, Objects::default());
        // Conditions come before the variables, of which they know nothing.
        let conditions = expressions(&compiler, spec.at("matchConditions"));
        let variables = spec.at("variables").items().map(|variable| {
            let (name, source) = (variable.at("name").str(), variable.at("expression").str());
            let program = compiler.variable(name, source);
            (name.to_owned(), Expression::new(source, program))
        });
        let variables = variables.collect();
        let annotations = spec.at("auditAnnotations").items().map(|annotation| {
            let (key, source) = (annotation.at("key").str(), annotation.at("valueExpression").str());
            let program = compiler.compile(source, Wanted::TextOrNull);
            (key.to_owned(), Expression::new(source, program))
        });
        Self {
            name: name.to_owned(),
            matching: Matching::of(spec.at("matchConstraints")),
            ignores_failure: spec.at("failurePolicy").str() == "Ignore",
            params,
            conditions,
            variables,
            validations: spec
                .at("validations")
                .items()
                .map(|validation| Validation::of(&compiler, validation))
                .collect(),
            annotations: annotations.collect(),
            mutations: spec
                .at("mutations")
                .items()
                .map(|mutation| Mutation::of(&compiler, mutation))
                .collect(),
            reinvoked: spec.at("reinvocationPolicy").str() == "IfNeeded",
            bindings: Vec::new(),
        }
    }
}

/// The conditions of a webhook.
pub(in crate::admission) fn conditions(list: Ref<'_>) -> Vec<Expression> {
    let scope = Scope {
        authorizer: true,
        ..Scope::default()
    };
    expressions(&Compiler::new(scope, Objects::default()), list)
}

fn expressions(compiler: &Compiler, conditions: Ref<'_>) -> Vec<Expression> {
    let sources = conditions.items().map(|item| item.at("expression").str());
    sources
        .map(|source| Expression::new(source, compiler.compile(source, Wanted::Bool)))
        .collect()
}

impl Expression {
    fn new(source: &str, program: Result<Program, String>) -> Self {
        Self {
            source: source.to_owned(),
            program,
        }
    }
}

impl Validation {
    fn of(compiler: &Compiler, validation: Ref<'_>) -> Self {
        let text = |member| validation.at(member).str();
        let (source, message) = (text("expression"), text("messageExpression"));
        Self {
            expression: Expression::new(source, compiler.compile(source, Wanted::Bool)),
            message: text("message").trim().to_owned(),
            message_expression: (!message.is_empty())
                .then(|| Expression::new(message, compiler.message(message))),
            reason: text("reason").to_owned(),
        }
    }
}

impl Mutation {
    fn of(compiler: &Compiler, mutation: Ref<'_>) -> Self {
        let source = |member: &str| mutation.at(member).at("expression").str().to_owned();
        if mutation.at("patchType").str() == "JSONPatch" {
            let source = source("jsonPatch");
            return Self::Patch(Expression::new(&source, compiler.compile(&source, Wanted::Patch)));
        }
        let source = source("applyConfiguration");
        Self::Apply(Expression::new(
            &source,
            compiler.compile(&source, Wanted::Object),
        ))
    }
}

impl Binding {
    fn of(name: &str, spec: Ref<'_>) -> Self {
        let matching = spec.at("matchResources");
        Self {
            name: name.to_owned(),
            matching: matching.exists().then(|| Matching::of(matching)),
            params: ParamRef::of(spec.at("paramRef")),
            actions: spec
                .at("validationActions")
                .strings()
                .map(str::to_owned)
                .collect(),
        }
    }
}
