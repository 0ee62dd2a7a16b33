//! `scale`: how many, and nothing else, of any kind that has replicas (`autoscaling/v1 Scale`).

mod owners;

use http::StatusCode;
use schema::BUILTIN;
use schema::cursor::{self, Ref};
use schema::field::{Error, Path};
use schema::json;
use schema::resource::type_of_kind;
use schema::row::{TypeId, TypesRef};
use schema::status::{GroupName, Status};
use schema::tree::{Struct, Value};

use crate::admission::Kind;
use crate::custom::{Numbers, Scale};
use crate::negotiate::{Expected, decode};
use crate::registry::{self, Live, Op, Options, Plan, Stored, View, convert, ensure_namespace};
use crate::server::State;
use crate::verbs::{check_name, configuration, patch_bytes, write_options};
use crate::{Answer, Call, Reply, Served, custom};

const API_VERSION: &str = "autoscaling/v1";

const KIND: Kind<'_> = Kind {
    group: "autoscaling",
    version: "v1",
    kind: "Scale",
};

fn scale_type() -> Answer<TypeId> {
    let ty = type_of_kind("autoscaling", "v1", "Scale");
    ty.ok_or_else(|| Status::internal("no Scale").into())
}

/// Shows the scale.
///
/// # Errors
/// 404
pub(super) async fn get(state: &State, call: &Call, served: &Served) -> Answer<Reply> {
    let op = Op::new(state, call, served, Options::default());
    match Live::read(&op, &op.name).await? {
        Some(live) => {
            if let Some(scale) = custom_scale(&op) {
                scale.require(Ref::new(op.types(), &live.tree))?;
            }
            answer(scale_of(&op, &live.tree)?)
        }
        None => Err(Status::not_found(served.group_resource(), &op.name).into()),
    }
}

/// Sets the number of replicas.
///
/// # Errors
/// 422 for a negative number, 409, 404.
pub(super) async fn update(state: &State, call: &Call, served: &Served) -> Answer<Reply> {
    let options = write_options(call, "UpdateOptions", None)?;
    let expected = Expected {
        types: &BUILTIN,
        ty: scale_type()?,
        api_version: API_VERSION,
        kind: "Scale",
    };
    let mut scale = decode(call, &call.body, expected, options.fields)?;
    let op = Op::new(state, call, served, options);
    ensure_namespace(&BUILTIN, &mut scale, op.namespace)?;
    check_name(&BUILTIN, &scale, &op.name)?;
    let recorded = |old: &Struct| {
        let mut new = scale.clone();
        owners::record(&op, old, &mut new);
        Ok(new)
    };
    write(&op, recorded).await
}

/// Patches the Scale, or applies one, and with it changes the object.
///
/// # Errors
/// What the patch says, and as for [`update`].
pub(super) async fn patch(state: &State, call: &Call, served: &Served) -> Answer<Reply> {
    let config = configuration(call, served)?;
    let options = write_options(call, "PatchOptions", Some(config.is_some()))?;
    let op = Op::new(state, call, served, options);
    let ty = scale_type()?;
    let changed = |old: &Struct| {
        let mut new = match &config {
            Some(config) => owners::apply(&op, old, config)?,
            None => {
                let mut document = Vec::new();
                json::encode(&BUILTIN, old, &mut document);
                let mut new = patch_bytes(&op, &BUILTIN, ty, &document)?;
                owners::record(&op, old, &mut new);
                new
            }
        };
        ensure_namespace(&BUILTIN, &mut new, op.namespace)?;
        check_name(&BUILTIN, &new, &op.name)?;
        Ok(new)
    };
    write(&op, changed).await
}

/// Writes the object with the number that `scale` makes of the live one's Scale.
async fn write(op: &Op<'_>, scale: impl Fn(&Struct) -> Answer<Struct>) -> Answer<Reply> {
    let make = |live: Option<&Live>| match live {
        Some(live) => scale(&owned_scale_of(op, &live.tree)?),
        None => Err(Status::not_found(op.served.group_resource(), &op.name).into()),
    };
    let plan = Plan {
        may_create: false,
        uid: None,
        by_rules: true,
        view: Some(View {
            kind: KIND,
            show: owned_scale_of,
            take: resize,
        }),
        make,
    };
    let updated = registry::update(op, plan).await?;
    let tree = match updated.stored {
        Stored::Object(object) => {
            let shown = custom::conversion::shown(op.state, op.served, object).await?;
            convert::live(op.served, &shown)?
        }
        Stored::Dry(tree) => *tree,
    };
    answer(scale_of(op, &tree)?)
}

