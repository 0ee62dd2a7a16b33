//! Schemas as rows: what decoding, pruning, defaults and apply walk.

use schema::custom::{Member, MemberMerge, Rows, TooLarge};
use schema::row::{Kind, Marks, Shape, Topology, TypeId, Types};

use crate::node::{Additional, ListType, Node};

/// The types of one version: of the object and of its list.
pub type Root = (TypeId, TypeId);

/// One table for all versions of a kind, and each version's types.
///
/// # Errors
/// See [`TooLarge`].
pub fn rows<'n>(
    kind: &str,
    versions: impl Iterator<Item = &'n Node>,
) -> Result<(Types, Vec<Root>), TooLarge> {
    let mut rows = Rows::new()?;
    let mut roots = Vec::new();
    for node in versions {
        let keys = list_keys(node);
        let mut members = Vec::new();
        for ((name, property), keys) in node.properties.iter().zip(&keys) {
            if !matches!(&**name, "apiVersion" | "kind" | "metadata") {
                let member = node_member(&mut rows, name, property, keys)?;
                members.push(required(member, &node.required));
            }
        }
        roots.push(rows.root(kind, node.open, &members)?);
    }
    Ok((rows.finish(), roots))
}

fn required<'a>(member: Member<'a>, names: &[Box<str>]) -> Member<'a> {
    let required = names.iter().any(|name| **name == *member.name);
    Member { required, ..member }
}

/// The list keys of each property, as the rows want them.
fn list_keys(node: &Node) -> Vec<Vec<&str>> {
    node.properties
        .iter()
        .map(|(_, property)| property.keys.iter().map(|key| &**key).collect())
        .collect()
}

/// What a value is, before it is one of a list or a map.
struct Form {
    kind: Kind,
    ty: TypeId,
    shape: Shape,
}

impl Form {
    const fn of(kind: Kind) -> Self {
        Self {
            kind,
            ty: TypeId(0),
            shape: Shape::Ptr,
        }
    }
}

fn node_member<'a>(
    rows: &mut Rows,
    name: &'a str,
    node: &'a Node,
    keys: &'a [&'a str],
) -> Result<Member<'a>, TooLarge> {
    let form = form(rows, name, node)?;
    let topology = match (form.shape, node.list) {
        (Shape::List, ListType::Set) => Topology::Set,
        (Shape::List, ListType::Map) => Topology::Map,
        (Shape::Map, _) if node.atomic => Topology::Atomic,
        _ => Topology::Unmarked,
    };
    Ok(Member {
        ty: form.ty,
        nullable: node.nullable,
        merge: MemberMerge { topology, keys },
        default: node.default.as_ref().map_or("", |(_, text)| text),
        ..Member::new(name, form.kind)
    }
    .shaped(form.shape))
}

fn form(rows: &mut Rows, name: &str, node: &Node) -> Result<Form, TooLarge> {
    if node.int_or_string {
        return Ok(Form::of(Kind::IntOrString));
    }
    let scalars = [
        ("string", Kind::String),
        ("integer", Kind::Int64),
        ("number", Kind::Float64),
        ("boolean", Kind::Bool),
    ];
    if let Some((_, kind)) = scalars.into_iter().find(|(ty, _)| node.types.has(ty)) {
        return Ok(Form::of(kind));
    }
    if node.types.has("array") {
        return match &node.items {
            Some(items) => several(rows, name, items, Shape::List),
            None => Ok(Form::of(Kind::Any)),
        };
    }
    match &node.additional {
        Additional::Of(values) if node.properties.is_empty() && !node.embedded => {
            several(rows, name, values, Shape::Map)
        }
        Additional::Anything if node.properties.is_empty() && !node.embedded => Ok(Form {
            shape: Shape::Map,
            ..Form::of(Kind::Any)
        }),
        _ if node.types.has("object") || node.embedded || !node.properties.is_empty() => {
            object(rows, name, node)
        }
        _ => Ok(Form::of(Kind::Any)),
    }
}

fn object(rows: &mut Rows, name: &str, node: &Node) -> Result<Form, TooLarge> {
    let marks = Marks {
        open: node.open || matches!(node.additional, Additional::Anything),
        embedded: node.embedded,
        atomic: node.atomic,
    };
    let keys = list_keys(node);
    let mut members = Vec::new();
    for ((name, property), keys) in node.properties.iter().zip(&keys) {
        members.push(required(node_member(rows, name, property, keys)?, &node.required));
    }
    Ok(Form {
        ty: rows.object(name, marks, &members)?,
        ..Form::of(Kind::Struct)
    })
}

/// A list or map; one of lists or maps needs a type in between.
fn several(rows: &mut Rows, name: &str, inner: &Node, shape: Shape) -> Result<Form, TooLarge> {
    let form = form(rows, name, inner)?;
    if form.shape == Shape::Ptr {
        return Ok(Form { shape, ..form });
    }
    let one = Member {
        ty: form.ty,
        ..Member::new("", form.kind)
    };
    let ty = rows.object(name, Marks::default(), &[one.shaped(form.shape)])?;
    Ok(Form {
        kind: Kind::Nested,
        ty,
        shape,
    })
}
