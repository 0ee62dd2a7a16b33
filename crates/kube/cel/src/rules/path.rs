//! `fieldPath`: a path of names (`.spec['a.b'].c`) through a schema.

use schema::cursor::Ref;
use schema::field::Path;

/// Reads a path and follows it; what comes back is how errors print it.
///
/// # Errors
/// What is wrong with it, in upstream's words.
pub(super) fn resolve(path: &str, schema: Ref<'_>) -> Result<String, String> {
    let mut at = schema;
    let mut printed = Path::root();
    let mut rest = path;
    while !rest.is_empty() {
        let (name, after) = step(rest)?;
        rest = after;
        if at.at("properties").exists() {
            printed = printed.child(&name);
            at = at.at("properties").at(&name);
            if !at.exists() {
                return Err("does not refer to a valid field".to_owned());
            }
        } else if at.at("additionalProperties").object().is_some() {
            printed = printed.key(&name);
            at = at.at("additionalProperties");
        } else {
            return Err("does not refer to a valid field".to_owned());
        }
    }
    Ok(printed.to_string())
}

fn step(text: &str) -> Result<(String, &str), String> {
    if let Some(rest) = text.strip_prefix('.') {
        let end = rest.find(['.', '[', ']']).unwrap_or(rest.len());
        if end == 0 && rest.is_empty() {
            return Err("unexpected end of JSON path".to_owned());
        }
        return Ok((rest[..end].to_owned(), &rest[end..]));
    }
    let Some(rest) = text.strip_prefix('[') else {
        return Err(format!("expected [ or . but got: {text}"));
    };
    let Some(quoted) = rest.strip_prefix('\'') else {
        return Err(format!("expected single quoted string but got {rest}"));
    };
    let (name, rest) = unquote(quoted)?;
    match rest.strip_prefix(']') {
        Some(rest) => Ok((name, rest)),
        None => Err("unexpected end of JSON path".to_owned()),
    }
}

const ESCAPES: &[(char, char)] = &[
    ('a', '\u{7}'),
    ('b', '\u{8}'),
    ('f', '\u{c}'),
    ('n', '\n'),
    ('r', '\r'),
    ('t', '\t'),
    ('v', '\u{b}'),
    ('\'', '\''),
    ('\\', '\\'),
];

fn unquote(text: &str) -> Result<(String, &str), String> {
    let mut out = String::new();
    let mut letters = text.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '\'' => return Ok((out, &text[at + 1..])),
            '\\' => {
                let escaped = letters.next().map(|(_, letter)| letter);
                let found = ESCAPES.iter().find(|(name, _)| Some(*name) == escaped);
                let (_, meant) =
                    found.ok_or_else(|| "invalid string literal: invalid escape char".to_owned())?;
                out.push(*meant);
            }
            letter => out.push(letter),
        }
    }
    Err("unexpected end of JSON path".to_owned())
}
