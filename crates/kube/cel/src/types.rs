//! Types of expressions, as the checker deduces them and upstream prints them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use schema::row::{Form, Kind, Shape, TypeId, TypesRef};

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

/// What a row declares. Sizes are not known: nothing of built-in types is bounded.
fn row_decl(types: &TypesRef, form: &Form, ty: TypeId) -> Decl {
    let one = match form.kind {
        Kind::Bool => Decl::of(Type::Bool),
        Kind::Int32 | Kind::Int64 => Decl::of(Type::Int),
        Kind::Float64 => Decl::of(Type::Double),
        Kind::String | Kind::Quantity => Decl::of(Type::String),
        Kind::Bytes => Decl::of(Type::Bytes),
        Kind::Time | Kind::MicroTime => Decl::of(Type::Timestamp),
        Kind::Duration => Decl::of(Type::String),
        Kind::Strings => Decl::list(Decl::of(Type::String)),
        Kind::Struct => Decl::object(row_object(types.clone(), ty)),
        Kind::IntOrString
        | Kind::Raw
        | Kind::SchemaOrArray
        | Kind::SchemaOrBool
        | Kind::SchemaOrStrings
        | Kind::Any
        | Kind::Nested => Decl::of(Type::Dyn),
    };
    match form.shape {
        Shape::Value | Shape::Ptr => one,
        Shape::List => Decl::list(one),
        Shape::Map => Decl::map(one),
    }
}

/// The object type of a row.
pub fn row_object(types: TypesRef, ty: TypeId) -> Arc<Object> {
    let (package, name) = types.type_name(ty);
    let name = format!("io.k8s.api.{}.{name}", package.replace('/', ".")).into();
    let fields = Fields::Rows(types, ty);
    Arc::new(Object { name, fields })
}

/// A type as it is declared: with the sizes that its values may have and, where it comes from a schema, with
/// how its values are to be read.
#[derive(Clone, Debug)]
pub struct Decl {
    /// What it is.
    pub form: DeclForm,
    /// The most characters, bytes, items or entries; `u64::MAX` if there is no bound. Zero for what has no size:
    /// that is what upstream's cost estimates reckon with.
    pub max: u64,
    /// The least bytes of JSON that a value takes.
    pub min_bytes: u64,
    /// How lists compare and are added to.
    pub list: ListKind,
}

/// What a declaration declares.
#[derive(Clone, Debug)]
pub enum DeclForm {
    /// One value without parts, or anything.
    Plain(Type),
    /// A list.
    List(Arc<Decl>),
    /// A map from strings.
    Map(Arc<Decl>),
    /// An object.
    Object(Arc<Object>),
}

/// `x-kubernetes-list-type`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ListKind {
    /// Order matters.
    #[default]
    Atomic,
    /// Each item once; order does not matter.
    Set,
    /// Each item is known by these fields.
    Map(Box<[Box<str>]>),
}

impl Decl {
    fn new(form: DeclForm) -> Self {
        let sized = match &form {
            DeclForm::Plain(ty) => matches!(
                ty,
                Type::String | Type::Bytes | Type::Dyn | Type::List(_) | Type::Map(_)
            ),
            DeclForm::List(_) | DeclForm::Map(_) => true,
            DeclForm::Object(_) => false,
        };
        Self {
            form,
            max: if sized { u64::MAX } else { 0 },
            min_bytes: 2,
            list: ListKind::Atomic,
        }
    }

    /// A value of a type that has no declared parts.
    pub fn of(plain: Type) -> Self {
        Self::new(DeclForm::Plain(plain))
    }

    /// A list.
    pub fn list(items: Self) -> Self {
        Self::new(DeclForm::List(Arc::new(items)))
    }

    /// A map from strings.
    pub fn map(values: Self) -> Self {
        Self::new(DeclForm::Map(Arc::new(values)))
    }

    /// An object.
    pub fn object(object: Arc<Object>) -> Self {
        Self::new(DeclForm::Object(object))
    }

    /// The same with a bound on its size.
    #[must_use]
    pub fn at_most(self, max: u64) -> Self {
        Self { max, ..self }
    }

    /// The same with the least that its JSON takes.
    #[must_use]
    pub(crate) fn at_least_bytes(self, min_bytes: u64) -> Self {
        Self { min_bytes, ..self }
    }

    /// The declaration of a field, where this is an object.
    pub(crate) fn field(&self, name: &str) -> Option<Arc<Self>> {
        match &self.form {
            DeclForm::Object(object) => object.field(name),
            _ => None,
        }
    }

    /// The declaration of items or of a map's values.
    pub(crate) fn element(&self) -> Option<Arc<Self>> {
        match &self.form {
            DeclForm::List(element) | DeclForm::Map(element) => Some(element.clone()),
            _ => None,
        }
    }

    /// The type of its values.
    pub fn ty(&self) -> Type {
        match &self.form {
            DeclForm::Plain(ty) => ty.clone(),
            DeclForm::List(items) => Type::list(items.ty()),
            DeclForm::Map(values) => Type::map(Type::String, values.ty()),
            DeclForm::Object(object) => Type::Object(object.clone()),
        }
    }
}
