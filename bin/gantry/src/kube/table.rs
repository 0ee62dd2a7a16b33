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
struct Answer {
    #[serde(default)]
    column_definitions: Option<Vec<Column>>,
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

/// A table that grows: its columns are as wide as the widest cell so far.
pub(super) struct Table {
    style: Style,
    columns: Vec<Column>,
    widths: Vec<usize>,
}

impl Table {
    pub(super) const fn new(style: Style) -> Self {
        Self {
            style,
            columns: Vec::new(),
            widths: Vec::new(),
        }
    }

    /// Whether any row was shown.
    pub(super) const fn has_begun(&self) -> bool {
        !self.widths.is_empty()
    }

    /// The rows of an answer, below the head if they are the first; nothing without rows. Columns that an answer does not
    /// define are those of the one before.
    ///
    /// # Errors
    /// An answer that is no Table.
    pub(super) fn text(&mut self, answer: &[u8]) -> Result<String, Failure> {
        let answer: Answer = serde_json::from_slice(answer)?;
        if let Some(columns) = answer.column_definitions.filter(|columns| !columns.is_empty()) {
            self.columns = columns;
        }
        let rows = answer.rows.unwrap_or_default();
        if rows.is_empty() {
            return Ok(String::new());
        }
        let shown: Vec<usize> = (0..self.columns.len())
            .filter(|at| self.style.wide || self.columns[*at].priority == 0)
            .collect();
        let mut lines = Vec::new();
        if self.style.head && !self.has_begun() {
            lines.push(self.head(&shown));
        }
        lines.extend(rows.iter().map(|row| cells(row, &shown, &self.style)));
        Ok(self.aligned(&lines))
    }

    fn head(&self, shown: &[usize]) -> Vec<String> {
        let namespace = self.style.namespaces.then(|| "NAMESPACE".to_owned());
        let names = shown.iter().map(|at| self.columns[*at].name.to_uppercase());
        namespace.into_iter().chain(names).collect()
    }

    /// Three spaces between columns, none at the end.
    fn aligned(&mut self, lines: &[Vec<String>]) -> String {
        for line in lines {
            self.widths.resize(self.widths.len().max(line.len()), 0);
            for (width, cell) in self.widths.iter_mut().zip(line) {
                *width = (*width).max(cell.chars().count() + 3);
            }
        }
        let mut text = String::new();
        for line in lines {
            let cells = line.iter().zip(&self.widths);
            let padded: String = cells.map(|(cell, width)| format!("{cell:width$}")).collect();
            text.push_str(padded.trim_end());
            text.push('\n');
        }
        text
    }
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

/// A value as YAML.
///
/// # Errors
/// A value that is no object.
pub(crate) fn yaml(value: &Value) -> Result<String, Failure> {
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

    fn text(answer: &str, style: Style) -> String {
        Table::new(style).text(answer.as_bytes()).unwrap()
    }

    #[test]
    fn columns_are_as_wide_as_their_cells() {
        let plain = Style {
            head: true,
            ..Style::default()
        };
        assert_eq!(text(TABLE, plain), "NAME     AGE\na        5s\nlonger   3\n");
        let wide = Style {
            wide: true,
            head: false,
            namespaces: true,
            prefix: "pod/".to_owned(),
        };
        assert_eq!(
            text(TABLE, wide),
            "x   pod/a        5s   n1\n    pod/longer   3    <none>\n"
        );
        assert_eq!(
            text(r#"{"columnDefinitions":[],"rows":[]}"#, Style::default()),
            ""
        );
    }

    #[test]
    fn rows_that_come_later_stand_below_those_before() {
        let mut table = Table::new(Style {
            head: true,
            ..Style::default()
        });
        assert!(!table.text(TABLE.as_bytes()).unwrap().is_empty());
        let more = table.text(br#"{"columnDefinitions":null,"rows":[{"cells":["b","9s"]}]}"#);
        assert_eq!(more.unwrap(), "b        9s\n");
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
