//! Splitting a logical line: the keyword, its flags, and words that keep their quotes.

/// Splits at the first run of blanks: the keyword and the rest.
pub(super) fn keyword(line: &str) -> (&str, &str) {
    let line = line.trim();
    let end = line.find(is_blank).unwrap_or(line.len());
    (&line[..end], line[end..].trim_start_matches(is_blank))
}

/// What separates arguments: upstream's `[\t\v\f\r ]+`, which has no line feed.
pub(super) fn is_blank(c: char) -> bool {
    matches!(c, '\t' | '\u{b}' | '\u{c}' | '\r' | ' ')
}

/// What a reader of words is in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Word,
    Quote(char),
}

/// The words of a line. Quotes and escapes stay, for the expansion to take away.
pub(super) fn words(line: &str, escape: char) -> Vec<String> {
    pieces(line, escape).into_iter().map(|(word, _)| word).collect()
}

/// The words of a line, each with its part of the line.
pub(super) fn pieces(line: &str, escape: char) -> Vec<(String, &str)> {
    let mut words = Vec::new();
    let mut rest = line;
    loop {
        rest = rest.trim_start();
        if rest.is_empty() {
            return words;
        }
        let (word, after) = word(rest, escape);
        // An escape character at the very end is no word of its own.
        if !word.is_empty() {
            words.push((word, &rest[..rest.len() - after.len()]));
        }
        rest = after;
    }
}

fn word(text: &str, escape: char) -> (String, &str) {
    let mut word = String::new();
    let mut state = State::Word;
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match state {
            State::Word if c.is_whitespace() => return (word, &text[at..]),
            State::Word if matches!(c, '\'' | '"') => state = State::Quote(c),
            State::Quote(quote) if c == quote => state = State::Word,
            _ => {}
        }
        let escapes = c == escape && state != State::Quote('\'');
        match escapes.then(|| chars.next()) {
            None => word.push(c),
            Some(Some((_, escaped))) => word.extend([c, escaped]),
            Some(None) => {}
        }
    }
    (word, "")
}

/// Flags at the beginning of the arguments (`--name=value`, quotes and escapes taken away) with their
/// parts of the line, and what follows them. A bare `--` ends them.
pub(super) fn flags(line: &str, escape: char) -> (Vec<(String, &str)>, &str) {
    let mut flags = Vec::new();
    let mut rest = line.trim_start();
    while rest.starts_with("--") {
        let (flag, after) = flag(rest, escape);
        let written = &rest[..rest.len() - after.len()];
        rest = after.trim_start();
        if flag == "--" {
            break;
        }
        flags.push((flag, written));
    }
    (flags, rest)
}

fn flag(text: &str, escape: char) -> (String, &str) {
    let mut flag = String::new();
    let mut state = State::Word;
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match (state, c) {
            (State::Word, c) if c.is_whitespace() => return (flag, &text[at..]),
            (State::Word, '\'' | '"') => state = State::Quote(c),
            (State::Quote(quote), c) if c == quote => state = State::Word,
            (_, c) if c == escape => flag.extend(chars.next().map(|(_, escaped)| escaped)),
            (_, c) => flag.push(c),
        }
    }
    (flag, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_keep_quotes() {
        assert_eq!(
            words("a 'b c' \"d \\\" e\" f\\ g \\", '\\'),
            ["a", "'b c'", "\"d \\\" e\"", "f\\ g"]
        );
        assert_eq!(words("x=\"\" ''", '\\'), ["x=\"\"", "''"]);
        assert_eq!(words("a'b\\'c d", '\\'), ["a'b\\'c", "d"]);
        assert_eq!(words("  ", '\\'), Vec::<String>::new());
    }

    #[test]
    fn flags_end_where_arguments_begin() {
        let cases: [(&str, &[&str], &str); 5] = [
            ("--a=b --c d", &["--a=b", "--c"], "d"),
            ("--a='b c' x --y", &["--a=b c"], "x --y"),
            ("-- --x", &[], "--x"),
            ("-x", &[], "-x"),
            ("--a\\ b", &["--a b"], ""),
        ];
        for (line, expected, rest) in cases {
            let (flags, after) = flags(line, '\\');
            let flags: Vec<_> = flags.into_iter().map(|(flag, _)| flag).collect();
            assert_eq!(
                (flags, after),
                (expected.iter().map(|f| (*f).to_owned()).collect(), rest),
                "{line}"
            );
        }
    }
}
