//! What the expressions of policies see of a write.

use cel::{Place, Value};
use schema::BUILTIN;
use schema::cursor::Ref;
use schema::json;
use schema::resource::by_resource;
use schema::row::TypesRef;
use schema::tree::{self, Struct};

use super::authorizer::Asker;
use super::params::Param;
use crate::Answer;
use crate::admission::Request;
use crate::admission::webhook::matching::Told;
use crate::admission::webhook::{object, review};
use crate::registry::convert;

/// The number of the variable `namespaceObject`.
const NAMESPACE: usize = 2;

/// A write in the version that a policy names, with all that belongs to it.
pub(in crate::admission) struct Inputs<'r> {
    request: &'r Request<'r>,
    object: Option<Struct>,
    old: Option<Struct>,
    namespace: Option<Struct>,
    described: tree::Value,
    asker: Asker<'r>,
}

/// A parameter, decoded.
pub(in crate::admission) struct Decoded(Option<(TypesRef, Struct)>);

impl<'r> Inputs<'r> {
    /// Everything of a write; `object` is the one that is written.
    ///
    /// # Errors
    /// 500 where an object cannot be had in that version.
    pub(in crate::admission) fn new(
        request: &'r Request<'r>,
        told: &Told,
        written: Option<Ref<'_>>,
    ) -> Answer<Self> {
        let in_version = |object: Option<Ref<'_>>| match object.and_then(Ref::object) {
            Some(tree) => object::in_version(request, told, tree.clone()).map(Some),
            None => Ok(None),
        };
        let mut described = review::ask(request, told, "");
        if let Some(members) = described.as_object_mut() {
            members.remove("uid");
        }
        let described = json::parse(described.to_string().as_bytes()).unwrap_or(tree::Value::Null);
        Ok(Self {
            request,
            object: in_version(written)?,
            old: in_version(request.old)?,
            namespace: namespace(request),
            described,
            asker: Asker(request),
        })
    }

    /// The object as it is seen.
    pub(super) fn object(&self) -> Option<&Struct> {
        self.object.as_ref()
    }

    /// The variables in the order of `cel::policy::environment`; the policy's own are left out.
    pub(in crate::admission) fn variables<'i>(
        &'i self,
        namespace: &'i cel::Decl,
        params: Option<&'i Decoded>,
    ) -> Vec<Option<Value<'i>>> {
        let place = Place::new(self.request.types);
        let read =
            |object: &'i Option<Struct>| object.as_ref().map_or(Value::Null, |tree| place.object(tree));
        let own = self.namespace.as_ref();
        let own = own.map_or(Value::Null, |tree| {
            Place::new(&BUILTIN).declared(namespace).object(tree)
        });
        let mut variables = vec![
            Some(read(&self.object)),
            Some(read(&self.old)),
            Some(own),
            Some(place.value(&self.described)),
            None,
        ];
        variables.extend(params.map(|params| Some(params.value())));
        variables.extend(self.asker.variables().map(Some));
        variables
    }
}

impl Inputs<'_> {
    /// What conditions see: all but the namespace, which upstream does not show them.
    pub(in crate::admission) fn of_conditions<'i>(
        &'i self,
        namespace: &'i cel::Decl,
        params: Option<&'i Decoded>,
    ) -> Vec<Option<Value<'i>>> {
        let mut variables = self.variables(namespace, params);
        variables[NAMESPACE] = Some(Value::Null);
        variables
    }
}

impl Decoded {
    /// Decodes a parameter.
    ///
    /// # Errors
    /// 500 for bytes that are no object.
    pub(super) fn new(param: &Param) -> Answer<Self> {
        let Some((served, object)) = param else {
            return Ok(Self(None));
        };
        let tree = convert::tree(served, object)?;
        Ok(Self(Some((served.def.types.clone(), tree))))
    }

    fn value(&self) -> Value<'_> {
        match &self.0 {
            Some((types, tree)) => Place::new(types).object(tree),
            None => Value::Null,
        }
    }
}

/// The namespace that the write is in; a namespace is in none.
fn namespace(request: &Request<'_>) -> Option<Struct> {
    let name = request.op.namespace;
    if name.is_empty() || request.is_of("", "namespaces") {
        return None;
    }
    let all = request.op.state.cache.snapshot("/registry/namespaces/");
    let found = all.get(name)?;
    let (_, version) = by_resource("", "v1", "namespaces")?;
    let decoded = json::decode(&BUILTIN, version.schema, found.body(), json::Options::default());
    decoded.ok().map(|decoded| decoded.object)
}
