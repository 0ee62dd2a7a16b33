//! Types of expressions, as the checker deduces them and upstream prints them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use schema::row::{TypeId, TypesRef};

use crate::decl::row_decl;
pub(crate) use crate::decl::{Decl, DeclForm, ListKind, row_object};

/// The type of a value.
#[derive(Clone, Debug)]
pub enum Type {
    /// The type of what has been complained about already.
    Error,
    /// Known only when it is evaluated.
    Dyn,
    /// `null`
    Null,
    /// A boolean.
    Bool,
    /// 64 bits with a sign.
    Int,
    /// 64 bits without a sign.
    Uint,
    /// An IEEE 754 double.
    Double,
    /// Text; its size is in characters.
    String,
    /// Bytes.
    Bytes,
    /// A length of time.
    Duration,
    /// A moment.
    Timestamp,
    /// Items of one type.
    List(Arc<Self>),
    /// Keys and values, each of one type.
    Map(Arc<(Self, Self)>),
    /// A value or none.
    Optional(Arc<Self>),
    /// The type itself, as a value.
    Type(Arc<Self>),
    /// A type of one of the libraries.
    Opaque(&'static str),
    /// An object with known fields.
    Object(Arc<Object>),
    /// Not known yet; in a signature, whatever the caller brings.
    Var(u32),
}

impl Type {
    /// A list of this.
    #[must_use]
    pub fn list(item: Self) -> Self {
        Self::List(Arc::new(item))
    }

    /// A map from the one to the other.
    #[must_use]
    pub fn map(key: Self, value: Self) -> Self {
        Self::Map(Arc::new((key, value)))
    }

    /// An optional of this.
    #[must_use]
    pub fn optional(of: Self) -> Self {
        Self::Optional(Arc::new(of))
    }

    pub(crate) fn is_dyn_or_error(&self) -> bool {
        matches!(self, Self::Dyn | Self::Error)
    }

    /// The types that this one is made of.
    pub(crate) fn parameters(&self) -> [Option<&Self>; 2] {
        match self {
            Self::List(of) | Self::Optional(of) | Self::Type(of) => [Some(of), None],
            Self::Map(entry) => [Some(&entry.0), Some(&entry.1)],
            _ => [None, None],
        }
    }

    /// The same type with others for its parameters.
    #[must_use]
    pub(crate) fn with(&self, mut parameter: impl FnMut(&Self) -> Self) -> Self {
        match self {
            Self::List(of) => Self::list(parameter(of)),
            Self::Optional(of) => Self::optional(parameter(of)),
            Self::Type(of) => Self::Type(Arc::new(parameter(of))),
            Self::Map(entry) => {
                let key = parameter(&entry.0);
                Self::map(key, parameter(&entry.1))
            }
            other => other.clone(),
        }
    }

    /// Whether the types are of the same sort, whatever their parameters are.
    pub(crate) fn same_sort(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Opaque(one), Self::Opaque(other)) => one == other,
            (Self::Object(one), Self::Object(other)) => one.name == other.name,
            (Self::Var(one), Self::Var(other)) => one == other,
            (one, other) => std::mem::discriminant(one) == std::mem::discriminant(other),
        }
    }
}

/// Objects are the same when their names are.
impl PartialEq for Type {
    fn eq(&self, other: &Self) -> bool {
        self.same_sort(other) && self.parameters() == other.parameters()
    }
}

/// As cel-go writes types in its messages.
impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Error => f.write_str("!error!"),
            Self::Dyn => f.write_str("dyn"),
            Self::Null => f.write_str("null"),
            Self::Bool => f.write_str("bool"),
            Self::Int => f.write_str("int"),
            Self::Uint => f.write_str("uint"),
            Self::Double => f.write_str("double"),
            Self::String => f.write_str("string"),
            Self::Bytes => f.write_str("bytes"),
            Self::Duration => f.write_str("duration"),
            Self::Timestamp => f.write_str("timestamp"),
            Self::List(of) => write!(f, "list({of})"),
            Self::Map(entry) => write!(f, "map({}, {})", entry.0, entry.1),
            Self::Optional(of) => write!(f, "optional_type({of})"),
            Self::Type(of) => write!(f, "type({of})"),
            Self::Opaque(name) => f.write_str(name),
            Self::Object(object) => f.write_str(&object.name),
            Self::Var(number) => write!(f, "_var{number}"),
        }
    }
}

/// An object type: its name and its fields.
#[derive(Clone, Debug)]
pub struct Object {
    /// The name in messages.
    pub name: Box<str>,
    /// The fields, by the names that expressions use.
    pub fields: Fields,
}

/// Where the fields of an object type come from.
#[derive(Clone, Debug)]
pub enum Fields {
    /// They are listed: schemas of custom resources, `request`.
    Listed(BTreeMap<Box<str>, Arc<Decl>>),
    /// They are the rows of a type.
    Rows(TypesRef, TypeId),
    /// Any name is a field of any type.
    Any,
}

impl Object {
    /// An object of these fields.
    pub fn listed(name: &str, fields: impl IntoIterator<Item = (&'static str, Decl)>) -> Arc<Self> {
        let fields = fields
            .into_iter()
            .map(|(name, decl)| (name.into(), Arc::new(decl)))
            .collect();
        Arc::new(Self {
            name: name.into(),
            fields: Fields::Listed(fields),
        })
    }

    /// The declaration of a field.
    pub fn field(&self, name: &str) -> Option<Arc<Decl>> {
        match &self.fields {
            Fields::Listed(fields) => fields.get(name).cloned(),
            Fields::Any => Some(Arc::new(Decl::of(Type::Dyn))),
            Fields::Rows(types, ty) => {
                let slot = types.slot(*ty, name, 0)?;
                let field = &types.fields(*ty)[slot];
                Some(Arc::new(row_decl(types, types.form(field), field.ty)))
            }
        }
    }
}
