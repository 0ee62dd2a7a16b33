//! JSON without a row: patches, and what YAML turns into.

use super::reader::{Reader, SyntaxError, Token};
use super::text;
use crate::MAX_TREE_DEPTH;
use crate::tree::{Map, Value};

/// Reads any JSON as upstream reads unstructured objects: integers of 64 bits stay exact, other
/// numbers are floats (an overflowing one is the largest finite), maps are sorted, of equal keys
/// the last counts.
///
/// # Errors
/// Text that is not JSON, or nested deeper than [`MAX_TREE_DEPTH`].
pub fn parse(json: &[u8]) -> Result<Value, SyntaxError> {
    let mut reader = Reader::new(json);
    let value = value(&mut reader, 0)?;
    reader.end()?;
    Ok(value)
}

fn value(reader: &mut Reader<'_>, depth: usize) -> Result<Value, SyntaxError> {
    if depth > MAX_TREE_DEPTH {
        return Err(SyntaxError::Depth);
    }
    Ok(match reader.peek()? {
        Token::Object => object(reader, depth)?,
        Token::Array => array(reader, depth)?,
        token => scalar(reader, token)?,
    })
}

/// What is neither an object nor an array.
pub(super) fn scalar(reader: &mut Reader<'_>, token: Token) -> Result<Value, SyntaxError> {
    Ok(match token {
        Token::String => Value::Str(reader.string()?.into()),
        Token::Number => number(reader.number()?),
        Token::Bool => Value::Bool(reader.boolean()?),
        _ => {
            reader.null()?;
            Value::Null
        }
    })
}

fn object(reader: &mut Reader<'_>, depth: usize) -> Result<Value, SyntaxError> {
    let mut entries = Vec::new();
    while let Some(key) = reader.key(entries.is_empty())? {
        entries.push((key.into(), value(reader, depth + 1)?));
    }
    Ok(Value::Map(Box::new(Map::from_entries(entries))))
}

fn array(reader: &mut Reader<'_>, depth: usize) -> Result<Value, SyntaxError> {
    let mut items = Vec::new();
    while reader.element(items.is_empty())? {
        items.push(value(reader, depth + 1)?);
    }
    Ok(Value::List(items))
}

/// An integer where the text is one of 64 bits, or would be printed as one (`1.0`), else the
/// nearest finite float.
pub(crate) fn number(text: &str) -> Value {
    if let Ok(int) = text.parse() {
        return Value::Int(int);
    }
    let float: f64 = text.parse().unwrap_or_default();
    let float = float.clamp(f64::MIN, f64::MAX);
    let mut printed = Vec::new();
    text::float(&mut printed, float);
    let int = std::str::from_utf8(&printed)
        .ok()
        .and_then(|text| text.parse().ok());
    int.map_or(Value::Float(float), Value::Int)
}
