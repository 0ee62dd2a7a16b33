//! Here-documents: files written in the Dockerfile itself.

use super::ParseError;
use super::expand::{Lex, NoVariables};
use super::lines::Lines;

/// A here-document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heredoc {
    /// The word that ends it, which is also the name of the file in `COPY`.
    pub name: String,
    /// The descriptor before `<<`; 0 if there is none.
    pub descriptor: u32,
    /// The word was not quoted: variables in the content are expanded.
    pub expand: bool,
    /// `<<-`: tabs at the beginning of lines do not count.
    pub chomp: bool,
    /// The lines, each with its line feed.
    pub content: String,
}

impl Heredoc {
    /// Whether a text is nothing but the announcement of a here-document.
    pub fn is_announced(text: &str) -> bool {
        Self::announced(text).is_some()
    }

    /// Reads a word such as `3<<-"EOF"`; `None` if it announces no here-document.
    pub(super) fn announced(word: &str) -> Option<Self> {
        let (descriptor, rest) = word.split_once("<<")?;
        if !descriptor.chars().all(|c| c.is_ascii_digit()) || rest.contains('<') {
            return None;
        }
        let (chomp, rest) = match rest.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, rest),
        };
        let rest = rest.trim_start();
        let lex = Lex {
            keep_unset: true,
            ..Lex::new('\\')
        };
        let name = single(&lex, rest)?;
        let raw = single(
            &Lex {
                raw_quotes: true,
                ..lex
            },
            rest,
        )?;
        let expand = quotes(&name) == quotes(&raw);
        let descriptor = descriptor.parse().unwrap_or(0);
        Some(Self {
            name,
            descriptor,
            expand,
            chomp,
            content: String::new(),
        })
    }

    /// The here-documents that a logical line announces, with what follows the line as content.
    pub(super) fn attach(line: &str, start: u32, lines: &mut Lines<'_>) -> Result<Vec<Self>, ParseError> {
        let lex = Lex {
            raw_quotes: true,
            raw_escapes: true,
            keep_unset: true,
            ..Lex::new('\\')
        };
        let words = lex.words(line, &NoVariables).unwrap_or_default();
        let mut documents: Vec<Self> = words.iter().filter_map(|word| Self::announced(word)).collect();
        documents
            .iter_mut()
            .try_for_each(|document| document.read(start, lines))?;
        Ok(documents)
    }

    fn read(&mut self, start: u32, lines: &mut Lines<'_>) -> Result<(), ParseError> {
        while let Some(line) = lines.physical()? {
            let text = line.trim_end_matches(['\r', '\n']);
            let text = if self.chomp {
                text.trim_start_matches('\t')
            } else {
                text
            };
            if text == self.name {
                return Ok(());
            }
            self.content.push_str(line);
        }
        Err(ParseError::syntax(start, "unterminated heredoc"))
    }

    /// The content as it is meant: without tabs at the beginning of lines after `<<-`.
    pub fn text(&self) -> String {
        if self.chomp {
            self.content
                .split_inclusive('\n')
                .map(|line| line.trim_start_matches('\t'))
                .collect()
        } else {
            self.content.clone()
        }
    }
}

fn single(lex: &Lex, text: &str) -> Option<String> {
    let words = lex.words(text, &NoVariables).ok()?;
    <[String; 1]>::try_from(words).ok().map(|[word]| word)
}

fn quotes(word: &str) -> usize {
    word.chars().filter(|c| matches!(c, '\'' | '"')).count()
}
