//! The fields of `--mount` and `--device`: one record of RFC 4180.

/// The fields of a record.
///
/// # Errors
/// Upstream's sentence of a quote that stands where none may.
pub(super) fn fields(record: &str) -> Result<Vec<String>, String> {
    let mut fields = Vec::new();
    let mut rest = record;
    loop {
        let (field, after) = match rest.strip_prefix('"') {
            Some(quoted) => self::quoted(quoted, record)?,
            None => plain(rest, record)?,
        };
        fields.push(field);
        match after.strip_prefix(',') {
            Some(after) => rest = after,
            None => return Ok(fields),
        }
    }
}

fn plain<'a>(text: &'a str, record: &str) -> Result<(String, &'a str), String> {
    let (field, after) = text.split_at(text.find(',').unwrap_or(text.len()));
    match field.find('"') {
        Some(at) => Err(at_fault(record, &text[at..], "bare \" in non-quoted field")),
        None => Ok((field.to_owned(), after)),
    }
}

/// A field from after its quote; `""` in it is a quote.
fn quoted<'a>(text: &'a str, record: &str) -> Result<(String, &'a str), String> {
    let mut field = String::new();
    let mut rest = text;
    loop {
        let end = rest
            .find('"')
            .ok_or_else(|| at_fault(record, "", "extraneous or missing \" in quoted-field"))?;
        field.push_str(&rest[..end]);
        rest = &rest[end + 1..];
        match rest.strip_prefix('"') {
            Some(after) => {
                field.push('"');
                rest = after;
            }
            None if rest.is_empty() || rest.starts_with(',') => return Ok((field, rest)),
            None => return Err(at_fault(record, rest, "extraneous or missing \" in quoted-field")),
        }
    }
}

fn at_fault(record: &str, rest: &str, what: &str) -> String {
    let column = record.len() - rest.len() + 1;
    format!("parse error on line 1, column {column}: {what}")
}

#[cfg(test)]
mod tests {
    use super::fields;

    #[test]
    fn records() {
        assert_eq!(fields("a=1,b").unwrap(), ["a=1", "b"]);
        assert_eq!(fields("").unwrap(), [""]);
        assert_eq!(fields("\"a=1,2\",\"b\"\"c\"").unwrap(), ["a=1,2", "b\"c"]);
        assert_eq!(
            fields("a\"b").unwrap_err(),
            "parse error on line 1, column 2: bare \" in non-quoted field"
        );
        for wrong in ["\"a", "\"a\"b"] {
            assert!(fields(wrong).is_err(), "{wrong}");
        }
    }
}
