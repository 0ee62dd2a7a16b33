//! `--chmod`: octal, or symbolic as chmod(1) has it, with no umask.

/// New permission bits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Chmod {
    /// These, whatever there was.
    Octal(u32),
    /// What there was, changed.
    Symbolic(Vec<Change>),
}

/// One `u+x`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    /// Which of the three classes.
    who: Vec<Class>,
    operator: char,
    permissions: Permissions,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    User,
    Group,
    Other,
}

use Class::{Group, Other, User};

#[derive(Clone, Debug, PartialEq, Eq)]
enum Permissions {
    /// `rwxXst`.
    Letters(String),
    /// Those of a class.
    Of(Class),
}

impl Class {
    const ALL: [Self; 3] = [User, Group, Other];

    const fn shift(self) -> u32 {
        match self {
            User => 6,
            Group => 3,
            Other => 0,
        }
    }

    /// The bit that `s` or `t` means for the class.
    const fn special(self, letter: char) -> u32 {
        match (self, letter) {
            (User, 's') => 0o4000,
            (Group, 's') => 0o2000,
            (Other, 't') => 0o1000,
            _ => 0,
        }
    }
}

impl Chmod {
    /// Reads a mode.
    ///
    /// # Errors
    /// Upstream's sentence.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let invalid = || {
            format!("invalid chmod parameter: '{text}'. it should be octal string and between 0 and 07777")
        };
        if text.starts_with(|c: char| c.is_ascii_digit()) {
            let mode = u32::from_str_radix(text, 8).ok().filter(|mode| *mode <= 0o7777);
            return mode.map(Self::Octal).ok_or_else(invalid);
        }
        let mut changes = Vec::new();
        for clause in text.split(',') {
            if !parse_clause(clause, &mut changes) {
                return Err(format!(
                    "invalid chmod parameter: '{text}': {clause:?} is no mode"
                ));
            }
        }
        Ok(Self::Symbolic(changes))
    }

    /// The new bits of a file that has these.
    pub(crate) fn apply(&self, mode: u32, directory: bool) -> u32 {
        match self {
            Self::Octal(mode) => *mode,
            Self::Symbolic(changes) => changes
                .iter()
                .fold(mode, |mode, change| change.apply(mode, directory)),
        }
    }
}

/// `ug+x-w`: classes, then operators with permissions.
fn parse_clause(clause: &str, changes: &mut Vec<Change>) -> bool {
    let classes = clause.find(['+', '-', '=']).unwrap_or(clause.len());
    let (who, mut rest) = clause.split_at(classes);
    let mut classes = Vec::new();
    for c in who.chars() {
        match c {
            'u' => classes.push(User),
            'g' => classes.push(Group),
            'o' => classes.push(Other),
            'a' => classes.extend(Class::ALL),
            _ => return false,
        }
    }
    if classes.is_empty() {
        classes.extend(Class::ALL);
    }
    if rest.is_empty() {
        return false;
    }
    while let Some(operator) = rest.chars().next() {
        let end = rest[1..].find(['+', '-', '=']).map_or(rest.len(), |at| at + 1);
        let letters = &rest[1..end];
        rest = &rest[end..];
        let permissions = match letters {
            "u" => Permissions::Of(User),
            "g" => Permissions::Of(Group),
            "o" => Permissions::Of(Other),
            letters if letters.chars().all(|c| "rwxXst".contains(c)) => {
                Permissions::Letters(letters.to_owned())
            }
            _ => return false,
        };
        changes.push(Change {
            who: classes.clone(),
            operator,
            permissions,
        });
    }
    true
}

impl Change {
    fn apply(&self, mode: u32, directory: bool) -> u32 {
        let mut bits = 0;
        let mut touched = 0;
        for class in &self.who {
            touched |= 0o7 << class.shift() | class.special('s') | class.special('t');
            bits |= self.bits(*class, mode, directory);
        }
        match self.operator {
            '+' => mode | bits,
            '-' => mode & !bits,
            // A directory keeps the set-id bits that nobody names.
            _ if directory => mode & !(touched & 0o1777) | bits,
            _ => mode & !touched | bits,
        }
    }

    fn bits(&self, class: Class, mode: u32, directory: bool) -> u32 {
        let letters = match &self.permissions {
            Permissions::Of(other) => return (mode >> other.shift() & 0o7) << class.shift(),
            Permissions::Letters(letters) => letters,
        };
        let bit = |letter| match letter {
            'r' => 0o4 << class.shift(),
            'w' => 0o2 << class.shift(),
            'x' => 0o1 << class.shift(),
            'X' if directory || mode & 0o111 != 0 => 0o1 << class.shift(),
            letter => class.special(letter),
        };
        letters.chars().fold(0, |bits, letter| bits | bit(letter))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_change_as_chmod_does() {
        for (text, mode, directory, expected) in [
            ("755", 0o600, false, 0o755),
            ("04755", 0, true, 0o4755),
            ("u+x", 0o644, false, 0o744),
            ("+x", 0o644, false, 0o755),
            ("a=r", 0o777, false, 0o444),
            ("go-rwx", 0o777, false, 0o700),
            ("u=rwx,g=rx,o=", 0o666, false, 0o750),
            ("a+X", 0o644, false, 0o644),
            ("a+X", 0o744, false, 0o755),
            ("a+X", 0o600, true, 0o711),
            ("g=u", 0o640, false, 0o660),
            ("u+s,g+s,o+t", 0o755, false, 0o7755),
            ("g-w+x", 0o664, false, 0o654),
            ("u=rw", 0o4755, false, 0o655),
        ] {
            let chmod = Chmod::parse(text).unwrap();
            assert_eq!(chmod.apply(mode, directory), expected, "{text} of {mode:o}");
        }
    }

    #[test]
    fn what_is_no_mode() {
        for text in ["9", "77777", "x", "u", "u+q", "", "u+x,", "z+x"] {
            assert!(Chmod::parse(text).is_err(), "{text}");
        }
        assert_eq!(
            Chmod::parse("888").unwrap_err(),
            "invalid chmod parameter: '888'. it should be octal string and between 0 and 07777"
        );
    }
}
