//! Connections as admission sees them: the object is the options, which come as parameters.

use schema::BUILTIN;
use schema::cursor::{self, Ref};
use schema::resource::Subresource;
use schema::row::{Field, Kind as Form, Shape};
use schema::tree::{Struct, Value};

use crate::Answer;
use crate::admission::{self, Kind, Request};
use crate::registry::Op;
use crate::request_info::is_truth;

/// Lets admission judge a connection.
///
/// # Errors
/// What admission says.
pub(super) async fn admit(op: &Op<'_>) -> Answer<()> {
    let mut below = op.served.version().subresources.iter();
    let path = below.find(|path| path.name == op.subresource);
    let Some(path) = path else { return Ok(()) };
    let kind = Kind {
        group: &path.group,
        version: &path.version,
        kind: &path.kind,
    };
    let mut options = options(op, path);
    let request = Request::connect(op, kind);
    admission::mutate(&request, Some(&mut options)).await?;
    admission::validate(&request, Some(Ref::new(&BUILTIN, &options)))
        .await
        .map(drop)
}

/// The parameters as the object that upstream makes of them (`PodExecOptions`).
fn options(op: &Op<'_>, path: &Subresource) -> Struct {
    let mut options = Struct::new(path.schema);
    for field in BUILTIN.fields(path.schema) {
        let name = BUILTIN.name(field.json);
        let given: Vec<&str> = op.call.query.all(name).collect();
        if let Some(value) = value(field, &given) {
            cursor::set(&BUILTIN, &mut options, name, value);
        }
    }
    options
}

/// A member's value; none if nothing is given that fits.
fn value(field: &Field, given: &[&str]) -> Option<Value> {
    let first = given.first()?;
    let form = BUILTIN.form(field);
    match (form.shape, form.kind) {
        (Shape::List, Form::String) => {
            Some(Value::List(given.iter().map(|value| Value::str(value)).collect()))
        }
        (Shape::List, Form::Int32) => {
            let numbers = given.iter().filter_map(|value| value.parse().ok());
            Some(Value::List(numbers.map(Value::Int).collect()))
        }
        (_, Form::Bool) => is_truth(first).then_some(Value::Bool(true)),
        (_, Form::String) => Some(Value::str(first)).filter(|text| !text.is_empty()),
        _ => None,
    }
}
