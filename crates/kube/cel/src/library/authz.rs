//! Asking for permission: `authorizer.group('').resource('pods').namespace('x').check('get').allowed()`.
//!
//! Who decides is handed in with the variables; this library only puts the question together.

use std::fmt;
use std::rc::Rc;

use super::{Cost, Function, Opaque, function, no_overload};
use crate::Error;
use crate::value::Value;

/// Who decides.
pub trait Authorizer: fmt::Debug {
    /// Whether what is asked about is allowed.
    fn decide(&self, asked: &Asked) -> Verdict;
}

/// What is asked about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// The service account (namespace and name) that asks; otherwise the user of the request.
    pub service_account: Option<(String, String)>,
    /// The path, where it is no resource.
    pub path: Option<String>,
    /// The resource's group.
    pub group: String,
    /// The resource.
    pub resource: String,
    /// What is below it.
    pub subresource: String,
    /// The namespace; empty for all.
    pub namespace: String,
    /// The object; empty for all.
    pub name: String,
    /// What is to be done.
    pub verb: String,
    /// Which objects, by their fields.
    pub field_selector: String,
    /// Which objects, by their labels.
    pub label_selector: String,
}

/// What was decided.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Whether it is allowed.
    pub allowed: bool,
    /// Why.
    pub reason: String,
    /// Why it could not be decided.
    pub error: Option<String>,
}

/// Who decides, for whom.
#[derive(Clone, Debug)]
pub struct AuthorizerValue<'a> {
    decides: &'a dyn Authorizer,
    service_account: Option<Rc<(String, String)>>,
}

impl PartialEq for AuthorizerValue<'_> {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::addr_eq(self.decides, other.decides) && self.service_account == other.service_account
    }
}

/// How much of a question there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Path,
    Group,
    Resource,
}

/// A question in the making.
#[derive(Clone, Debug, PartialEq)]
pub struct Check<'a> {
    stage: Stage,
    authorizer: AuthorizerValue<'a>,
    asked: Asked,
}

const AUTHORIZER: &str = "kubernetes.authorization.Authorizer";

impl Check<'_> {
    pub(super) fn type_name(&self) -> &'static str {
        match self.stage {
            Stage::Path => "kubernetes.authorization.PathCheck",
            Stage::Group => "kubernetes.authorization.GroupCheck",
            Stage::Resource => "kubernetes.authorization.ResourceCheck",
        }
    }
}

impl<'a> Value<'a> {
    /// The variable `authorizer`.
    pub fn authorizer(decides: &'a dyn Authorizer) -> Self {
        Self::Opaque(Opaque::Authorizer(AuthorizerValue {
            decides,
            service_account: None,
        }))
    }

    /// The variable `authorizer.requestResource`: a question about the resource of the request.
    pub fn resource_check(decides: &'a dyn Authorizer, asked: Asked) -> Self {
        let authorizer = AuthorizerValue {
            decides,
            service_account: None,
        };
        check(authorizer, Stage::Resource, asked)
    }
}

fn check<'a>(authorizer: AuthorizerValue<'a>, stage: Stage, asked: Asked) -> Value<'a> {
    Value::Opaque(Opaque::Check(Rc::new(Check {
        stage,
        authorizer,
        asked,
    })))
}

const REFINE: &[&str] =
    &[".kubernetes.authorization.ResourceCheck, string -> kubernetes.authorization.ResourceCheck"];

pub(super) const FUNCTIONS: &[Function] = &[
    function(
        "path",
        &[".kubernetes.authorization.Authorizer, string -> kubernetes.authorization.PathCheck"],
        Cost::One,
        path,
    ),
    function(
        "group",
        &[".kubernetes.authorization.Authorizer, string -> kubernetes.authorization.GroupCheck"],
        Cost::One,
        group,
    ),
    function(
        "serviceAccount",
        &[".kubernetes.authorization.Authorizer, string, string -> kubernetes.authorization.Authorizer"],
        Cost::One,
        service_account,
    ),
    function(
        "resource",
        &[".kubernetes.authorization.GroupCheck, string -> kubernetes.authorization.ResourceCheck"],
        Cost::One,
        resource,
    ),
    function("subresource", REFINE, Cost::One, |args| {
        refine("subresource", args, |asked, text| asked.subresource = text)
    }),
    function("namespace", REFINE, Cost::One, |args| {
        refine("namespace", args, |asked, text| asked.namespace = text)
    }),
    function("name", REFINE, Cost::One, |args| {
        refine("name", args, |asked, text| asked.name = text)
    }),
    function("fieldSelector", REFINE, Cost::Selector, |args| {
        refine("fieldSelector", args, |asked, text| asked.field_selector = text)
    }),
    function("labelSelector", REFINE, Cost::Selector, |args| {
        refine("labelSelector", args, |asked, text| asked.label_selector = text)
    }),
    function(
        "check",
        &[
            ".kubernetes.authorization.PathCheck, string -> kubernetes.authorization.Decision",
            ".kubernetes.authorization.ResourceCheck, string -> kubernetes.authorization.Decision",
        ],
        Cost::Check,
        decide,
    ),
    function(
        "allowed",
        &[".kubernetes.authorization.Decision -> bool"],
        Cost::One,
        |args| read("allowed", args, |verdict| Value::Bool(verdict.allowed)),
    ),
    function(
        "reason",
        &[".kubernetes.authorization.Decision -> string"],
        Cost::One,
        |args| read("reason", args, |verdict| Value::owned(&*verdict.reason)),
    ),
    function(
        "errored",
        &[".kubernetes.authorization.Decision -> bool"],
        Cost::One,
        |args| read("errored", args, |verdict| Value::Bool(verdict.error.is_some())),
    ),
    function(
        "error",
        &[".kubernetes.authorization.Decision -> string"],
        Cost::One,
        |args| {
            read("error", args, |verdict| {
                Value::owned(verdict.error.as_deref().unwrap_or_default())
            })
        },
    ),
];

