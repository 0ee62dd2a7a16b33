//! Defaults that upstream's field markers declare (`+default=`), applied to a decoded tree.
//!
//! Defaults that upstream sets in code (a pod's restart policy) are the strategies' work, not the
//! table's.

use crate::json::{Options, decode_member};
use crate::row::{Field, Shape, TypeId, Types};
use crate::tree::{Struct, Value};

/// Fills absent members that have a declared default, in the object and everything below it.
///
/// As in upstream's generated code, a struct held by pointer is only entered when it is present.
pub fn apply(types: &Types, object: &mut Struct) {
    for (slot, field) in types.fields(object.ty).iter().enumerate() {
        match object.get_mut(slot) {
            Some(value) => descend(types, value),
            None => absent(types, field, slot, object),
        }
    }
}

fn absent(types: &Types, field: &Field, slot: usize, object: &mut Struct) {
    let form = types.form(field);
    let default = types.name(form.default);
    if !default.is_empty() {
        if let Some(mut value) = decode_member(types, field, default.as_bytes(), Options::default()) {
            descend(types, &mut value);
            object.set(slot, value);
        }
    } else if form.shape == Shape::Value && form.kind == crate::row::Kind::Struct {
        enter(types, field.ty, slot, object);
    }
}

/// A struct held by value is there even when the tree leaves it out.
fn enter(types: &Types, ty: TypeId, slot: usize, object: &mut Struct) {
    let mut inner = Struct::new(ty);
    apply(types, &mut inner);
    if !inner.is_empty() {
        object.set(slot, Value::Struct(Box::new(inner)));
    }
}

fn descend(types: &Types, value: &mut Value) {
    match value {
        Value::Struct(object) => apply(types, object),
        Value::List(items) => items.iter_mut().for_each(|item| descend(types, item)),
        Value::Map(map) => map.values_mut().for_each(|item| descend(types, item)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use crate::json::{Options, decode, encode};
    use crate::{BUILTIN, resource::type_of_kind};

    #[test]
    fn declared_defaults_fill_what_is_absent_and_nothing_else() {
        let ty = type_of_kind("", "v1", "Pod").unwrap();
        let json = br#"{"spec":{"containers":[{"name":"a","ports":[{"containerPort":1},{"containerPort":2,"protocol":"UDP"}]}],
            "volumes":[{"name":"v","iscsi":{"targetPortal":"p","iqn":"i","lun":0}}]}}"#;
        let mut pod = decode(&BUILTIN, ty, json, Options::default()).unwrap().object;
        super::apply(&BUILTIN, &mut pod);
        let mut out = Vec::new();
        encode(&BUILTIN, &pod, &mut out);
        let text = String::from_utf8(out).unwrap();
        assert!(
            text.contains(r#"{"containerPort":1,"protocol":"TCP"},{"containerPort":2,"protocol":"UDP"}"#),
            "{text}"
        );
        assert!(text.contains(r#""iscsiInterface":"default""#), "{text}");
    }
}
