//! Random canonical trees, made from the rows: a proptest strategy over a type.

use proptest::prelude::*;
use schema::BUILTIN;
use schema::row::{Emit, Field, Form, Kind, Shape, TypeId, Types};
use schema::tree::{Map, Struct, Value};
use std::collections::BTreeSet;

/// Trees of a random type. With `wired`, only members that protobuf carries.
pub(crate) fn trees(wired: bool) -> impl Strategy<Value = Struct> {
    let types = u16::try_from(BUILTIN.ids().count()).unwrap();
    (0..types, any::<u64>()).prop_map(move |(ty, seed)| tree(&BUILTIN, TypeId(ty), wired, seed))
}

/// Trees of one type.
pub(crate) fn trees_of(ty: TypeId) -> impl Strategy<Value = Struct> {
    any::<u64>().prop_map(move |seed| tree(&BUILTIN, ty, false, seed))
}

/// A tree of one type, made from the seed.
pub(crate) fn tree(types: &Types, ty: TypeId, wired: bool, seed: u64) -> Struct {
    Grower {
        types,
        state: seed,
        wired,
        left: 300,
    }
    .object(ty, 0)
}

struct Grower<'a> {
    types: &'a Types,
    state: u64,
    wired: bool,
    /// Values still to be made: keeps recursive types small.
    left: usize,
}