fn path<'a>(args: &[Value<'a>]) -> Result<Value<'a>, Error> {
    match args {
        [Value::Opaque(Opaque::Authorizer(_)), Value::String(path)] if path.is_empty() => {
            Err(Error::text("path must not be empty"))
        }
        [Value::Opaque(Opaque::Authorizer(authorizer)), Value::String(path)] => {
            let asked = Asked {
                path: Some(path.to_string()),
                ..Asked::default()
            };
            Ok(check(authorizer.clone(), Stage::Path, asked))
        }
        args => Err(no_overload("path", args)),
    }
}

fn group<'a>(args: &[Value<'a>]) -> Result<Value<'a>, Error> {
    match args {
        [
            Value::Opaque(Opaque::Authorizer(authorizer)),
            Value::String(group),
        ] => {
            let asked = Asked {
                group: group.to_string(),
                ..Asked::default()
            };
            Ok(check(authorizer.clone(), Stage::Group, asked))
        }
        args => Err(no_overload("group", args)),
    }
}

fn service_account<'a>(args: &[Value<'a>]) -> Result<Value<'a>, Error> {
    let [
        Value::Opaque(Opaque::Authorizer(authorizer)),
        Value::String(namespace),
        Value::String(name),
    ] = args
    else {
        return Err(no_overload("serviceAccount", args));
    };
    if !super::formats::is_subdomain(name) {
        return Err(Error::text("Invalid service account name"));
    }
    if !super::formats::is_label(namespace) {
        return Err(Error::text("Invalid service account namespace"));
    }
    Ok(Value::Opaque(Opaque::Authorizer(AuthorizerValue {
        service_account: Some(Rc::new((namespace.to_string(), name.to_string()))),
        ..authorizer.clone()
    })))
}

fn resource<'a>(args: &[Value<'a>]) -> Result<Value<'a>, Error> {
    match args {
        [Value::Opaque(Opaque::Check(_)), Value::String(resource)] if resource.is_empty() => {
            Err(Error::text("resource must not be empty"))
        }
        [Value::Opaque(Opaque::Check(so_far)), Value::String(resource)] if so_far.stage == Stage::Group => {
            let asked = Asked {
                resource: resource.to_string(),
                ..so_far.asked.clone()
            };
            Ok(check(so_far.authorizer.clone(), Stage::Resource, asked))
        }
        args => Err(no_overload("resource", args)),
    }
}

fn refine<'a>(name: &str, args: &[Value<'a>], set: fn(&mut Asked, String)) -> Result<Value<'a>, Error> {
    match args {
        [Value::Opaque(Opaque::Check(so_far)), Value::String(text)] if so_far.stage == Stage::Resource => {
            let mut asked = so_far.asked.clone();
            set(&mut asked, text.to_string());
            Ok(check(so_far.authorizer.clone(), Stage::Resource, asked))
        }
        args => Err(no_overload(name, args)),
    }
}

fn decide<'a>(args: &[Value<'a>]) -> Result<Value<'a>, Error> {
    match args {
        [Value::Opaque(Opaque::Check(check)), Value::String(verb)] if check.stage != Stage::Group => {
            let asked = Asked {
                verb: verb.to_string(),
                service_account: check.authorizer.service_account.as_deref().cloned(),
                ..check.asked.clone()
            };
            let verdict = check.authorizer.decides.decide(&asked);
            Ok(Value::Opaque(Opaque::Verdict(Rc::new(verdict))))
        }
        args => Err(no_overload("check", args)),
    }
}

fn read<'a>(name: &str, args: &[Value<'a>], read: fn(&Verdict) -> Value<'a>) -> Result<Value<'a>, Error> {
    match args {
        [Value::Opaque(Opaque::Verdict(verdict))] => Ok(read(verdict)),
        args => Err(no_overload(name, args)),
    }
}

/// The name of the type of `authorizer`, and of `authorizer.requestResource`.
pub(crate) const TYPES: [&str; 2] = [AUTHORIZER, "kubernetes.authorization.ResourceCheck"];
