//! The grammar (CEL specification, "Syntax"), as upstream's parser reads it.
//!
//! Recursive descent with precedence climbing. Nesting is bounded twice, as upstream does: by how deep
//! expressions enclose each other, and by how deep the resulting tree is.

use super::ast::{Ast, Entry, Expr, ExprId, Field, Item, Literal, Node, children};
use super::lexer::{Kind, Token, tokens};
use super::literal::{self, Bad};
use crate::issue::{Found, Issues};

/// The longest expression, in characters.
const LONGEST: usize = 100_000;

/// How deep expressions may enclose each other, and how deep the tree may be.
const DEEPEST: u16 = 250;

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

/// Operators of two operands that bind from the left, how tightly, and the functions they are.
const BINARY: &[(Kind, u8, &str)] = &[
    (Kind::Less, 1, "_<_"),
    (Kind::LessEquals, 1, "_<=_"),
    (Kind::GreaterEquals, 1, "_>=_"),
    (Kind::Greater, 1, "_>_"),
    (Kind::Equals, 1, "_==_"),
    (Kind::NotEquals, 1, "_!=_"),
    (Kind::In, 1, "@in"),
    (Kind::Plus, 2, "_+_"),
    (Kind::Minus, 2, "_-_"),
    (Kind::Star, 3, "_*_"),
    (Kind::Slash, 3, "_/_"),
    (Kind::Percent, 3, "_%_"),
];

/// The parser has complained and does not know how to go on.
pub(super) struct Stop;

pub(super) struct Parser<'s> {
    source: &'s str,
    tokens: Vec<Token>,
    at: usize,
    nesting: u16,
    /// Brackets that are open, by what closes them.
    open: Vec<Kind>,
    /// Whether a macro is being expanded.
    pub(super) expanding: bool,
    /// The depth of each node.
    depths: Vec<u16>,
    pub(super) nodes: Vec<Node>,
    pub(super) found: Found<'s>,
}

/// Parses an expression and expands its macros.
///
/// # Errors
/// Whatever is wrong with it, in upstream's words.
pub(crate) fn parse(source: &str) -> Result<Ast, Issues> {
    let mut found = Found::new(source);
    let size = source.chars().count();
    if size > LONGEST {
        let message = format!("expression code point size exceeds limit: size: {size}, limit {LONGEST}");
        return Err(found.only(message));
    }
    let mut parser = Parser {
        tokens: tokens(source, &mut found),
        source,
        at: 0,
        nesting: 0,
        open: Vec::new(),
        expanding: false,
        depths: Vec::new(),
        nodes: Vec::new(),
        found,
    };
    let root = parser.whole();
    parser.found.finish()?;
    Ok(Ast {
        nodes: parser.nodes,
        root: root.unwrap_or(ExprId(0)),
    })
}

