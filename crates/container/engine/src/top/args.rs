//! ps(1)'s arguments, as far as they choose columns. Which processes are shown is not theirs to
//! choose: those of the container.

use super::columns::{self, Column};
use crate::Error;

/// Columns of the fixed formats: keyword, and its title there.
const FULL: &[(&str, &str)] = &[
    ("user", "UID"),
    ("pid", "PID"),
    ("ppid", "PPID"),
    ("c", "C"),
    ("stime", "STIME"),
    ("tty", "TTY"),
    ("time", "TIME"),
    ("args", "CMD"),
];
const SHORT: &[(&str, &str)] = &[("pid", "PID"), ("tty", "TTY"), ("time", "TIME"), ("comm", "CMD")];
const USER: &[(&str, &str)] = &[
    ("user", "USER"),
    ("pid", "PID"),
    ("%cpu", "%CPU"),
    ("%mem", "%MEM"),
    ("vsz", "VSZ"),
    ("rss", "RSS"),
    ("tty", "TTY"),
    ("stat", "STAT"),
    ("stime", "START"),
    ("bsdtime", "TIME"),
    ("args", "COMMAND"),
];
const BSD: &[(&str, &str)] = &[
    ("pid", "PID"),
    ("tty", "TTY"),
    ("stat", "STAT"),
    ("bsdtime", "TIME"),
    ("args", "COMMAND"),
];

/// What the options asked for so far.
#[derive(Default)]
struct Options {
    full: bool,
    user: bool,
    bsd: bool,
    own: Vec<Column>,
}

/// Reads arguments; none are `-ef`.
pub(super) fn parse(text: &str) -> Result<Vec<Column>, Error> {
    let mut options = Options::default();
    let mut words = text.split_whitespace();
    while let Some(word) = words.next() {
        let list = match word.strip_prefix('-') {
            Some(long) if long.starts_with('-') => return Err(ps("unknown gnu long option")),
            Some(letters) => options.letters(letters, "AadefwxNu", "unsupported SysV option")?,
            None => {
                options.bsd = true;
                options.letters(word, "afuwxeg", "unsupported option (BSD syntax)")?
            }
        };
        match list {
            Some("") => options.list(words.next())?,
            Some(list) => options.list(Some(list))?,
            None => {}
        }
    }
    options.full |= text.split_whitespace().next().is_none();
    let columns = options.columns()?;
    if columns.iter().any(|column| column.title == "PID") {
        return Ok(columns);
    }
    Err(Error::Unavailable(
        "Couldn't find PID field in ps output".to_owned(),
    ))
}

impl Options {
    /// Takes in a group of one-letter options; what follows an `o` is its list.
    fn letters<'a>(
        &mut self,
        letters: &'a str,
        known: &str,
        refused: &str,
    ) -> Result<Option<&'a str>, Error> {
        for (at, letter) in letters.char_indices() {
            match letter {
                'o' => return Ok(Some(&letters[at + 1..])),
                'u' => self.user = true,
                'f' if !self.bsd => self.full = true,
                letter if known.contains(letter) => {}
                _ => return Err(ps(refused)),
            }
        }
        Ok(None)
    }

    /// A list of columns, each perhaps with a title of its own, which ends the list.
    fn list(&mut self, list: Option<&str>) -> Result<(), Error> {
        let list = list.ok_or_else(|| ps("format specification must follow -o"))?;
        for entry in list.split(',').filter(|entry| !entry.is_empty()) {
            let (keyword, title) = entry
                .split_once('=')
                .map_or((entry, None), |(key, title)| (key, Some(title)));
            if title.is_some_and(|title| title.starts_with("PID")) && keyword != "pid" {
                return Err(Error::Invalid(format!("specifying \"{entry}\" is not allowed")));
            }
            let column = columns::find(keyword)
                .ok_or_else(|| ps(&format!("unknown user-defined format specifier \"{keyword}\"")))?;
            self.own.push(match title {
                Some(title) => Column {
                    title: title.to_owned(),
                    ..column
                },
                None => column,
            });
        }
        Ok(())
    }

    fn columns(self) -> Result<Vec<Column>, Error> {
        let fixed = match (self.user, self.full, self.bsd) {
            _ if !self.own.is_empty() => return Ok(self.own),
            (true, _, _) => USER,
            (_, true, _) => FULL,
            (_, _, true) => BSD,
            _ => SHORT,
        };
        let column = |(keyword, title): &(&str, &str)| {
            let column = columns::find(keyword).ok_or_else(|| ps("internal error: no such column"))?;
            Ok(Column {
                title: (*title).to_owned(),
                ..column
            })
        };
        fixed.iter().map(column).collect()
    }
}

/// An error of ps, as upstream passes it on.
fn ps(text: &str) -> Error {
    Error::Unavailable(format!("ps: error: {text}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fixed_format_has_columns_that_exist() {
        for format in [FULL, SHORT, USER, BSD] {
            assert!(format.iter().all(|(keyword, _)| columns::find(keyword).is_some()));
        }
    }
}
