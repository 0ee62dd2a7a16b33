//! Declarations: types with the sizes that values may have and, where they come from a schema, with how they are read.

use std::sync::Arc;

use schema::row::{Form, Kind, Shape, TypeId, TypesRef};

use crate::types::{Fields, Object, Type};

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

/// What a row declares. Sizes are not known: nothing of built-in types is bounded.
pub(crate) fn row_decl(types: &TypesRef, form: &Form, ty: TypeId) -> Decl {
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