impl Parser<'_> {
    fn whole(&mut self) -> Option<ExprId> {
        let root = self.expr().ok()?;
        self.expect(Kind::End).ok()?;
        Some(root)
    }

    fn expr(&mut self) -> Result<ExprId, Stop> {
        self.expr_or(&[])
    }

    /// An expression where `also` would have been possible too.
    fn expr_or(&mut self, also: &[Kind]) -> Result<ExprId, Stop> {
        self.expect_begin(also)?;
        if self.nesting == DEEPEST {
            return Err(self.too_deep(&format!("expression recursion limit exceeded: {DEEPEST}")));
        }
        self.nesting += 1;
        let expr = self.conditional();
        self.nesting -= 1;
        expr
    }

    fn conditional(&mut self) -> Result<ExprId, Stop> {
        let condition = self.or()?;
        let offset = self.offset();
        if !self.take(Kind::Question) {
            return Ok(condition);
        }
        self.expect_begin(&[])?;
        let yes = self.or()?;
        self.expect(Kind::Colon)?;
        let no = self.expr()?;
        self.call(offset, "_?_:_", None, &[condition, yes, no])
    }

    fn or(&mut self) -> Result<ExprId, Stop> {
        self.logical(Kind::Or, "_||_", Self::and)
    }

    fn and(&mut self) -> Result<ExprId, Stop> {
        self.logical(Kind::And, "_&&_", |parser| parser.binary(1))
    }

    /// A chain of one logical operator becomes a balanced tree, so that long ones are not deep.
    fn logical(
        &mut self,
        operator: Kind,
        function: &str,
        term: impl Fn(&mut Self) -> Result<ExprId, Stop>,
    ) -> Result<ExprId, Stop> {
        let first = term(self)?;
        if self.peek() != operator {
            return Ok(first);
        }
        let mut terms = vec![first];
        let mut offsets = Vec::new();
        while self.peek() == operator {
            offsets.push(self.offset());
            self.skip(1);
            self.expect_begin(&[])?;
            terms.push(term(self)?);
        }
        self.balance(function, &terms, &offsets)
    }

    fn balance(&mut self, function: &str, terms: &[ExprId], offsets: &[u32]) -> Result<ExprId, Stop> {
        if let [one] = terms {
            return Ok(*one);
        }
        let middle = offsets.len() / 2;
        let left = self.balance(function, &terms[..=middle], &offsets[..middle])?;
        let right = self.balance(function, &terms[middle + 1..], &offsets[middle + 1..])?;
        self.call(offsets[middle], function, None, &[left, right])
    }

    fn binary(&mut self, least: u8) -> Result<ExprId, Stop> {
        let mut left = self.unary()?;
        while let Some((_, binds, function)) = BINARY
            .iter()
            .find(|(kind, binds, _)| *kind == self.peek() && *binds >= least)
        {
            let offset = self.offset();
            self.skip(1);
            self.expect_begin(&[])?;
            let right = self.binary(binds + 1)?;
            left = self.call(offset, function, None, &[left, right])?;
        }
        Ok(left)
    }

    fn unary(&mut self) -> Result<ExprId, Stop> {
        let offset = self.offset();
        let operator = self.peek();
        let signed = matches!(self.peek_at(1), Kind::Int | Kind::Float);
        let function = match operator {
            Kind::Not => "!_",
            Kind::Minus if !signed => "-_",
            _ => return self.member(),
        };
        let mut count = 0;
        while self.take(operator) {
            count += 1;
        }
        self.expect_begin(&[])?;
        let operand = self.member()?;
        if count % 2 == 0 {
            return Ok(operand);
        }
        self.call(offset, function, None, &[operand])
    }

    fn member(&mut self) -> Result<ExprId, Stop> {
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

    fn field_name(&mut self) -> Result<Box<str>, Stop> {
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

    fn list(&mut self) -> Result<ExprId, Stop> {
        let offset = self.offset();
        let items = self.separated(Kind::CloseBracket, |parser, also| {
            let optional = parser.take(Kind::Question);
            let value = parser.expr_or(also)?;
            Ok(Item { value, optional })
        })?;
        self.push(offset, Expr::List(items.into()))
    }

    fn map(&mut self) -> Result<ExprId, Stop> {
        let offset = self.offset();
        let entries = self.separated(Kind::CloseBrace, |parser, also| {
            let optional = parser.take(Kind::Question);
            let key = parser.expr_or(also)?;
            let offset = parser.offset();
            parser.expect(Kind::Colon)?;
            let value = parser.expr()?;
            Ok(Entry {
                key,
                value,
                optional,
                offset,
            })
        })?;
        self.push(offset, Expr::Map(entries.into()))
    }

    fn object(&mut self, dot: &str, length: usize) -> Result<ExprId, Stop> {
        let parts: Vec<&str> = (0..length).map(|ahead| self.text_at(ahead)).collect();
        let name = format!("{dot}{}", parts.concat());
        self.skip(length);
        let offset = self.offset();
        let fields = self.separated(Kind::CloseBrace, |parser, _| {
            let optional = parser.take(Kind::Question);
            let name = parser.member_name()?;
            let offset = parser.offset();
            parser.expect(Kind::Colon)?;
            let value = parser.expr()?;
            Ok(Field {
                name,
                value,
                optional,
                offset,
            })
        })?;
        let object = Expr::Struct {
            name: name.into(),
            fields: fields.into(),
        };
        self.push(offset, object)
    }

    fn member_name(&mut self) -> Result<Box<str>, Stop> {
        let expected = [
            Kind::CloseBrace,
            Kind::Comma,
            Kind::Question,
            Kind::Ident,
            Kind::EscapedIdent,
        ];
        if self.peek() != Kind::Ident && self.peek() != Kind::EscapedIdent {
            self.expect_of(Kind::Ident, &expected)?;
            self.at -= 1;
        }
        self.field_name()
    }

    /// What stands between brackets, separated by commas, the last of which may be left over.
    fn separated<T>(
        &mut self,
        close: Kind,
        mut item: impl FnMut(&mut Self, &[Kind]) -> Result<T, Stop>,
    ) -> Result<Vec<T>, Stop> {
        self.enter(close);
        let mut items = Vec::new();
        if self.peek() == Kind::Comma && self.peek_at(1) == close {
            self.skip(1);
        }
        while self.peek() != close {
            let also = [close, Kind::Comma, Kind::Question];
            let also = if items.is_empty() { &also[..] } else { &also[..1] };
            items.push(item(self, also)?);
            if !self.take(Kind::Comma) {
                break;
            }
        }
        self.leave(&[close, Kind::Comma])?;
        Ok(items)
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

    pub(super) fn literal_node(&mut self, offset: u32, value: Literal) -> Result<ExprId, Stop> {
        self.push(offset, Expr::Literal(value))
    }

    pub(super) fn call(
        &mut self,
        offset: u32,
        function: &str,
        target: Option<ExprId>,
        args: &[ExprId],
    ) -> Result<ExprId, Stop> {
        let call = Expr::Call {
            function: function.into(),
            target,
            args: args.into(),
        };
        self.push(offset, call)
    }

    /// Adds a node, unless the tree becomes too deep.
    pub(super) fn push(&mut self, offset: u32, expr: Expr) -> Result<ExprId, Stop> {
        let mut below = 0;
        children(&expr, |child| below = self.depths[child.index()].max(below));
        let depth = below + u16::from(self.deepens(&expr));
        if depth > DEEPEST {
            return Err(self.too_deep("max recursion depth exceeded"));
        }
        let id = ExprId(u32::try_from(self.nodes.len()).map_err(|_| Stop)?);
        self.nodes.push(Node { offset, expr });
        self.depths.push(depth);
        Ok(id)
    }

    /// Whether a node counts as a level: logical operators are balanced, and of what a macro makes only the
    /// loop counts, so that a macro is one level as it is in the text.
    fn deepens(&self, expr: &Expr) -> bool {
        match expr {
            Expr::Fold(_) => true,
            Expr::Call { function, .. } if matches!(&**function, "_&&_" | "_||_") => false,
            _ => !self.expanding,
        }
    }

    fn too_deep(&mut self, message: &str) -> Stop {
        self.found.whole(message);
        Stop
    }

    fn enter(&mut self, close: Kind) {
        self.open.push(close);
        self.skip(1);
    }

    fn leave(&mut self, expected: &[Kind]) -> Result<(), Stop> {
        let Some(close) = self.open.pop() else {
            return Err(Stop);
        };
        self.expect_of(close, expected)
    }

    /// Whether a bracket further out is closed by this; the end of the text closes all.
    pub(super) fn enclosed_by(&self, kind: Kind) -> bool {
        match kind {
            Kind::End => self.open.is_empty(),
            _ => self.open.last() == Some(&kind),
        }
    }

    pub(super) fn peek(&self) -> Kind {
        self.peek_at(0)
    }

    pub(super) fn peek_at(&self, ahead: usize) -> Kind {
        self.tokens
            .get(self.at + ahead)
            .map_or(Kind::End, |token| token.kind)
    }

    pub(super) fn take(&mut self, kind: Kind) -> bool {
        let is_it = self.peek() == kind;
        if is_it {
            self.skip(1);
        }
        is_it
    }

    /// Goes on by so many tokens, never beyond the end.
    pub(super) fn skip(&mut self, count: usize) {
        self.at = (self.at + count).min(self.tokens.len() - 1);
    }

    pub(super) fn offset(&self) -> u32 {
        self.tokens[self.at].start
    }

    pub(super) fn text(&self) -> &str {
        self.text_at(0)
    }

    fn text_at(&self, ahead: usize) -> &str {
        let token = &self.tokens[self.at + ahead];
        &self.source[token.start as usize..token.end as usize]
    }
}
