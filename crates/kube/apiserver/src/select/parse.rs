//! The grammar of label selectors (apimachinery `labels.Parse`), with upstream's errors.

use schema::field::{Error, Errors, Path, aggregate};

use super::label::{LabelSelector, Operator, Requirement};
use super::lexer::{Token, tokens};
use kinds::rules::text::{label_value, qualified_name};

/// Why a text is no label selector: upstream's sentence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ParseError(pub String);

type Result<T> = std::result::Result<T, ParseError>;

fn found<T>(token: &Token, expected: &str) -> Result<T> {
    Err(ParseError(format!(
        "found '{}', expected: {expected}",
        token.literal()
    )))
}

const OPERATORS: &str = "in, notin, =, ==, !=, gt, lt";

/// Parses a selector; its requirements are sorted by key.
pub(super) fn parse(selector: &str) -> Result<LabelSelector> {
    let mut parser = Parser {
        tokens: tokens(selector),
        at: 0,
    };
    parser.requirements().map(LabelSelector::new)
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
}

impl Parser {
    /// The last token is the end, and nothing goes beyond it.
    fn peek(&self) -> &Token {
        &self.tokens[self.at.min(self.tokens.len() - 1)]
    }

    fn next(&mut self) -> Token {
        let token = self.peek().clone();
        self.at += 1;
        token
    }

    fn requirements(&mut self) -> Result<Vec<Requirement>> {
        let mut requirements = Vec::new();
        loop {
            match self.peek() {
                Token::Word(_) | Token::Symbol("!") => {}
                Token::End => return Ok(requirements),
                other => return found(other, "!, identifier, or 'end of string'"),
            }
            let requirement = self.requirement();
            requirements.push(
                requirement
                    .map_err(|ParseError(why)| ParseError(format!("unable to parse requirement: {why}")))?,
            );
            match self.next() {
                Token::End => return Ok(requirements),
                Token::Symbol(",") => match self.peek() {
                    Token::Word(_) | Token::Symbol("!") => {}
                    other => return found(other, "identifier after ','"),
                },
                other => return found(&other, "',' or 'end of string'"),
            }
        }
    }

    fn requirement(&mut self) -> Result<Requirement> {
        let absent = *self.peek() == Token::Symbol("!");
        if absent {
            self.next();
        }
        let key = match self.next() {
            Token::Word(key) => key,
            other => return found(&other, "identifier"),
        };
        check_key(&key, &Path::root())?;
        let bare = matches!(self.peek(), Token::End | Token::Symbol(","));
        let operator = match (bare, absent) {
            (true, true) => Operator::DoesNotExist,
            (true, false) => Operator::Exists,
            (false, _) => self.operator()?,
        };
        let values = self.values(operator)?;
        checked(key, operator, values)
    }

    fn operator(&mut self) -> Result<Operator> {
        let token = self.next();
        Operator::of_symbol(token.literal()).map_or_else(|| found(&token, OPERATORS), Ok)
    }

    fn values(&mut self, operator: Operator) -> Result<Vec<String>> {
        match operator {
            Operator::Exists | Operator::DoesNotExist => Ok(Vec::new()),
            Operator::In | Operator::NotIn => self.set(),
            _ => self.exact(),
        }
    }

    fn exact(&mut self) -> Result<Vec<String>> {
        if matches!(self.peek(), Token::End | Token::Symbol(",")) {
            return Ok(vec![String::new()]);
        }
        match self.next() {
            Token::Word(value) => Ok(vec![value]),
            other => found(&other, "identifier"),
        }
    }

    fn set(&mut self) -> Result<Vec<String>> {
        let open = self.next();
        if open != Token::Symbol("(") {
            let literal = open.literal();
            return Err(ParseError(format!("found '{literal}' expected: '('")));
        }
        match self.peek() {
            Token::Word(_) | Token::Symbol(",") => self.listed(),
            Token::Symbol(")") => {
                self.next();
                Ok(vec![String::new()])
            }
            other => found(other, "',', ')' or identifier"),
        }
    }

    /// Values up to the closing parenthesis; what is left out between commas is the empty value.
    fn listed(&mut self) -> Result<Vec<String>> {
        let mut values = Vec::new();
        loop {
            match self.next() {
                Token::Word(value) => {
                    values.push(value);
                    match self.peek() {
                        Token::Symbol(",") => {}
                        Token::Symbol(")") => break,
                        other => return found(other, "',' or ')'"),
                    }
                }
                Token::Symbol(",") => {
                    let next = self.peek().literal();
                    if values.is_empty() || matches!(next, "," | ")") {
                        values.push(String::new());
                    }
                    if *self.peek() == Token::Symbol(")") {
                        break;
                    }
                }
                other => return found(&other, "',', or identifier"),
            }
        }
        self.next();
        values.sort_unstable();
        values.dedup();
        Ok(values)
    }
}

fn check_key(key: &str, path: &Path) -> Result<()> {
    match qualified_name(key) {
        errors if errors.is_empty() => Ok(()),
        errors => Err(ParseError(
            Error::invalid(path, key, errors.join("; ")).to_string(),
        )),
    }
}

/// A requirement, if operator and values fit (upstream's `NewRequirement`).
pub(super) fn checked(key: String, operator: Operator, values: Vec<String>) -> Result<Requirement> {
    let mut errors = Errors::new();
    let path = Path::new("values");
    if let Err(ParseError(why)) = check_key(&key, &Path::new("key")) {
        return Err(ParseError(why));
    }
    let numeric = matches!(operator, Operator::GreaterThan | Operator::LessThan);
    for (at, value) in values.iter().enumerate() {
        if numeric && value.parse::<i64>().is_err() {
            let detail = "for 'Gt', 'Lt' operators, the value must be an integer";
            errors.push(Error::invalid(&path.index(at), value.as_str(), detail));
        }
    }
    for (at, value) in values.iter().enumerate() {
        let wrong = label_value(value);
        if !wrong.is_empty() {
            let path = path.index(at).key(&key);
            errors.push(Error::invalid(&path, value.as_str(), wrong.join("; ")));
        }
    }
    if errors.is_empty() {
        Ok(Requirement {
            key,
            operator,
            values,
        })
    } else {
        Err(ParseError(aggregate(&errors)))
    }
}