const TEXTS: [&str; 8] = [
    "a",
    "x<y>&z",
    "\"\\\n\u{1}",
    "é\u{2028}€",
    "true",
    "1e3",
    "- x: #",
    "a long text that is like most texts",
];
const QUANTITIES: [&str; 5] = ["1", "100m", "1Gi", "1500", "3e9"];
const TIMES: [&str; 3] = [
    "2008-01-01T01:01:01Z",
    "1969-12-31T23:59:59Z",
    "0001-01-01T00:00:01Z",
];
const RAWS: [&str; 4] = ["{}", r#"{"b":1,"a":[null,2.50,"\u003c"]}"#, "[[]]", "\"x\""];

impl Grower<'_> {
    fn roll(&mut self, sides: usize) -> usize {
        // splitmix64
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.state ^ self.state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ z >> 31) >> 1).unwrap() % sides
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.roll(from.len())]
    }

    fn object(&mut self, ty: TypeId, depth: usize) -> Struct {
        let types = self.types;
        let mut object = Struct::new(ty);
        let carried = self.wired.then(|| carried(ty, 0));
        for (slot, field) in types.fields(ty).iter().enumerate() {
            if carried.as_ref().is_some_and(|c| !c.contains(&slot))
                || self.roll(3) == 0
                || self.left == 0
                || depth > 12
            {
                continue;
            }
            self.left -= 1;
            let form = types.form(field);
            let value = self.field(field, form, depth);
            if !vanishes(form, &value) {
                object.set(slot, value);
            }
        }
        if let Some(slot) = types.rest(ty).filter(|_| self.roll(2) == 0) {
            let mut rest = Map::default();
            rest.insert("Other", self.any(0));
            rest.insert("zz", self.any(0));
            object.set(slot, Value::Map(Box::new(rest)));
        }
        object
    }

    /// What has no row; all that JSON can say.
    fn any(&mut self, depth: usize) -> Value {
        match self.roll(if depth > 3 { 5 } else { 7 }) {
            0 => Value::Null,
            1 => Value::Bool(true),
            2 => Value::Int(-3),
            3 => Value::Float(1.5),
            4 => Value::str(self.pick(&TEXTS)),
            5 => Value::List((0..self.roll(3)).map(|_| self.any(depth + 1)).collect()),
            _ => {
                let mut map = Map::default();
                map.insert("b", self.any(depth + 1));
                map.insert("", self.any(depth + 1));
                Value::Map(Box::new(map))
            }
        }
    }

    fn field(&mut self, field: &Field, form: &Form, depth: usize) -> Value {
        if form.emit == Emit::Nullable && self.roll(3) == 0 {
            return Value::Null;
        }
        let len = 1 + self.roll(3);
        match form.shape {
            Shape::Value | Shape::Ptr => self.one(form.kind, field.ty, depth),
            Shape::List => Value::List((0..len).map(|_| self.one(form.kind, field.ty, depth)).collect()),
            Shape::Map => {
                let mut map = Map::default();
                for key in 0..len {
                    map.insert(
                        &format!("key{key}{}", self.pick(&TEXTS)),
                        self.one(form.kind, field.ty, depth),
                    );
                }
                Value::Map(Box::new(map))
            }
        }
    }

    fn one(&mut self, kind: Kind, ty: TypeId, depth: usize) -> Value {
        match kind {
            Kind::Bool => Value::Bool(self.roll(2) == 1),
            Kind::Int32 => Value::Int([0, -1, 7, i32::MIN.into(), i32::MAX.into()][self.roll(5)]),
            Kind::Int64 => Value::Int([0, -1, 300, i64::MIN, i64::MAX][self.roll(5)]),
            // Where numbers have no type, those without a fraction are integers.
            Kind::Float64 if self.types.is_custom() => Value::Float([1.5, -2.5e-9, 1e300][self.roll(3)]),
            Kind::Float64 => Value::Float([0.0, 1.5, -2.5e-9, 1e300, 1e21][self.roll(5)]),
            Kind::String => Value::str(self.pick(&TEXTS)),
            Kind::Bytes => Value::Bytes(Box::from(&b"\0\xff bytes"[..1 + self.roll(7)])),
            Kind::Struct => Value::Struct(Box::new(self.object(ty, depth + 1))),
            Kind::Strings => Value::List(vec![Value::str("a"), Value::str("")]),
            Kind::Time => Value::str(self.pick(&TIMES)),
            Kind::MicroTime => Value::str(&self.pick(&TIMES).replace('Z', ".012345Z")),
            Kind::Duration => Value::str(self.pick(&["1h0m0s", "-1.5s", "250ms", "3ns"])),
            Kind::Quantity => Value::str(self.pick(&QUANTITIES)),
            Kind::IntOrString => [Value::Int(-8080), Value::str("http")][self.roll(2)].clone(),
            Kind::Any => self.any(0),
            Kind::Nested => {
                let types = self.types;
                let field = &types.fields(ty)[0];
                self.field(field, types.form(field), depth + 1)
            }
            Kind::Raw => raw(self.pick(&RAWS)),
            Kind::SchemaOrBool if self.roll(2) == 0 => Value::Bool(self.roll(2) == 0),
            Kind::SchemaOrArray if self.roll(2) == 0 => Value::List(vec![self.one(Kind::Struct, ty, depth)]),
            Kind::SchemaOrStrings if self.roll(2) == 0 => Value::List(vec![Value::str("x")]),
            Kind::SchemaOrArray | Kind::SchemaOrBool | Kind::SchemaOrStrings => {
                self.one(Kind::Struct, ty, depth)
            }
        }
    }
}

/// A raw value can only be made by decoding one.
fn raw(json: &str) -> Value {
    let ty = BUILTIN.find("meta/v1", "WatchEvent").unwrap();
    let event = format!("{{\"object\":{json}}}");
    let event =
        schema::json::decode(&BUILTIN, ty, event.as_bytes(), schema::json::Options::default()).unwrap();
    event.object.fields()[0].1.clone()
}

fn vanishes(form: &Form, value: &Value) -> bool {
    form.shape == Shape::Value
        && (value.is_zero(form.kind) || (form.emit == Emit::NonEmpty && value.is_empty()))
}

/// The slots that a type's protobuf message fills.
fn carried(ty: TypeId, base: usize) -> BTreeSet<usize> {
    let slots = BUILTIN.wires(ty).iter().flat_map(|wire| {
        let slot = base + usize::from(wire.slot);
        wire.inline()
            .map_or_else(|| BTreeSet::from([slot]), |inline| carried(inline, slot))
    });
    slots.collect()
}
