//! What is tightest in the grammar: names, literals and parentheses, and the members, indices and calls after them.

use super::ast::{Expr, ExprId, Literal};
use super::lexer::Kind;
use super::literal::{self, Bad};
use super::parser::{Parser, Stop};

/// Words that may not name a variable.
const RESERVED: &[&str] = &[
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "let",
    "loop",
    "package",
    "namespace",
    "return",
    "var",
    "void",
    "while",
];

impl Parser<'_> {
    pub(super) fn member(&mut self) -> Result<ExprId, Stop> {
        let mut operand = self.primary()?;
        loop {
            operand = match self.peek() {
                Kind::Dot => self.select(operand)?,
                Kind::OpenBracket => self.index(operand)?,
                _ => return Ok(operand),
            };
        }
    }

    fn select(&mut self, operand: ExprId) -> Result<ExprId, Stop> {
        let dot = self.offset();
        self.skip(1);
        let optional = self.take(Kind::Question);
        let name_offset = self.offset();
        let field = self.field_name()?;
        if optional {
            let name = self.literal_node(name_offset, Literal::String(field))?;
            return self.call(dot, "_?._", None, &[operand, name]);
        }
        if self.peek() == Kind::OpenParen && self.tokens[self.at - 1].kind == Kind::Ident {
            let (offset, args) = self.arguments()?;
            return self.call_or_macro(offset, &field, Some(operand), &args);
        }
        let select = Expr::Select {
            operand,
            field,
            test: false,
        };
        self.push(dot, select)
    }

    pub(super) fn field_name(&mut self) -> Result<Box<str>, Stop> {
        let name: Box<str> = match self.peek() {
            Kind::Ident => self.text().into(),
            Kind::EscapedIdent => self.text().trim_matches('`').into(),
            _ => return Err(self.no_name()),
        };
        self.unsupported_escape();
        self.skip(1);
        Ok(name)
    }

    /// Kubernetes leaves names in backquotes switched off; its properties have an escaping of their own.
    fn unsupported_escape(&mut self) {
        if self.peek() == Kind::EscapedIdent {
            let offset = self.offset();
            self.found.at(offset, "unsupported syntax: '`'");
        }
    }

    fn index(&mut self, operand: ExprId) -> Result<ExprId, Stop> {
        let offset = self.offset();
        self.enter(Kind::CloseBracket);
        let optional = self.take(Kind::Question);
        let index = self.expr()?;
        self.leave(&[Kind::CloseBracket])?;
        let function = if optional { "_[?_]" } else { "_[_]" };
        self.call(offset, function, None, &[operand, index])
    }

    fn primary(&mut self) -> Result<ExprId, Stop> {
        match self.peek() {
            Kind::OpenParen => self.nested(),
            Kind::OpenBracket => self.list(),
            Kind::OpenBrace => self.map(),
            Kind::Dot | Kind::Ident => self.named(),
            _ => self.literal(),
        }
    }

    fn nested(&mut self) -> Result<ExprId, Stop> {
        self.enter(Kind::CloseParen);
        let expr = self.expr()?;
        self.leave(&[Kind::CloseParen])?;
        Ok(expr)
    }

    /// A variable, a call, or an object that is made.
    fn named(&mut self) -> Result<ExprId, Stop> {
        let dot = if self.take(Kind::Dot) { "." } else { "" };
        if self.peek() != Kind::Ident {
            return Err(self.no_name());
        }
        if let Some(length) = self.type_name() {
            return self.object(dot, length);
        }
        let offset = self.offset();
        let text = self.text();
        let reserved = RESERVED.contains(&text);
        let name: Box<str> = format!("{dot}{text}").into();
        self.skip(1);
        if reserved {
            self.found.at(offset, format!("reserved identifier: {name}"));
        }
        match self.peek() {
            Kind::OpenParen => {
                let (offset, args) = self.arguments()?;
                self.call_or_macro(offset, &name, None, &args)
            }
            _ if reserved => self.push(offset, Expr::Error),
            _ => self.push(offset, Expr::Ident(name)),
        }
    }

    /// How many tokens the name before a brace has, if this is one.
    fn type_name(&self) -> Option<usize> {
        let mut length = 1;
        while self.peek_at(length) == Kind::Dot && self.peek_at(length + 1) == Kind::Ident {
            length += 2;
        }
        (self.peek_at(length) == Kind::OpenBrace).then_some(length)
    }

    fn arguments(&mut self) -> Result<(u32, Vec<ExprId>), Stop> {
        let offset = self.offset();
        self.enter(Kind::CloseParen);
        let mut args = Vec::new();
        if self.peek() != Kind::CloseParen {
            args.push(self.expr_or(&[Kind::CloseParen])?);
            while self.take(Kind::Comma) {
                args.push(self.expr()?);
            }
        }
        self.leave(&[Kind::CloseParen])?;
        Ok((offset, args))
    }

    fn literal(&mut self) -> Result<ExprId, Stop> {
        let offset = self.offset();
        let negative = self.take(Kind::Minus);
        let text = self.text();
        let value = match self.peek() {
            Kind::Int => literal::int(text, negative),
            Kind::Uint => literal::uint(text),
            Kind::Float => literal::double(text, negative),
            Kind::String => literal::string(text),
            Kind::Bytes => literal::bytes(text),
            Kind::True => Ok(Literal::Bool(true)),
            Kind::False => Ok(Literal::Bool(false)),
            _ => Ok(Literal::Null),
        };
        self.skip(1);
        match value {
            Ok(value) => self.literal_node(offset, value),
            Err(bad) => self.bad(offset, bad),
        }
    }

    fn bad(&mut self, offset: u32, bad: Bad) -> Result<ExprId, Stop> {
        self.found.at(offset, bad.to_string());
        self.push(offset, Expr::Error)
    }
}
