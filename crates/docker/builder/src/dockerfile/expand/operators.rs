//! The operators of `${name…}` that look into the value.

use super::Reason;
use crate::glob::{Glob, TooDear};

/// `?`: the sentence is the user's own, if there is one.
pub(super) fn required(name: &str, message: String, set: bool) -> Reason {
    let message = match (message.is_empty(), set) {
        (false, _) => message,
        (true, true) => "is not allowed to be empty".to_owned(),
        (true, false) => "is not allowed to be unset".to_owned(),
    };
    Reason::Required {
        name: name.to_owned(),
        message,
    }
}

fn glob(pattern: &str) -> Result<Glob, Reason> {
    Glob::shell(pattern).map_err(|source| Reason::Pattern {
        pattern: pattern.to_owned(),
        source,
    })
}

/// Takes the pattern off the beginning (`#`) or the end (`%`): the shortest piece that fits, or
/// with the operator doubled the longest.
pub(super) fn trim(word: &str, value: &str, side: char, steps: &mut usize) -> Result<String, Reason> {
    let (longest, pattern) = match word.strip_prefix(side) {
        Some(pattern) => (true, pattern),
        None => (false, word),
    };
    let mut text: Vec<char> = value.chars().collect();
    let mut glob = glob(pattern)?;
    if side == '%' {
        text.reverse();
        glob = glob.reversed();
    }
    let end = glob
        .prefix(&text, longest, steps)
        .map_err(|TooDear| Reason::Steps)?;
    let mut kept = text[end.unwrap_or(0)..].to_vec();
    if side == '%' {
        kept.reverse();
    }
    Ok(kept.into_iter().collect())
}

/// Replaces the first piece that fits, or `all` of them. The result is to have room.
pub(super) fn replace(
    pattern: &str,
    (value, room): (&str, usize),
    new: &str,
    all: bool,
    steps: &mut usize,
) -> Result<String, Reason> {
    let glob = glob(pattern)?;
    let text: Vec<char> = value.chars().collect();
    let mut replaced = String::new();
    let mut at = 0;
    let mut touches_last = false;
    while at <= text.len() {
        // The leftmost place, and there the longest piece; nothing right after a piece is no piece.
        let found = glob
            .prefix(&text[at..], true, steps)
            .map_err(|TooDear| Reason::Steps)?;
        let end = found.filter(|end| *end > 0 || !touches_last);
        if let Some(end) = end {
            replaced.push_str(new);
            if !all {
                replaced.extend(&text[at + end..]);
                return Ok(replaced);
            }
            at += end;
        }
        touches_last = end.is_some_and(|end| end > 0);
        if !touches_last {
            replaced.extend(text.get(at));
            at += 1;
        }
        if replaced.len() > room {
            return Err(Reason::Size);
        }
    }
    Ok(replaced)
}
