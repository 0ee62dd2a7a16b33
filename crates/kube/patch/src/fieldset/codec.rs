//! `FieldsV1`: a set as JSON, byte for byte as upstream prints it.

use std::borrow::Cow;

use schema::json::{Reader, SyntaxError, Token, encode_untyped, parse, write_string};
use schema::tree::Value;

use super::{Element, FieldSet, Scalar};

/// Nesting that a set may have; deeper than any object ([`schema::MAX_TREE_DEPTH`]).
const MAX_DEPTH: usize = 500;

/// Text that is not a set of fields.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Not JSON
    #[error(transparent)]
    Syntax(#[from] SyntaxError),
    /// Something other than an object of objects
    #[error("expected an object")]
    NotAnObject,
    /// A key that is not a step
    #[error("parsing key as path element: {0}")]
    Step(String),
}

impl<'a> FieldSet<'a> {
    /// Reads a set. Steps of kinds that upstream does not know are dropped, as it does.
    ///
    /// # Errors
    /// See [`DecodeError`].
    pub fn decode(json: &'a str) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(json.as_bytes());
        let (set, _) = read(&mut reader, 0)?;
        reader.end()?;
        Ok(set)
    }

    /// The set as JSON.
    pub fn encode(&self) -> String {
        let mut out = Vec::with_capacity(256);
        self.print(false, &mut out, &mut Vec::with_capacity(64));
        String::from_utf8(out).unwrap_or_default()
    }

    /// `step` is room for the text of a step, used again and again.
    fn print(&self, own: bool, out: &mut Vec<u8>, step: &mut Vec<u8>) {
        out.push(b'{');
        if own {
            out.extend_from_slice(b"\".\":{}");
        }
        for (index, node) in self.nodes().iter().enumerate() {
            if own || index > 0 {
                out.push(b',');
            }
            step.clear();
            node.element.print(step);
            write_string(out, std::str::from_utf8(step).unwrap_or_default());
            out.push(b':');
            let own = node.member && !node.children.is_empty();
            node.children.print(own, out, step);
        }
        out.push(b'}');
    }
}

/// A set, and whether it is also (or only) a field itself.
fn read<'a>(reader: &mut Reader<'a>, depth: usize) -> Result<(FieldSet<'a>, bool), DecodeError> {
    if reader.peek()? != Token::Object || depth > MAX_DEPTH {
        return Err(DecodeError::NotAnObject);
    }
    let (mut set, mut member, mut first) = (FieldSet::default(), false, true);
    while let Some(key) = reader.key(std::mem::take(&mut first))? {
        if key == "." {
            member = true;
            reader.skip()?;
            continue;
        }
        match element(key)? {
            Some(element) => {
                let (children, member) = read(reader, depth + 1)?;
                set.push(element, member, children);
            }
            None => reader.skip()?,
        }
    }
    set.settle();
    member |= set.is_empty();
    Ok((set, member))
}

/// A step from its text; nothing for a kind that nobody knows yet.
fn element(text: Cow<'_, str>) -> Result<Option<Element<'_>>, DecodeError> {
    let wrong = |why: &str| Err(DecodeError::Step(why.to_owned()));
    let rest = match text.as_bytes() {
        [_, b':', ..] => match text {
            Cow::Borrowed(text) => Cow::Borrowed(&text[2..]),
            Cow::Owned(ref text) => Cow::Owned(text[2..].to_owned()),
        },
        [_, _, ..] => return wrong(&format!("missing colon: {text}")),
        _ => return wrong("key must be 2 characters long:"),
    };
    Ok(Some(match text.as_bytes()[0] {
        b'f' => Element::Field(rest),
        b'v' => match Scalar::of_owned(parse(rest.as_bytes())?) {
            Some(value) => Element::Value(value),
            None => return wrong("the item of a set is a scalar"),
        },
        b'k' => Element::Key(keys(&rest)?),
        b'i' => match rest.parse() {
            Ok(index) => Element::Index(index),
            Err(_) => return wrong(&format!("not an index: {rest}")),
        },
        _ => return Ok(None),
    }))
}

fn keys(json: &str) -> Result<Vec<(Cow<'static, str>, Scalar<'static>)>, DecodeError> {
    let wrong = || DecodeError::Step("the keys of an item are an object of scalars".to_owned());
    let Value::Map(map) = parse(json.as_bytes())? else {
        return Err(wrong());
    };
    let key = |(name, value): (Box<str>, Value)| {
        Scalar::of_owned(value)
            .map(|value| (Cow::Owned(name.into_string()), value))
            .ok_or_else(wrong)
    };
    map.into_entries().into_iter().map(key).collect()
}

impl Element<'_> {
    /// Appends the step's text, before it is quoted as a key.
    fn print(&self, out: &mut Vec<u8>) {
        match self {
            Self::Field(name) => {
                out.extend_from_slice(b"f:");
                out.extend_from_slice(name.as_bytes());
            }
            Self::Key(keys) => {
                out.extend_from_slice(b"k:{");
                for (index, (name, value)) in keys.iter().enumerate() {
                    if index > 0 {
                        out.push(b',');
                    }
                    write_string(out, name);
                    out.push(b':');
                    value.print(out);
                }
                out.push(b'}');
            }
            Self::Value(value) => {
                out.extend_from_slice(b"v:");
                value.print(out);
            }
            Self::Index(index) => out.extend_from_slice(format!("i:{index}").as_bytes()),
        }
    }
}

impl Scalar<'_> {
    fn print(&self, out: &mut Vec<u8>) {
        match self {
            Self::Str(text) => write_string(out, text),
            Self::Int(int) => encode_untyped(&Value::Int(*int), out),
            Self::Float(float) => encode_untyped(&Value::Float(*float), out),
            Self::Bool(truth) => encode_untyped(&Value::Bool(*truth), out),
            Self::Null => encode_untyped(&Value::Null, out),
        }
    }
}
