//! What stands between brackets: lists, maps and objects.

use super::ast::{Entry, Expr, ExprId, Field, Item};
use super::lexer::Kind;
use super::parser::{Parser, Stop};

impl Parser<'_> {
    pub(super) fn list(&mut self) -> Result<ExprId, Stop> {
        let offset = self.offset();
        let items = self.separated(Kind::CloseBracket, |parser, also| {
            let optional = parser.take(Kind::Question);
            let value = parser.expr_or(also)?;
            Ok(Item { value, optional })
        })?;
        self.push(offset, Expr::List(items.into()))
    }

    pub(super) fn map(&mut self) -> Result<ExprId, Stop> {
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

    pub(super) fn object(&mut self, dot: &str, length: usize) -> Result<ExprId, Stop> {
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
}
