//! Strategic merge patch: a merge patch that knows the types. Lists of objects merge by the key that their
//! field declares, and directives (`$patch`, `$retainKeys`, `$deleteFromPrimitiveList`,
//! `$setElementOrder`) say what merging cannot (apimachinery `util/strategicpatch`).

mod directives;
mod lists;
mod order;
mod places;

use schema::json::{encode_untyped, go_quote, parse};
use schema::row::{Kind, Patch, Shape, TypeId, Types};
use schema::tree::{Map, Value};

use crate::Error;

/// `$patch`: what is to happen to the object, or item, that has this member.
const DIRECTIVE: &str = "$patch";
/// `$retainKeys`: the only members that stay.
const RETAIN_KEYS: &str = "$retainKeys";
/// `$deleteFromPrimitiveList/x`: values that leave the list `x`.
const DELETE_PREFIX: &str = "$deleteFromPrimitiveList";
/// `$setElementOrder/x`: the order of the list `x`.
const ORDER_PREFIX: &str = "$setElementOrder";

type Done<T = ()> = Result<T, Error>;

/// Applies a strategic merge patch to an object of a built-in type, in JSON.
///
/// # Errors
/// [`Error::Syntax`] and [`Error::Form`] for what is no patch, [`Error::Unprocessable`] and
/// [`Error::Unfit`] for one that does not fit the type or the object. Types of custom resources have no
/// strategy.
pub fn strategic(types: &Types, ty: TypeId, document: &[u8], patch: &[u8]) -> Result<Vec<u8>, Error> {
    if types.is_custom() {
        return Err(Error::Form(
            "strategic merge patch format is not supported".to_owned(),
        ));
    }
    let patch = match parse(patch).map_err(|why| Error::Form(why.to_string()))? {
        Value::Map(patch) => *patch,
        Value::Null => Map::default(),
        other => {
            let word = order::go_type_word(&other);
            let text =
                format!("json: cannot unmarshal {word} into Go value of type map[string]interface {{}}");
            return Err(Error::Form(text));
        }
    };
    let document = match parse(document)? {
        Value::Map(document) => *document,
        _ => Map::default(),
    };
    let merged = merge_map(document, patch, Rules::object(types, ty))?;
    let mut out = Vec::new();
    encode_untyped(&Value::Map(Box::new(merged)), &mut out);
    Ok(out)
}

/// What the rows say of a place: how what stands there merges, and what is below it.
#[derive(Clone, Copy, Debug)]
struct Rules<'t> {
    types: &'t Types,
    below: Below,
    patch: Patch,
    merge_key: &'t str,
}

#[derive(Clone, Copy, Debug)]
enum Below {
    /// An object with rows.
    Object(TypeId),
    /// A map: every key is the same.
    Map(Kind, TypeId),
    /// Nothing that has a row.
    Nothing,
}

impl<'t> Rules<'t> {
    fn object(types: &'t Types, ty: TypeId) -> Self {
        Self {
            types,
            below: Below::Object(ty),
            patch: Patch::Replace,
            merge_key: "",
        }
    }

    /// The rules of a member.
    fn member(self, name: &str) -> Done<Self> {
        let plain = |below| Self {
            below,
            patch: Patch::Replace,
            merge_key: "",
            ..self
        };
        match self.below {
            Below::Object(ty) => {
                let slot = self
                    .types
                    .slot(ty, name, 0)
                    .ok_or_else(|| no_field(self.types, ty, name))?;
                Ok(self.field(&self.types.fields(ty)[slot]))
            }
            Below::Map(Kind::Struct, ty) => Ok(plain(Below::Object(ty))),
            _ => Ok(plain(Below::Nothing)),
        }
    }

    fn field(self, field: &schema::row::Field) -> Self {
        let (form, merge) = (self.types.form(field), self.types.merge(field));
        let below = match (form.shape, form.kind) {
            (Shape::Map, kind) => Below::Map(kind, field.ty),
            (_, Kind::Struct | Kind::SchemaOrArray | Kind::SchemaOrBool | Kind::SchemaOrStrings) => {
                Below::Object(field.ty)
            }
            _ => Below::Nothing,
        };
        Self {
            below,
            patch: merge.patch,
            merge_key: self.types.name(merge.patch_key),
            ..self
        }
    }

    fn merges(self) -> bool {
        matches!(self.patch, Patch::Merge | Patch::MergeRetainKeys)
    }
}

fn no_field(types: &Types, ty: TypeId, name: &str) -> Error {
    let (_, type_name) = types.type_name(ty);
    let name = go_quote(name);
    Error::Unfit(format!(
        "unable to find api field in struct {type_name} for the json field {name}"
    ))
}

/// Merges a patch into an object.
fn merge_map(original: Map, mut patch: Map, rules: Rules<'_>) -> Done<Map> {
    if let Some(directive) = patch.remove(DIRECTIVE) {
        return directives::whole(&directive, patch);
    }
    let mut original = original;
    directives::retain_keys(&mut original, &mut patch)?;
    order::set_element_orders(&mut original, &mut patch, rules)?;
    for (key, value) in patch.into_entries() {
        match key.strip_prefix(DELETE_PREFIX) {
            Some(rest) => delete_values(&mut original, rest, value, rules)?,
            None => member(&mut original, &key, value, rules)?,
        }
    }
    Ok(original)
}

/// `$deleteFromPrimitiveList/x`
fn delete_values(original: &mut Map, rest: &str, values: Value, rules: Rules<'_>) -> Done {
    let bad = || Error::Form("invalid patch format of primitive list".to_owned());
    let name = rest.strip_prefix('/').ok_or_else(bad)?;
    if values == Value::Null {
        original.remove(name);
        return Ok(());
    }
    rules.member(name)?;
    if let (Some(Value::List(items)), Value::List(gone)) = (original.get_mut(name), &values) {
        items.retain(|item| !gone.contains(item));
    }
    Ok(())
}

fn member(original: &mut Map, name: &str, value: Value, rules: Rules<'_>) -> Done {
    let merged = match (original.remove(name), value) {
        (_, Value::Null) => None,
        (Some(Value::Map(old)), Value::Map(new)) => {
            let below = rules.member(name)?;
            Some(Value::Map(Box::new(merge_map(*old, *new, below)?)))
        }
        (Some(Value::List(old)), Value::List(new)) => {
            let below = rules.member(name)?;
            Some(Value::List(if below.merges() {
                lists::merge(old, new, below)?
            } else {
                new
            }))
        }
        (_, value) => directives::strip(directives::without_nulls(value)),
    };
    if let Some(value) = merged {
        original.insert(name, value);
    }
    Ok(())
}
