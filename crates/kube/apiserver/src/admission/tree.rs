//! Changing trees of built-in kinds: lists, and pieces that are written here as JSON.

use schema::BUILTIN;
use schema::cursor;
use schema::json::{self, Options};
use schema::row::Types;
use schema::tree::{Struct, Value};

/// A piece of an object, from JSON that stands in this program.
#[expect(
    clippy::expect_used,
    reason = "what is written in the program is read by its tests"
)]
pub(super) fn piece(package: &str, name: &str, text: &str) -> Struct {
    let ty = BUILTIN.find(package, name).expect("a type of the table");
    let decoded = json::decode(&BUILTIN, ty, text.as_bytes(), Options::default());
    decoded.expect("JSON of that type").object
}

/// Appends to the list at a path, which is made if it is not there.
pub(super) fn push(types: &Types, object: &mut Struct, path: &str, item: Value) {
    match cursor::get_mut(types, object, path) {
        Some(Value::List(items)) => items.push(item),
        _ => cursor::set(types, object, path, Value::List(vec![item])),
    }
}

/// The same with an object.
pub(super) fn push_object(types: &Types, object: &mut Struct, path: &str, item: Struct) {
    push(types, object, path, Value::Struct(Box::new(item)));
}
