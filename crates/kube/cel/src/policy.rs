//! What expressions of admission policies, and of conditions of webhooks, may speak of.
//!
//! Objects are dynamic: a policy applies to many kinds, and is only warned where it does not fit one of them.

use std::sync::Arc;

use crate::env::Env;
use crate::eval::Program;
use crate::issue::Issues;
use crate::library::AUTHORIZER_TYPES;
use crate::types::{Decl, Object, Type};

/// What evaluating all expressions of one binding may cost.
pub const BUDGET: u64 = 10_000_000;

/// What evaluating all conditions of one binding or webhook may cost.
pub const CONDITIONS_BUDGET: u64 = 2_500_000;

/// Which of the variables that not all expressions have there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// `params`
    pub params: bool,
    /// `authorizer`
    pub authorizer: bool,
    /// `Object{…}` and `JSONPatch{…}` can be made.
    pub mutation: bool,
}

/// The types of objects that a policy is checked against; dynamic if not said.
#[derive(Clone, Debug)]
pub struct Objects {
    /// `object` and `oldObject`
    pub object: Decl,
    /// `params`
    pub params: Decl,
}

impl Default for Objects {
    fn default() -> Self {
        Self {
            object: Decl::of(Type::Dyn),
            params: Decl::of(Type::Dyn),
        }
    }
}

/// The environment of an expression. `variables` are the policy's own that come before it, with their types; none
/// where there is no such variable at all.
pub fn environment(scope: Scope, objects: &Objects, variables: Option<&[(Box<str>, Type)]>) -> Env {
    let object = Arc::new(objects.object.clone());
    let mut env = Env::new()
        .variable("object", object.clone())
        .variable("oldObject", object)
        .variable("namespaceObject", namespace())
        .variable("request", request());
    if let Some(variables) = variables {
        env = env.variable("variables", composition(variables));
    }
    if scope.params {
        env = env.variable("params", objects.params.clone());
    }
    if scope.authorizer {
        for (name, ty) in ["authorizer", "authorizer.requestResource"]
            .into_iter()
            .zip(AUTHORIZER_TYPES)
        {
            env = env.variable(name, Decl::of(Type::Opaque(ty)));
        }
    }
    if scope.mutation { env.mutation() } else { env }
}

fn composition(variables: &[(Box<str>, Type)]) -> Decl {
    let fields = variables
        .iter()
        .map(|(name, ty)| (name.clone(), Arc::new(Decl::of(ty.clone()))))
        .collect();
    Decl::object(Arc::new(Object {
        name: "kubernetes.variables".into(),
        fields: crate::types::Fields::Listed(fields),
    }))
}

fn text() -> Decl {
    Decl::of(Type::String)
}

fn texts(names: &'static [&'static str]) -> impl Iterator<Item = (&'static str, Decl)> {
    names.iter().map(|name| (*name, text()))
}

/// The type of `request`: an `AdmissionRequest` without its objects.
pub fn request() -> Decl {
    let kind = || {
        Decl::object(Object::listed(
            "kubernetes.GroupVersionKind",
            texts(&["group", "version", "kind"]),
        ))
    };
    let resource = || {
        let fields = texts(&["group", "version", "resource"]);
        Decl::object(Object::listed("kubernetes.GroupVersionResource", fields))
    };
    let user = [
        ("groups", Decl::list(text())),
        ("extra", Decl::map(Decl::list(text()))),
    ];
    let user = Object::listed("kubernetes.UserInfo", texts(&["username", "uid"]).chain(user));
    let fields = [
        ("kind", kind()),
        ("resource", resource()),
        ("requestKind", kind()),
        ("requestResource", resource()),
        ("userInfo", Decl::object(user)),
        ("dryRun", Decl::of(Type::Bool)),
        ("options", Decl::of(Type::Dyn)),
    ];
    let names = texts(&[
        "subResource",
        "requestSubResource",
        "name",
        "namespace",
        "operation",
    ]);
    Decl::object(Object::listed("kubernetes.AdmissionRequest", names.chain(fields)))
}

