//! Wildcard patterns of three dialects over one matcher: `.dockerignore` lines, the source
//! patterns of `COPY` (Go's `filepath.Match`), and the patterns of `${name#pattern}`.
//!
//! The matcher follows all possibilities at once, a set of places in the pattern per character of
//! the text, so hostile patterns cost pattern × text and never more.

use std::iter;

/// A pattern that is no pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadPattern {
    /// Go's `filepath.ErrBadPattern`.
    #[error("syntax error in pattern")]
    Syntax,
    /// An escape that means nothing in a shell pattern.
    #[error("invalid escape '\\{0}'")]
    Escape(char),
}

/// A text for which a pattern takes more steps than it is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooDear;

/// One element of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    /// This character.
    Literal(char),
    /// Any one character of these.
    One(Any),
    /// Any number of characters of these.
    Many(Any),
    /// `**` before more pattern: nothing, or directories. A [`Token::Directories`] follows.
    Tree,
    /// Anything that ends in a separator.
    Directories,
    /// One character in (or, if negated, outside of) these ranges.
    Class {
        negated: bool,
        ranges: Vec<(char, char)>,
        any: Any,
    },
}

/// What a wildcard stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Any {
    /// Everything.
    Character,
    /// Everything but `/`.
    InName,
    /// Everything but a line feed, as `.` in Go's regular expressions.
    InLine,
}

impl Any {
    fn accepts(self, c: char) -> bool {
        match self {
            Self::Character => true,
            Self::InName => c != '/',
            Self::InLine => c != '\n',
        }
    }
}

impl Token {
    fn accepts(&self, c: char) -> bool {
        match self {
            Self::Literal(literal) => *literal == c,
            Self::One(any) | Self::Many(any) => any.accepts(c),
            Self::Tree => false,
            Self::Directories => true,
            Self::Class { negated, ranges, any } => {
                any.accepts(c) && *negated != ranges.iter().any(|(low, high)| (*low..=*high).contains(&c))
            }
        }
    }

    /// Whether more of the text may belong to the same element.
    fn repeats(&self) -> bool {
        matches!(self, Self::Many(_) | Self::Directories)
    }

    /// Whether the element is over once it has accepted `c`.
    fn ends_with(&self, c: char) -> bool {
        match self {
            Self::Many(_) => false,
            Self::Directories => c == '/',
            _ => true,
        }
    }

    /// How far along the pattern goes on if the element stands for nothing.
    fn skip(&self) -> &'static [usize] {
        match self {
            Self::Many(_) => &[1],
            Self::Tree => &[1, 2],
            _ => &[],
        }
    }
}

/// A compiled pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Glob(Vec<Token>);

impl Glob {
    /// A pattern of Go's `filepath.Match`: `*`, `?`, `[classes]`, `\` escapes; none crosses a `/`.
    pub(crate) fn path(pattern: &str) -> Result<Self, BadPattern> {
        compile(pattern, false)
    }

    /// A line of `.dockerignore`: as [`Glob::path`], and `**` crosses directories.
    pub(crate) fn ignore(pattern: &str) -> Result<Self, BadPattern> {
        compile(pattern, true)
    }

    /// A pattern of a parameter expansion: `*`, `?` and `\` escapes.
    pub(crate) fn shell(pattern: &str) -> Result<Self, BadPattern> {
        let mut tokens = Vec::new();
        let mut rest = pattern.chars().peekable();
        while let Some(c) = rest.next() {
            tokens.push(match c {
                '*' => Token::Many(Any::InLine),
                '?' => Token::One(Any::InLine),
                // `}` and `/` end parts of `${}` and are escaped for that alone.
                '\\' if matches!(rest.peek(), Some('}' | '/')) => continue,
                '\\' => match rest.next() {
                    Some(escaped @ ('*' | '?' | '\\')) => Token::Literal(escaped),
                    other => return Err(BadPattern::Escape(other.unwrap_or('\u{fffd}'))),
                },
                c => Token::Literal(c),
            });
        }
        Ok(Self(tokens))
    }

