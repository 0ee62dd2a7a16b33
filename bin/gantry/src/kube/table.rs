//! The server's Tables as text, columns as wide as their widest cell.

use schema::row::Types;
use serde::Deserialize;
use serde_json::Value;

use crate::failure::Failure;

/// What asks for a Table.
pub(super) const ACCEPT: &str = "application/json;as=Table;v=v1;g=meta.k8s.io";

/// How a table is shown.
#[derive(Debug, Default)]
pub(super) struct Style {
    /// Columns of lower priority too.
    pub(super) wide: bool,
    /// The head line.
    pub(super) head: bool,
    /// The objects' namespaces first.
    pub(super) namespaces: bool,
    /// What stands before each name: `pod/`.
    pub(super) prefix: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Table {
    column_definitions: Vec<Column>,
    #[serde(default)]
    rows: Option<Vec<Row>>,
}

#[derive(Deserialize)]
struct Column {
    name: String,
    #[serde(default)]
    priority: i32,
}

#[derive(Deserialize)]
struct Row {
    cells: Vec<Value>,
    #[serde(default)]
    object: Value,
}

/// The table of an answer; nothing without rows.
///
/// # Errors
/// An answer that is no Table.
pub(super) fn print(answer: &[u8], style: &Style) -> Result<String, Failure> {
    let table: Table = serde_json::from_slice(answer)?;
    let rows = table.rows.unwrap_or_default();
    if rows.is_empty() {
        return Ok(String::new());
    }
    let shown: Vec<usize> = (0..table.column_definitions.len())
        .filter(|at| style.wide || table.column_definitions[*at].priority == 0)
        .collect();
    let mut lines = Vec::new();
    if style.head {
        let namespace = style.namespaces.then(|| "NAMESPACE".to_owned());
        let names = shown
            .iter()
            .map(|at| table.column_definitions[*at].name.to_uppercase());
        lines.push(namespace.into_iter().chain(names).collect());
    }
    lines.extend(rows.iter().map(|row| cells(row, &shown, style)));
    Ok(aligned(&lines))
}

fn cells(row: &Row, shown: &[usize], style: &Style) -> Vec<String> {
    let namespace = row.object.pointer("/metadata/namespace").and_then(Value::as_str);
    let namespace = style.namespaces.then(|| namespace.unwrap_or_default().to_owned());
    let cell = |at: &usize| match row.cells.get(*at) {
        Some(Value::String(text)) if *at == 0 => format!("{}{text}", style.prefix),
        Some(Value::String(text)) => text.clone(),
        None | Some(Value::Null) => "<none>".to_owned(),
        Some(other) => other.to_string(),
    };
    namespace.into_iter().chain(shown.iter().map(cell)).collect()
}

/// Three spaces between columns, none at the end.
fn aligned(lines: &[Vec<String>]) -> String {
    let columns = lines.iter().map(Vec::len).max().unwrap_or(0);
    let width = |at: usize| {
        lines
            .iter()
            .filter_map(|line| line.get(at))
            .map(|cell| cell.chars().count())
            .max()
    };
    let widths: Vec<usize> = (0..columns).map(|at| width(at).unwrap_or(0) + 3).collect();
    let mut text = String::new();
    for line in lines {
        let padded: String = line
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        text.push_str(padded.trim_end());
        text.push('\n');
    }
    text
}

/// A value as YAML.
///
/// # Errors
/// A value that is no object.
pub(super) fn yaml(value: &Value) -> Result<String, Failure> {
    let json = value.to_string();
    let rows = schema::custom::Rows::new().and_then(|mut rows| {
        let (ty, _) = rows.root("Object", true, &[])?;
        Ok::<(Types, _), _>((rows.finish(), ty))
    })?;
    let decoded = schema::json::decode(
        &rows.0,
        rows.1,
        json.as_bytes(),
        schema::json::Options {
            max_bytes: usize::MAX,
            ..schema::json::Options::default()
        },
    )?;
    let mut out = String::new();
    schema::yaml::encode(&rows.0, &decoded.object, &mut out);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = r#"{"columnDefinitions":[{"name":"Name"},{"name":"Age"},{"name":"Node","priority":1}],
        "rows":[{"cells":["a","5s","n1"],"object":{"metadata":{"namespace":"x"}}},{"cells":["longer",3,null]}]}"#;

    #[test]
    fn columns_are_as_wide_as_their_cells() {
        let style = Style {
            head: true,
            ..Style::default()
        };
        assert_eq!(
            print(TABLE.as_bytes(), &style).unwrap(),
            "NAME     AGE\na        5s\nlonger   3\n"
        );
        let wide = Style {
            wide: true,
            head: false,
            namespaces: true,
            prefix: "pod/".to_owned(),
        };
        assert_eq!(
            print(TABLE.as_bytes(), &wide).unwrap(),
            "x   pod/a        5s   n1\n    pod/longer   3    <none>\n"
        );
        assert_eq!(
            print(br#"{"columnDefinitions":[],"rows":[]}"#, &style).unwrap(),
            ""
        );
    }

    #[test]
    fn objects_are_yaml() {
        let value = serde_json::json!({"apiVersion": "v1", "kind": "List", "items": [{"a": 1}], "metadata": {"resourceVersion": ""}});
        let text = yaml(&value).unwrap();
        assert!(
            text.contains("kind: List\n") && text.contains("- a: 1\n"),
            "{text}"
        );
    }
}
