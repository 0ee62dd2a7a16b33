//! Reads one scalar out of a stored body, without a tree: what field selectors compare.

use std::borrow::Cow;

use super::{Reader, SyntaxError, Token};

/// The text, number or boolean at a path of member names, as text. None where nothing stands, where what stands
/// is a list or an object, and in bytes that are not JSON.
pub fn pick<'a>(json: &'a [u8], path: &[&str]) -> Option<Cow<'a, str>> {
    let mut reader = Reader::new(json);
    for name in path {
        enter(&mut reader, name).ok().filter(|found| *found)?;
    }
    scalar(&mut reader).ok().flatten()
}

/// Goes to a member's value; false if there is no such member.
fn enter(reader: &mut Reader<'_>, name: &str) -> Result<bool, SyntaxError> {
    if reader.peek()? != Token::Object {
        return Ok(false);
    }
    let mut first = true;
    while let Some(key) = reader.key(std::mem::take(&mut first))? {
        if key == name {
            return Ok(true);
        }
        reader.skip()?;
    }
    Ok(false)
}

fn scalar<'a>(reader: &mut Reader<'a>) -> Result<Option<Cow<'a, str>>, SyntaxError> {
    Ok(match reader.peek()? {
        Token::String => Some(reader.string()?),
        Token::Number => Some(Cow::Borrowed(reader.number()?)),
        Token::Bool => Some(Cow::Borrowed(if reader.boolean()? { "true" } else { "false" })),
        Token::Object | Token::Array | Token::Null => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scalars_are_found_and_nothing_else() {
        let json = br#"{"a":{"x":[{"b":1}],"b":"te\"xt","n":-3,"t":true,"z":null},"b":2}"#;
        let cases: &[(&[&str], Option<&str>)] = &[
            (&["a", "b"], Some("te\"xt")),
            (&["a", "n"], Some("-3")),
            (&["a", "t"], Some("true")),
            (&["a", "z"], None),
            (&["a", "x"], None),
            (&["a", "x", "b"], None),
            (&["a", "no"], None),
            (&["b", "b"], None),
            (&["b"], Some("2")),
        ];
        for (path, expected) in cases {
            assert_eq!(pick(json, path).as_deref(), *expected, "{path:?}");
        }
        assert_eq!(pick(br#"{"a":"#, &["a"]), None);
    }
}
