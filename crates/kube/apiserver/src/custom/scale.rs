//! `scale` of a custom resource: its numbers are where the definition says (`registry/customresource/etcd.go`).

use schema::cursor::{self, Ref};
use schema::row::Types;
use schema::status::Status;
use schema::tree::{Map, Struct, Value};
use structural::View;

use crate::Answer;

/// Where the scale's numbers are, as paths of members (`spec.replicas`).
#[derive(Debug)]
pub(crate) struct Scale {
    /// How many are wanted.
    pub(crate) spec: String,
    /// How many there are.
    pub(crate) status: String,
    /// The selector as text; empty if there is none.
    pub(crate) selector: String,
}

/// What a scale says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Numbers {
    /// How many are wanted; none if the object does not say.
    pub(crate) wanted: Option<i64>,
    /// How many there are.
    pub(crate) found: i64,
    /// The selector as text.
    pub(crate) selector: String,
}

impl Scale {
    /// Reads the numbers of an object.
    pub(crate) fn read(&self, object: Ref<'_>) -> Numbers {
        let at = |path: &str| {
            let tree = object.object()?;
            View::from(tree).path(object.types(), path.split('.'))
        };
        let number = |path: &str| match at(path) {
            Some(View::Int(number)) => Some(number),
            _ => None,
        };
        Numbers {
            wanted: number(&self.spec),
            found: number(&self.status).unwrap_or(0),
            selector: match at(&self.selector) {
                Some(View::Text(text)) => text.to_owned(),
                _ => String::new(),
            },
        }
    }

    /// An object that does not say how many has no scale to show.
    ///
    /// # Errors
    /// Upstream's 500.
    pub(crate) fn require(&self, object: Ref<'_>) -> Answer<()> {
        match self.read(object).wanted {
            Some(_) => Ok(()),
            None => {
                let why = format!("the spec replicas field \".{}\" does not exist", self.spec);
                Err(Status::internal(why).into())
            }
        }
    }

    /// Sets how many are wanted, making the objects on the way.
    ///
    /// # Errors
    /// 500 where something else stands on the way.
    pub(crate) fn write(&self, types: &Types, object: &mut Struct, replicas: i64) -> Answer<()> {
        let steps: Vec<&str> = self.spec.split('.').collect();
        if put(types, object, &steps, Value::Int(replicas)) {
            return Ok(());
        }
        let why = format!(
            "value cannot be set because .{} is not a map[string]interface{{}}",
            self.spec
        );
        Err(Status::internal(why).into())
    }
}

fn put(types: &Types, object: &mut Struct, steps: &[&str], value: Value) -> bool {
    match steps {
        [] => false,
        [name, ..] if types.slot(object.ty, name, 0).is_none() => match types.rest(object.ty) {
            Some(rest) => put_into(map_at(object, rest), steps, value),
            None => false,
        },
        [name] => {
            cursor::set(types, object, name, value);
            true
        }
        [name, inner @ ..] => {
            let _ = cursor::ensure(types, object, name);
            match types
                .slot(object.ty, name, 0)
                .and_then(|slot| object.get_mut(slot))
            {
                Some(Value::Struct(below)) => put(types, below, inner, value),
                Some(Value::Map(map)) => put_into(map, inner, value),
                _ => false,
            }
        }
    }
}

fn map_at(object: &mut Struct, slot: usize) -> &mut Map {
    if !matches!(object.get(slot), Some(Value::Map(_))) {
        object.set(slot, Value::Map(Box::default()));
    }
    match object.get_mut(slot) {
        Some(Value::Map(map)) => map,
        _ => unreachable!("a map was put there"),
    }
}

fn put_into(map: &mut Map, steps: &[&str], value: Value) -> bool {
    match steps {
        [] => false,
        [name] => {
            map.insert(name, value);
            true
        }
        [name, inner @ ..] => {
            if map.get(name).is_none() {
                map.insert(name, Value::Map(Box::default()));
            }
            match map.get_mut(name) {
                Some(Value::Map(below)) => put_into(below, inner, value),
                _ => false,
            }
        }
    }
}
