//! The grammar (CEL specification, "Syntax"), as upstream's parser reads it: from the whole down to the operators;
//! what they stand between is in [`super::primary`] and [`super::collection`].
//!
//! Recursive descent with precedence climbing. Nesting is bounded twice, as upstream does: by how deep
//! expressions enclose each other, and by how deep the resulting tree is.

use super::ast::{Ast, ExprId, Node};
use super::lexer::{Kind, Token, tokens};
use crate::issue::{Found, Issues};

/// The longest expression, in characters.
const LONGEST: usize = 100_000;

/// How deep expressions may enclose each other, and how deep the tree may be.
pub(super) const DEEPEST: u16 = 250;

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
    pub(super) source: &'s str,
    pub(super) tokens: Vec<Token>,
    pub(super) at: usize,
    nesting: u16,
    /// Brackets that are open, by what closes them.
    pub(super) open: Vec<Kind>,
    /// Whether a macro is being expanded.
    pub(super) expanding: bool,
    /// The depth of each node.
    pub(super) depths: Vec<u16>,
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

    pub(super) fn expr(&mut self) -> Result<ExprId, Stop> {
        self.expr_or(&[])
    }

    /// An expression where `also` would have been possible too.
    pub(super) fn expr_or(&mut self, also: &[Kind]) -> Result<ExprId, Stop> {
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
}