    /// The same pattern for text read from its end.
    pub(crate) fn reversed(mut self) -> Self {
        self.0.reverse();
        self
    }

    /// Whether the pattern describes the whole text.
    pub(crate) fn matches(&self, text: &str) -> bool {
        let text: Vec<char> = text.chars().collect();
        self.prefixes(&text).any(|end| end == text.len())
    }

    /// The lengths of all beginnings of the text that the pattern describes, shortest first.
    pub(crate) fn prefixes<'a>(&'a self, text: &'a [char]) -> impl Iterator<Item = usize> + 'a {
        let mut places = vec![false; self.0.len() + 1];
        places[0] = true;
        self.skip_empty(&mut places);
        let mut position = 0;
        iter::from_fn(move || {
            loop {
                if position > text.len() {
                    return None;
                }
                let ends_here = places[self.0.len()];
                let at = position;
                position += 1;
                match text.get(at) {
                    Some(c) => places = self.step(&places, *c),
                    None => places.fill(false),
                }
                if ends_here {
                    return Some(at);
                }
                if !places.contains(&true) {
                    position = text.len() + 1;
                }
            }
        })
    }

    /// The shortest or the longest beginning of the text that the pattern describes. Takes what it
    /// costs from `steps`.
    pub(crate) fn prefix(
        &self,
        text: &[char],
        longest: bool,
        steps: &mut usize,
    ) -> Result<Option<usize>, TooDear> {
        let mut places = vec![false; self.0.len() + 1];
        places[0] = true;
        self.skip_empty(&mut places);
        let mut found = None;
        for (at, c) in text.iter().map(Some).chain([None]).enumerate() {
            *steps = steps.checked_sub(places.len()).ok_or(TooDear)?;
            if places[self.0.len()] {
                found = Some(at);
                if !longest {
                    break;
                }
            }
            match c {
                Some(c) if places.contains(&true) => places = self.step(&places, *c),
                _ => break,
            }
        }
        Ok(found)
    }

    fn step(&self, places: &[bool], c: char) -> Vec<bool> {
        let mut next = vec![false; places.len()];
        for (index, token) in self.0.iter().enumerate() {
            if places[index] && token.accepts(c) {
                next[index] |= token.repeats();
                next[index + 1] |= token.ends_with(c);
            }
        }
        self.skip_empty(&mut next);
        next
    }

    fn skip_empty(&self, places: &mut [bool]) {
        for (index, token) in self.0.iter().enumerate() {
            if places[index] {
                token.skip().iter().for_each(|by| places[index + by] = true);
            }
        }
    }
}

fn compile(pattern: &str, trees: bool) -> Result<Glob, BadPattern> {
    let chars: Vec<char> = pattern.chars().collect();
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(&c) = chars.get(at) {
        at += 1;
        match c {
            '*' if trees && chars.get(at) == Some(&'*') => {
                at += 1;
                // `**/` is `**`: the separator belongs to what the tree stands for.
                if chars.get(at) == Some(&'/') {
                    at += 1;
                }
                tokens.extend(tree(&chars, at));
            }
            '*' => tokens.push(Token::Many(Any::InName)),
            '?' => tokens.push(Token::One(Any::InName)),
            '[' => tokens.push(class(
                &chars,
                &mut at,
                if trees { Any::Character } else { Any::InName },
            )?),
            '\\' => {
                tokens.push(Token::Literal(*chars.get(at).ok_or(BadPattern::Syntax)?));
                at += 1;
            }
            c => tokens.push(Token::Literal(c)),
        }
    }
    Ok(Glob(tokens))
}