/// The type of `namespaceObject`: what of a Namespace is shown.
pub fn namespace() -> Decl {
    let metadata = [
        ("labels", Decl::map(text())),
        ("annotations", Decl::map(text())),
        ("creationTimestamp", Decl::of(Type::Timestamp)),
        ("deletionGracePeriodSeconds", Decl::of(Type::Int)),
        ("deletionTimestamp", Decl::of(Type::Timestamp)),
        ("generation", Decl::of(Type::Int)),
        ("finalizers", Decl::list(text())),
    ];
    let names = texts(&["name", "generateName", "namespace", "UID", "resourceVersion"]);
    let metadata = Object::listed("kubernetes.NamespaceMetadata", names.chain(metadata));
    let spec = Object::listed("kubernetes.NamespaceSpec", [("finalizers", Decl::list(text()))]);
    let condition = [("lastTransitionTime", Decl::of(Type::Timestamp))];
    let condition = texts(&["status", "type", "message", "reason"]).chain(condition);
    let condition = Decl::object(Object::listed("kubernetes.NamespaceCondition", condition));
    let status = [("conditions", Decl::list(condition)), ("phase", text())];
    let fields = [
        ("metadata", Decl::object(metadata)),
        ("spec", Decl::object(spec)),
        (
            "status",
            Decl::object(Object::listed("kubernetes.NamespaceStatus", status)),
        ),
    ];
    Decl::object(Object::listed("kubernetes.Namespace", fields))
}

/// What an expression may result in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// `true` or `false`
    Bool,
    /// Text
    Text,
    /// Text or `null`
    TextOrNull,
    /// An object of these fields.
    Object,
    /// A list of operations of a JSON patch.
    Patch,
    /// Anything
    Any,
}

impl Wanted {
    fn allows(self, ty: &Type) -> bool {
        match (self, ty) {
            (Self::Any, _)
            | (Self::Bool, Type::Bool)
            | (Self::Text | Self::TextOrNull, Type::String)
            | (Self::TextOrNull, Type::Null) => true,
            (Self::Object, Type::Object(object)) => &*object.name == "Object",
            (Self::Patch, Type::List(item)) => {
                matches!(&**item, Type::Object(object) if &*object.name == "JSONPatch")
            }
            _ => false,
        }
    }

    const fn words(self) -> &'static str {
        match self {
            Self::Bool => "must evaluate to bool",
            Self::Text => "must evaluate to string",
            Self::TextOrNull => "must evaluate to one of [string null_type]",
            Self::Object => "must evaluate to Object",
            Self::Patch => "must evaluate to list(JSONPatch)",
            Self::Any => "must evaluate to dyn",
        }
    }
}

/// Compiles the expressions of one policy, its variables first.
#[derive(Debug)]
pub struct Compiler {
    scope: Scope,
    objects: Objects,
    variables: Vec<(Box<str>, Type)>,
}

impl Compiler {
    /// A compiler for a policy without variables as yet.
    pub fn new(scope: Scope, objects: Objects) -> Self {
        Self {
            scope,
            objects,
            variables: Vec::new(),
        }
    }

    /// Compiles a variable, and declares it for all that follows; one that is wrong is dynamic.
    ///
    /// # Errors
    /// What is wrong with it, in upstream's words.
    pub fn variable(&mut self, name: &str, source: &str) -> Result<Program, String> {
        let compiled = self.compile(source, Wanted::Any);
        let ty = compiled
            .as_ref()
            .map_or(Type::Dyn, |program| program.output().clone());
        self.variables.push((name.into(), ty));
        compiled
    }

    /// Compiles an expression.
    ///
    /// # Errors
    /// The same.
    pub fn compile(&self, source: &str, wanted: Wanted) -> Result<Program, String> {
        self.compile_in(self.scope, source, wanted)
    }

    /// Compiles an expression that may not ask the authorizer: a message.
    ///
    /// # Errors
    /// The same.
    pub fn message(&self, source: &str) -> Result<Program, String> {
        let scope = Scope {
            authorizer: false,
            ..self.scope
        };
        self.compile_in(scope, source, Wanted::Text)
    }

    /// What is wrong with the types of an expression, if anything: upstream's type checker of policies.
    ///
    /// # Errors
    /// All of it, as cel-go prints it.
    pub fn check(&self, source: &str) -> Result<Type, Issues> {
        environment(self.scope, &self.objects, Some(&self.variables)).type_of(source)
    }

    fn compile_in(&self, scope: Scope, source: &str, wanted: Wanted) -> Result<Program, String> {
        let env = environment(scope, &self.objects, Some(&self.variables));
        let program = env
            .compile(source)
            .map_err(|issues| format!("compilation failed: {issues}"))?;
        if wanted.allows(program.output()) {
            return Ok(program);
        }
        let got = match program.output() {
            Type::Null => "null_type".to_owned(),
            other => other.to_string(),
        };
        Err(format!("{} but got {got}", wanted.words()))
    }
}
