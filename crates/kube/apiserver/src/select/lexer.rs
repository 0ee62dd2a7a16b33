//! The words of a label selector.

/// A word of the grammar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    End,
    /// `( ) , ! = == > < !=`
    Symbol(&'static str),
    /// A key, a value, or the words `in` and `notin`, which are values where a value is expected.
    Word(String),
}

impl Token {
    /// The word as an error quotes it.
    pub(super) fn literal(&self) -> &str {
        match self {
            Self::End => "",
            Self::Symbol(symbol) => symbol,
            Self::Word(word) => word,
        }
    }
}

/// Longest first.
const SYMBOLS: [&str; 9] = ["==", "!=", "=", "!", "(", ")", ",", ">", "<"];

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

fn is_symbol(byte: u8) -> bool {
    matches!(byte, b'=' | b'!' | b'(' | b')' | b',' | b'>' | b'<')
}

/// All words of a selector; the last is [`Token::End`]. As upstream's, it ends at a NUL.
pub(super) fn tokens(selector: &str) -> Vec<Token> {
    let mut rest = selector.split('\0').next().unwrap_or_default();
    let mut tokens = Vec::new();
    loop {
        rest = rest.trim_start_matches(|c: char| u8::try_from(c).is_ok_and(is_space));
        if rest.is_empty() {
            tokens.push(Token::End);
            return tokens;
        }
        let length = match SYMBOLS.into_iter().find(|symbol| rest.starts_with(symbol)) {
            Some(symbol) => {
                tokens.push(Token::Symbol(symbol));
                symbol.len()
            }
            None => {
                let ends = |byte: u8| is_space(byte) || is_symbol(byte);
                let length = rest.bytes().position(ends).unwrap_or(rest.len());
                tokens.push(Token::Word(rest[..length].to_owned()));
                length
            }
        };
        rest = &rest[length..];
    }
}
