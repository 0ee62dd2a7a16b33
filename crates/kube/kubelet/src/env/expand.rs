//! `$(NAME)` in values, commands and arguments (`v1 Container.command`).

/// Bytes of all strings that a program can be given at once: three quarters of the 8 MiB of stack that count (execve(2)).
const MOST: usize = 6 << 20;

/// More than any program can be given. A reference may stand for a value that was made of references, so a few short lines
/// can ask for more than the node has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("argument list too long")]
pub struct TooLong;

/// Bytes that a program can still be given.
#[derive(Debug)]
pub struct Room(usize);

impl Default for Room {
    fn default() -> Self {
        Self(MOST)
    }
}

impl Room {
    /// For strings of so many bytes.
    pub const fn of(bytes: usize) -> Self {
        Self(bytes)
    }

    /// Takes so many bytes of it.
    ///
    /// # Errors
    /// There are not so many.
    pub fn take(&mut self, bytes: usize) -> Result<(), TooLong> {
        self.0 = self.0.checked_sub(bytes).ok_or(TooLong)?;
        Ok(())
    }
}

/// The text with each `$(NAME)` that `lookup` knows replaced. `$$` is a dollar that begins nothing; names that are not
/// known and what is no reference stay as they are. What is put in is not looked at again.
///
/// # Errors
/// It does not fit into `room`.
pub fn expand<'a>(
    text: &str,
    room: &mut Room,
    lookup: impl Fn(&str) -> Option<&'a str>,
) -> Result<String, TooLong> {
    let (mut out, mut rest) = (String::new(), text);
    let mut add = |text: &str| -> Result<(), TooLong> {
        room.take(text.len())?;
        out.push_str(text);
        Ok(())
    };
    // Behind the last one nothing is a reference.
    let last = text.rfind(')').unwrap_or(0);
    while let Some(at) = rest.find('$') {
        add(&rest[..at])?;
        let closed = text.len() - rest.len() + at < last;
        let (put, after) = reference(&rest[at..], closed, &lookup);
        add(put)?;
        rest = after;
    }
    add(rest)?;
    Ok(out)
}

/// What the dollar that `text` begins with stands for, and what comes after. `closed`: a bracket is closed somewhere.
fn reference<'t, 'a: 't>(
    text: &'t str,
    closed: bool,
    lookup: &impl Fn(&str) -> Option<&'a str>,
) -> (&'t str, &'t str) {
    if let Some(after) = text.strip_prefix("$$") {
        return ("$", after);
    }
    let open = text.strip_prefix("$(").filter(|_| closed);
    match open.and_then(|open| open.find(')').map(|end| &open[..end])) {
        Some(name) => {
            let whole = name.len() + 3;
            (lookup(name).unwrap_or(&text[..whole]), &text[whole..])
        }
        None => text.split_at(1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_replaced_and_all_else_stays() {
        let known = |name: &str| {
            [("A", "1"), ("B", "$(A)"), ("", "empty")]
                .into_iter()
                .find(|(k, _)| *k == name)
                .map(|(_, v)| v)
        };
        let cases = [
            ("", ""),
            ("plain", "plain"),
            ("$(A)", "1"),
            ("x$(A)y$(B)", "x1y$(A)"),
            ("$$(A)", "$(A)"),
            ("$$$(A)", "$1"),
            ("$(C)", "$(C)"),
            ("$(A", "$(A"),
            ("$A $", "$A $"),
            ("$()", "empty"),
            ("$$", "$"),
            ("é$(A)é", "é1é"),
            ("$é", "$é"),
        ];
        for (text, expected) in cases {
            assert_eq!(
                expand(text, &mut Room::default(), known).unwrap(),
                expected,
                "{text}"
            );
        }
    }

    #[test]
    fn nothing_grows_beyond_what_a_program_can_be_given() {
        let value = "x".repeat(1 << 20);
        let known = |_: &str| Some(&*value);
        let made = |text: &str| expand(text, &mut Room::default(), known).map(|made| made.len());
        assert_eq!(made(&"$(A)".repeat(6)), Ok(6 << 20));
        assert_eq!(made(&"$(A)".repeat(100_000)), Err(TooLong));
        // Looked at once, though each could begin a reference.
        let open = "$(".repeat(1 << 20);
        assert_eq!(made(&open), Ok(open.len()));
    }
}
