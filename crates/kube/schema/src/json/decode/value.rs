//! One value of each kind, and what Go makes of one that does not fit.

use super::{Decoder, Scanned, has_unmarshaler};
use crate::json::reader::Token;
use crate::json::text::read_raw;
use crate::json::untyped;
use crate::row::{Kind, TypeId};
use crate::scalar;
use crate::tree::{Struct, Value};

impl Decoder<'_> {
    /// One value of a kind. `go` is the Go type for errors.
    pub(super) fn one(&mut self, kind: Kind, ty: TypeId, go: &str) -> Scanned<Option<Value>> {
        if kind == Kind::Raw {
            let raw = read_raw(&mut self.reader)?;
            return Ok((raw.as_str() != "null").then_some(Value::Raw(raw)));
        }
        let token = self.reader.peek()?;
        match (kind, token) {
            (Kind::Any, _) => self.any().map(Some),
            (_, Token::Null) => {
                self.reader.null()?;
                Ok(None)
            }
            (Kind::Struct, Token::Object) => self.object(Box::new(Struct::new(ty))),
            (Kind::Strings, _) => self.list(Kind::String, ty, "[]string", Vec::new()),
            (Kind::SchemaOrArray | Kind::SchemaOrBool | Kind::SchemaOrStrings, _) => {
                let outer = self.opaque;
                self.opaque = outer.or(Some(self.path.len()));
                let value = self.schema_or(kind, ty, token);
                self.opaque = outer;
                value
            }
            (Kind::Nested, _) => match self.types.nested(ty) {
                Some((field, form)) => self.field(field, form),
                None => self.any().map(Some),
            },
            (Kind::Struct, _) => self.wrong(kind, token, go),
            _ => self.scalar(kind, token, go),
        }
    }

    pub(super) fn schema_or(&mut self, kind: Kind, ty: TypeId, token: Token) -> Scanned<Option<Value>> {
        match (kind, token) {
            (_, Token::Object) => self.object(Box::new(Struct::new(ty))),
            (Kind::SchemaOrArray, Token::Array) => {
                self.list(Kind::Struct, ty, "[]v1.JSONSchemaProps", Vec::new())
            }
            (Kind::SchemaOrStrings, Token::Array) => self.list(Kind::String, ty, "[]string", Vec::new()),
            (Kind::SchemaOrBool, Token::Bool) => Ok(Some(Value::Bool(self.reader.boolean()?))),
            (Kind::SchemaOrBool, _) => self.refuse("boolean or JSON schema expected"),
            _ => self.refuse("object or array expected"),
        }
    }

    pub(super) fn scalar(&mut self, kind: Kind, token: Token, go: &str) -> Scanned<Option<Value>> {
        match (kind, token) {
            (Kind::Bool, Token::Bool) => Ok(Some(Value::Bool(self.reader.boolean()?))),
            (Kind::String, Token::String) => Ok(Some(Value::Str(self.reader.string()?.into()))),
            (Kind::Int32 | Kind::Int64 | Kind::Float64, Token::Number) => self.number(kind, go),
            (Kind::IntOrString, Token::String) => Ok(Some(Value::Str(self.reader.string()?.into()))),
            (Kind::IntOrString, Token::Number) => self.number(kind, "int32"),
            (Kind::IntOrString, _) => self.wrong(kind, token, "int32"),
            (Kind::Quantity, Token::Number) => {
                let text = self.reader.number()?;
                Ok(self.text(kind, text))
            }
            (Kind::Quantity, Token::String) | (Kind::Bytes, Token::String) => self.string(kind),
            (Kind::Quantity, _) => self.refuse(scalar::quantity::FORMAT),
            (Kind::Time | Kind::MicroTime | Kind::Duration, Token::String) => self.string(kind),
            (Kind::Time | Kind::MicroTime | Kind::Duration, _) => self.wrong(kind, token, "string"),
            _ => self.wrong(kind, token, go),
        }
    }

    pub(super) fn string(&mut self, kind: Kind) -> Scanned<Option<Value>> {
        let text = self.reader.string()?;
        Ok(self.text(kind, &text))
    }

    /// Text of a kind with a grammar of its own, brought into canonical form.
    pub(super) fn text(&mut self, kind: Kind, text: &str) -> Option<Value> {
        let parsed = match kind {
            Kind::Bytes => scalar::base64::decode(text).map(|bytes| Some(Value::Bytes(bytes.into()))),
            Kind::Quantity => scalar::quantity::canonical(text.trim()).map(|q| Some(Value::Str(q.into()))),
            Kind::Duration => scalar::duration::canonical(text).map(|d| Some(Value::Str(d.into()))),
            _ => scalar::time::canonical(kind, text).map(|time| time.map(|t| Value::Str(t.into()))),
        };
        parsed.unwrap_or_else(|message| {
            self.save(message, kind != Kind::Bytes);
            None
        })
    }

    pub(super) fn number(&mut self, kind: Kind, go: &str) -> Scanned<Option<Value>> {
        let text = self.reader.number()?;
        if self.lenient {
            return Ok(Some(untyped::number(text)));
        }
        let value = match kind {
            Kind::Float64 => text
                .parse()
                .ok()
                .filter(|f: &f64| f.is_finite())
                .map(Value::Float),
            Kind::Int32 | Kind::IntOrString => text.parse::<i32>().ok().map(|int| Value::Int(int.into())),
            _ => text.parse().ok().map(Value::Int),
        };
        if value.is_none() {
            self.mismatch(&format!("number {text}"), go, has_unmarshaler(kind));
        }
        Ok(value)
    }

    pub(super) fn wrong(&mut self, kind: Kind, token: Token, go: &str) -> Scanned<Option<Value>> {
        if token == Token::Null {
            self.reader.null()?;
            return Ok(None);
        }
        if self.lenient {
            return self.any().map(Some);
        }
        self.mismatch(token.word(), go, has_unmarshaler(kind));
        self.reader.skip()?;
        Ok(None)
    }

    pub(super) fn refuse(&mut self, message: &str) -> Scanned<Option<Value>> {
        self.save(message.to_owned(), true);
        self.reader.skip()?;
        Ok(None)
    }
}
