//! How the arguments of each instruction are split: a column of the keyword table.

use super::words::{is_blank, words};
use crate::golang;

/// The form of an instruction's arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// `["exec", "form"]`, or one string: the shell form.
    Command,
    /// `["a", "b"]`, or words at blanks.
    List,
    /// Words at blanks.
    Words,
    /// The rest of the line.
    Text,
    /// `name=value …`, or the old `name value`.
    Pairs,
    /// `name` or `name=value`, each a word.
    Names,
    /// A word, then a [`Form::Command`].
    TypedCommand,
    /// Another instruction.
    Instruction,
}

/// Split arguments.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Arguments {
    /// The arguments; of [`Form::Pairs`], name and value in turn.
    pub(super) list: Vec<String>,
    /// They were written as a JSON array.
    pub(super) json: bool,
    /// They were written `name value`, the old way of pairs.
    pub(super) legacy: bool,
}

impl Form {
    pub(super) fn split(self, rest: &str, keyword: &str, escape: char) -> Result<Arguments, String> {
        match self {
            Self::Command => command(rest),
            Self::List => match json(rest)? {
                Some(list) => Ok(exec(list)),
                None => Ok(plain(blank_separated(rest))),
            },
            Self::Words => Ok(plain(blank_separated(rest))),
            Self::Text => Ok(plain(
                Some(rest.to_owned())
                    .filter(|text| !text.is_empty())
                    .into_iter()
                    .collect(),
            )),
            Self::Pairs => pairs(rest, keyword, escape),
            Self::Names => Ok(plain(words(rest, escape))),
            Self::TypedCommand => typed_command(rest),
            Self::Instruction => Ok(Arguments::default()),
        }
    }
}

fn plain(list: Vec<String>) -> Arguments {
    Arguments {
        list,
        ..Arguments::default()
    }
}

fn exec(list: Vec<String>) -> Arguments {
    Arguments {
        json: true,
        ..plain(list)
    }
}

fn blank_separated(rest: &str) -> Vec<String> {
    rest.split(is_blank)
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

/// A JSON array of strings; `None` if the text is no JSON array, which makes it the other form.
fn json(rest: &str) -> Result<Option<Vec<String>>, String> {
    let rest = rest.trim_start();
    if !rest.starts_with('[') {
        return Ok(None);
    }
    let Ok(values) = serde_json::from_str::<Vec<serde_json::Value>>(rest) else {
        return Ok(None);
    };
    let strings = values.into_iter().map(|value| match value {
        serde_json::Value::String(text) => Ok(text),
        _ => Err("when using JSON array syntax, arrays must be comprised of strings only".to_owned()),
    });
    strings.collect::<Result<_, _>>().map(Some)
}

fn command(rest: &str) -> Result<Arguments, String> {
    match json(rest)? {
        Some(list) => Ok(exec(list)),
        None => Form::Text.split(rest, "", '\\'),
    }
}

fn typed_command(rest: &str) -> Result<Arguments, String> {
    let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
    let mut arguments = command(rest[end..].trim_start())?;
    if end > 0 {
        arguments.list.insert(0, rest[..end].to_owned());
    }
    Ok(arguments)
}

/// The first word decides between the two forms: with a `=` in it they are all pairs.
fn pairs(rest: &str, keyword: &str, escape: char) -> Result<Arguments, String> {
    let words = words(rest, escape);
    let Some(first) = words.first() else {
        return Ok(plain(words));
    };
    if !first.contains('=') {
        let (name, value) = rest
            .split_once(is_blank)
            .ok_or_else(|| format!("{keyword} must have two arguments"))?;
        let value = value.trim_start_matches(is_blank);
        return Ok(Arguments {
            legacy: true,
            ..plain(vec![name.to_owned(), value.to_owned()])
        });
    }
    let mut pairs = Vec::with_capacity(2 * words.len());
    for word in &words {
        let (name, value) = word.split_once('=').ok_or_else(|| {
            format!(
                "Syntax error - can't find = in {}. Must be of the form: name=value",
                golang::quote(word)
            )
        })?;
        pairs.extend([name.to_owned(), value.to_owned()]);
    }
    Ok(plain(pairs))
}