/// The object with the scale's number and its owners, and the version that the client saw, if it said one.
fn resize(op: &Op<'_>, live: &Live, scale: &Struct) -> Answer<Struct> {
    let new = Ref::new(&BUILTIN, scale);
    let replicas = new.path("spec.replicas").int();
    if replicas < 0 {
        let path = Path::new("spec").child("replicas");
        let error = Error::invalid(&path, replicas, "must be greater than or equal to 0");
        let kind = GroupName {
            group: "autoscaling",
            name: "Scale",
        };
        return Err(Status::invalid(kind, &op.name, &vec![error]).into());
    }
    check_uid(op, new.path("metadata.uid").str(), &live.object.meta.uid)?;
    let (types, mut tree) = (op.types(), live.tree.clone());
    match custom_scale(op) {
        Some(scale) => scale.write(types, &mut tree, replicas)?,
        None => cursor::set(types, &mut tree, "spec.replicas", Value::Int(replicas)),
    }
    let version = new.path("metadata.resourceVersion").str();
    if !version.is_empty() {
        cursor::set(types, &mut tree, "metadata.resourceVersion", Value::str(version));
    }
    owners::hand_back(op, &mut tree, scale);
    Ok(tree)
}

fn check_uid(op: &Op<'_>, wanted: &str, found: &str) -> Answer<()> {
    if wanted.is_empty() || wanted == found {
        return Ok(());
    }
    let why = format!("Precondition failed: UID in precondition: {wanted}, UID in object meta: {found}");
    let resource = GroupName {
        group: &op.served.def.group,
        name: &format!("{}/scale", op.served.def.plural),
    };
    Err(Status::conflict(resource, &op.name, &why).into())
}

fn answer(scale: Struct) -> Answer<Reply> {
    Ok(Reply::Tree {
        code: StatusCode::OK,
        api_version: API_VERSION.to_owned(),
        kind: "Scale".to_owned(),
        types: TypesRef::Static(&BUILTIN),
        object: Box::new(scale),
    })
}

/// Where a custom resource has its numbers.
fn custom_scale<'a>(op: &Op<'a>) -> Option<&'a Scale> {
    op.served.custom_version()?.scale.as_ref()
}

/// The scale of an object, with those who own its number.
fn owned_scale_of(op: &Op<'_>, tree: &Struct) -> Answer<Struct> {
    let mut scale = scale_of(op, tree)?;
    owners::show(op, tree, &mut scale);
    Ok(scale)
}

fn scale_of(op: &Op<'_>, tree: &Struct) -> Answer<Struct> {
    let object = Ref::new(op.types(), tree);
    let numbers = match custom_scale(op) {
        Some(scale) => scale.read(object),
        None => Numbers {
            wanted: object.path("spec.replicas").integer(),
            found: object.path("status.replicas").int(),
            selector: selector(object.path("spec.selector")),
        },
    };
    let mut scale = Struct::new(scale_type()?);
    let mut set = |path: &str, value: Value| cursor::set(&BUILTIN, &mut scale, path, value);
    set("apiVersion", Value::str(API_VERSION));
    set("kind", Value::str("Scale"));
    for member in ["name", "namespace", "uid", "resourceVersion", "creationTimestamp"] {
        let text = object.at("metadata").at(member).str();
        if !text.is_empty() {
            set(&format!("metadata.{member}"), Value::str(text));
        }
    }
    set_number(&mut set, "spec.replicas", numbers.wanted.unwrap_or(0));
    set_number(&mut set, "status.replicas", numbers.found);
    if !numbers.selector.is_empty() {
        set("status.selector", Value::Str(numbers.selector.into()));
    }
    Ok(scale)
}

/// A number held by value is absent where it is zero.
fn set_number(set: &mut impl FnMut(&str, Value), path: &str, number: i64) {
    if number != 0 {
        set(path, Value::Int(number));
    }
}

/// A selector as one text: `a=b,c in (d,e),!f`, as upstream prints it, sorted by key.
fn selector(selector: Ref<'_>) -> String {
    let plain = !selector.at("matchLabels").exists() && !selector.at("matchExpressions").exists();
    let labels = if plain {
        selector
    } else {
        selector.at("matchLabels")
    };
    let mut terms: Vec<(String, String)> = labels
        .entries()
        .map(|(key, value)| (key.to_owned(), format!("{key}={}", value.str())))
        .collect();
    for term in selector.at("matchExpressions").items() {
        let key = term.at("key").str();
        let mut values: Vec<&str> = term.at("values").strings().collect();
        values.sort_unstable();
        let values = values.join(",");
        let text = match term.at("operator").str() {
            "In" => format!("{key} in ({values})"),
            "NotIn" => format!("{key} notin ({values})"),
            "Exists" => key.to_owned(),
            _ => format!("!{key}"),
        };
        terms.push((key.to_owned(), text));
    }
    terms.sort_unstable();
    let terms: Vec<String> = terms.into_iter().map(|(_, text)| text).collect();
    terms.join(",")
}
