//! Signatures as they are written in the tables: `.string, int -> string`.

use std::sync::Arc;

use crate::types::Type;
use crate::value::Value;

/// One overload of a function.
#[derive(Clone, Debug)]
pub(crate) struct Signature {
    /// Whether it is called on its first argument.
    pub(crate) member: bool,
    pub(crate) parameters: Vec<Type>,
    pub(crate) result: Type,
    /// How many types the caller brings: `A`, `B`.
    pub(crate) variables: u32,
}

impl Signature {
    /// Reads a signature of the tables. They are constants; what cannot be read is a dynamic type, and a test
    /// looks for those.
    pub(super) fn parse(text: &'static str) -> Self {
        let member = text.starts_with('.');
        let (parameters, result) = text
            .trim_start_matches('.')
            .split_once("->")
            .unwrap_or((text, ""));
        let parameters = split(parameters).map(parse).collect();
        let variables = ["A", "B"].iter().filter(|name| mentions(text, name)).count();
        Self {
            member,
            parameters,
            result: parse(result),
            variables: if variables == 0 { 0 } else { 2 },
        }
    }
}

impl Signature {
    /// Whether values are what the parameters ask for, as far as that shows at run time.
    pub(crate) fn accepts(&self, args: &[Value<'_>]) -> bool {
        self.parameters.len() == args.len()
            && self.parameters.iter().zip(args).all(|(ty, arg)| takes(ty, arg))
    }
}

fn takes(ty: &Type, value: &Value<'_>) -> bool {
    match (ty, value) {
        (Type::Var(_) | Type::Dyn, _) => true,
        (Type::Map(_) | Type::Object(_), Value::Map(_)) => true,
        (ty, value) => ty.same_sort(&value.ty()),
    }
}

fn mentions(text: &str, name: &str) -> bool {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '.')
        .any(|word| word == name)
}

/// Splits at the commas outside of parentheses.
fn split(text: &'static str) -> impl Iterator<Item = &'static str> {
    let mut depth = 0_u8;
    text.split(move |c| {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        c == ',' && depth == 0
    })
    .map(str::trim)
    .filter(|part| !part.is_empty())
}

const PLAIN: &[(&str, Type)] = &[
    ("dyn", Type::Dyn),
    ("null", Type::Null),
    ("bool", Type::Bool),
    ("int", Type::Int),
    ("uint", Type::Uint),
    ("double", Type::Double),
    ("string", Type::String),
    ("bytes", Type::Bytes),
    ("duration", Type::Duration),
    ("timestamp", Type::Timestamp),
    ("A", Type::Var(0)),
    ("B", Type::Var(1)),
];

fn parse(text: &'static str) -> Type {
    let text = text.trim();
    if let Some((_, plain)) = PLAIN.iter().find(|(name, _)| *name == text) {
        return plain.clone();
    }
    let Some((name, inner)) = text.strip_suffix(')').and_then(|text| text.split_once('(')) else {
        return Type::Opaque(text);
    };
    let mut parameters = split(inner).map(parse);
    let mut next = || parameters.next().unwrap_or(Type::Dyn);
    match name {
        "list" => Type::list(next()),
        "optional" => Type::optional(next()),
        "type" => Type::Type(Arc::new(next())),
        _ => {
            let key = next();
            Type::map(key, next())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_are_read() {
        let read = Signature::parse(".list(optional(A)), map(A, B), net.IP -> type(A)");
        assert!(read.member);
        let texts: Vec<String> = read.parameters.iter().map(ToString::to_string).collect();
        assert_eq!(
            texts,
            ["list(optional_type(_var0))", "map(_var0, _var1)", "net.IP"]
        );
        assert_eq!(read.result.to_string(), "type(_var0)");
        assert_eq!(Signature::parse("-> optional(A)").parameters.len(), 0);
    }
}
