//! `additionalPrinterColumns`: how an object is shown in a Table (`customresource/tableconvertor`).

use std::borrow::Cow;

use printers::{Cells, Column, Row, human_duration};
use schema::cursor::Ref;
use schema::row::Types;
use structural::{JsonPath, View};

/// The columns of a version.
#[derive(Debug)]
pub(crate) struct Columns {
    headers: Vec<Column>,
    paths: Vec<Option<JsonPath>>,
}

/// Upstream's description of `metadata.name`.
const NAME: &str = "Name must be unique within a namespace. Is required when creating resources, although some resources may allow a client to request the generation of an appropriate name automatically. Name is primarily intended for creation idempotence and configuration definition. Cannot be updated. More info: https://kubernetes.io/docs/concepts/overview/working-with-objects/names#names";
/// And of `metadata.creationTimestamp`.
const AGE: &str = "CreationTimestamp is a timestamp representing the server time when this object was created. It is not guaranteed to be set in happens-before order across separate operations. Clients may not set this value. It is represented in RFC3339 form and is in UTC.\n\nPopulated by the system. Read-only. Null for lists. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata";

fn column(name: &str, kind: &str, format: &str, description: String, priority: i64) -> Column {
    let own = |text: &str| Cow::Owned(text.to_owned());
    Column {
        name: own(name),
        kind: own(kind),
        format: own(format),
        description: Cow::Owned(description),
        priority: i32::try_from(priority).unwrap_or(0),
    }
}

impl Columns {
    /// Those that a version declares, behind the name; the age if it declares none.
    pub(super) fn of(version: Ref<'_>) -> Self {
        let mut headers = vec![column("Name", "string", "name", NAME.to_owned(), 0)];
        let mut paths = Vec::new();
        for own in version.at("additionalPrinterColumns").items() {
            let text = |name: &str| own.at(name).str();
            let described = match text("description") {
                "" => format!(
                    "Custom resource definition column (in JSONPath format): {}",
                    text("jsonPath")
                ),
                description => description.to_owned(),
            };
            let priority = own.at("priority").int();
            headers.push(column(
                text("name"),
                text("type"),
                text("format"),
                described,
                priority,
            ));
            paths.push(JsonPath::parse(text("jsonPath")).ok());
        }
        if paths.is_empty() {
            headers.push(column("Age", "date", "", AGE.to_owned(), 0));
            paths.push(JsonPath::parse(".metadata.creationTimestamp").ok());
        }
        Self { headers, paths }
    }

    /// What the table's head says.
    pub(crate) fn headers(&self) -> &[Column] {
        &self.headers
    }

    /// Writes the cells of an object.
    pub(crate) fn print(&self, row: &Row<'_>, cells: &mut Cells<'_>) {
        cells.text(row.object.path("metadata.name").str());
        let types = row.object.types();
        let object = row.object.object().map(View::from);
        for (header, path) in self.headers.iter().skip(1).zip(&self.paths) {
            let found = object
                .zip(path.as_ref())
                .and_then(|(object, path)| path.find(types, object).first().copied());
            match found {
                Some(value) => cell(types, &header.kind, value, row.now, cells),
                None => drop(cells.null()),
            }
        }
    }
}

fn cell(types: &Types, kind: &str, value: View<'_>, now: i64, cells: &mut Cells<'_>) {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "as upstream cuts a double to an integer"
    )]
    #[expect(
        clippy::cast_precision_loss,
        reason = "as upstream makes a double of an integer"
    )]
    match (kind, value) {
        ("string", View::Text(text)) => cells.text(text),
        ("string", View::Null) => cells.null(),
        ("string", other) => cells.text(&other.json(types)),
        ("integer", View::Int(int)) => cells.int(int),
        ("integer", View::Float(float)) => cells.int(float as i64),
        ("number", View::Int(int)) => cells.number(int as f64),
        ("number", View::Float(float)) => cells.number(float),
        ("boolean", View::Bool(value)) => cells.bool(value),
        ("date", View::Text(text)) => cells.text(&since(text, now)),
        _ => cells.null(),
    };
}

fn since(text: &str, now: i64) -> String {
    match text.parse::<jiff::Timestamp>() {
        Ok(then) => human_duration(now - then.as_second()),
        Err(_) => "<invalid>".to_owned(),
    }
}