/// What a `**` whose pattern goes on at `at` stands for. Upstream takes `**name` at the very
/// beginning for "ends in name", and everywhere else a tree ends at a separator.
fn tree(chars: &[char], at: usize) -> Vec<Token> {
    let rest = &chars[at..];
    let leading = at == 2 && !rest.iter().any(|c| matches!(c, '*' | '?' | '[' | ']' | '\\'));
    if rest.is_empty() || leading {
        vec![Token::Many(Any::Character)]
    } else {
        vec![Token::Tree, Token::Directories]
    }
}

/// `[^a-z]`, from after its bracket.
fn class(chars: &[char], at: &mut usize, any: Any) -> Result<Token, BadPattern> {
    let negated = chars.get(*at) == Some(&'^');
    if negated {
        *at += 1;
    }
    let mut ranges = Vec::new();
    loop {
        if chars.get(*at) == Some(&']') && !ranges.is_empty() {
            *at += 1;
            return Ok(Token::Class { negated, ranges, any });
        }
        let low = class_character(chars, at)?;
        let high = if chars.get(*at) == Some(&'-') {
            *at += 1;
            class_character(chars, at)?
        } else {
            low
        };
        ranges.push((low, high));
    }
}

fn class_character(chars: &[char], at: &mut usize) -> Result<char, BadPattern> {
    let mut next = || {
        let c = chars.get(*at).copied();
        *at += 1;
        c.ok_or(BadPattern::Syntax)
    };
    match next()? {
        '-' | ']' => Err(BadPattern::Syntax),
        '\\' => next(),
        c => Ok(c),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn path_patterns() {
        let cases = [
            ("abc", "abc", true),
            ("*", "abc", true),
            ("*c", "abc", true),
            ("a*/b", "abc/b", true),
            ("a*/b", "a/c/b", false),
            ("a?c", "abc", true),
            ("a?c", "a/c", false),
            ("[a-c]x", "bx", true),
            ("[^a-c]x", "bx", false),
            ("[^a-c]x", "zx", true),
            ("[^a]", "/", false),
            ("a\\*b", "a*b", true),
            ("a\\*b", "axb", false),
            ("*a*a*a*a*b", &"a".repeat(200), false),
            ("", "", true),
        ];
        for (pattern, text, expected) in cases {
            assert_eq!(
                Glob::path(pattern).unwrap().matches(text),
                expected,
                "{pattern} {text}"
            );
        }
    }

    #[test]
    fn malformed_patterns() {
        for pattern in ["[", "[]a]", "[-]", "[a-]", "[a", "[^", "a\\"] {
            assert_eq!(Glob::path(pattern), Err(BadPattern::Syntax), "{pattern}");
        }
        assert_eq!(Glob::shell("a\\x"), Err(BadPattern::Escape('x')));
    }

    #[test]
    fn trees() {
        let cases = [
            ("**", "a/b", true),
            ("**/b", "b", true),
            ("**/b", "a/c/b", true),
            ("a/**", "a/b/c", true),
            ("a/**/c", "a/c", true),
            ("a/**/c", "a/b/b/c", true),
            ("a/**/c", "a/b/b", false),
            ("**/b", "xb", false),
            ("**b", "x/yb", true),
            ("**b*", "x/yb", false),
            ("a/**", "a", false),
            ("[^a]b", "/b", true),
        ];
        for (pattern, text, expected) in cases {
            assert_eq!(
                Glob::ignore(pattern).unwrap().matches(text),
                expected,
                "{pattern} {text}"
            );
        }
    }

    #[test]
    fn beginnings() {
        let text: Vec<char> = "abab".chars().collect();
        let glob = Glob::shell("*b").unwrap();
        assert_eq!(glob.prefixes(&text).collect::<Vec<_>>(), [2, 4]);
        assert_eq!(
            Glob::shell("*").unwrap().prefixes(&text).collect::<Vec<_>>(),
            [0, 1, 2, 3, 4]
        );
        assert_eq!(Glob::shell("").unwrap().prefixes(&[]).collect::<Vec<_>>(), [0]);
    }
}
