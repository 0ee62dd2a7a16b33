//! What the rows say of a place in an object, as server-side apply sees it (structured-merge-diff `schema`).

use schema::row::{Field, Kind, Merge, Shape, Topology, TypeId, Types};

/// A place in an object of some type, whatever stands there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'t> {
    pub(crate) types: &'t Types,
    is: Is<'t>,
}

#[derive(Clone, Copy, Debug)]
enum Is<'t> {
    /// An object with rows, owned as a whole or by its members.
    Object(TypeId, Ownership),
    /// A list and what its items are.
    List(&'t Merge, Kind, TypeId),
    /// A map and what its values are.
    Map(Ownership, Kind, TypeId),
    Scalar(Kind),
    /// Anything, by its own form: upstream's deduced type.
    Free,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ownership {
    Whole,
    Members,
}

impl From<bool> for Ownership {
    fn from(atomic: bool) -> Self {
        if atomic { Self::Whole } else { Self::Members }
    }
}

/// How what stands at a place is taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Atom<'t> {
    /// A scalar.
    Scalar(Kind),
    /// A list or map that is one value.
    Whole,
    /// A list whose items have identities: by keys, or by value where there are no keys.
    Items(&'t Merge),
    /// A map or an object.
    Members,
    /// Whatever the value's own form is; lists are one value.
    Free,
}

impl<'t> Place<'t> {
    /// The object itself.
    pub(crate) fn object(types: &'t Types, ty: TypeId) -> Self {
        let is = Is::Object(ty, types.marks(ty).atomic.into());
        Self { types, is }
    }

    pub(crate) fn field(types: &'t Types, field: &'t Field) -> Self {
        let form = types.form(field);
        let merge = types.merge(field);
        let atomic = merge.topology == Topology::Atomic;
        let is = match form.shape {
            Shape::List => Is::List(merge, form.kind, field.ty),
            Shape::Map => Is::Map(atomic.into(), form.kind, field.ty),
            Shape::Value | Shape::Ptr => one(types, form.kind, field.ty, atomic),
        };
        Self { types, is }
    }

    pub(crate) fn atom(self) -> Atom<'t> {
        match self.is {
            Is::Object(_, Ownership::Whole) | Is::Map(Ownership::Whole, ..) => Atom::Whole,
            Is::Object(..) | Is::Map(..) => Atom::Members,
            Is::List(merge, ..) if matches!(merge.topology, Topology::Set | Topology::Map) => {
                Atom::Items(merge)
            }
            Is::List(..) => Atom::Whole,
            Is::Scalar(kind) => Atom::Scalar(kind),
            Is::Free => Atom::Free,
        }
    }

    /// The type, where the place is an object's.
    pub(crate) fn ty(self) -> Option<TypeId> {
        match self.is {
            Is::Object(ty, _) => Some(ty),
            _ => None,
        }
    }

    /// What the items of a list or the values of a map are.
    pub(crate) fn inner(self) -> Self {
        let is = match self.is {
            Is::List(_, kind, ty) | Is::Map(_, kind, ty) => one(self.types, kind, ty, false),
            _ => Is::Free,
        };
        Self { is, ..self }
    }

    /// What a member is; nothing where no row has it and none may be without a row.
    pub(crate) fn member(self, name: &str) -> Option<Self> {
        match self.is {
            Is::Object(ty, _) => match self.types.slot(ty, name, 0) {
                Some(slot) => Some(Self::field(self.types, &self.types.fields(ty)[slot])),
                None => self.types.marks(ty).open.then_some(Self { is: Is::Free, ..self }),
            },
            _ => Some(self.inner()),
        }
    }

    /// Whether a member has a row of its own (and is not just any key of a map).
    pub(crate) fn names(self, name: &str) -> bool {
        self.ty().is_some_and(|ty| self.types.slot(ty, name, 0).is_some())
    }

    /// Whether it may only be a list.
    pub(crate) fn is_list(self) -> bool {
        matches!(self.is, Is::List(..))
    }

    /// The default of a member of the items, as JSON: what a key that is left out counts as.
    pub(crate) fn key_default(self, key: &str) -> &'t str {
        let Is::List(_, Kind::Struct, ty) = self.is else {
            return "";
        };
        let slot = self.types.slot(ty, key, 0);
        slot.map_or("", |slot| {
            let field = &self.types.fields(ty)[slot];
            self.types.name(self.types.form(field).default)
        })
    }
}

fn one(types: &Types, kind: Kind, ty: TypeId, atomic: bool) -> Is<'_> {
    match kind {
        Kind::Struct => Is::Object(ty, (atomic || types.marks(ty).atomic).into()),
        Kind::Nested => match types.nested(ty) {
            Some((field, _)) => Place::field(types, field).is,
            None => Is::Free,
        },
        Kind::Strings => Is::List(&Merge::NONE, Kind::String, ty),
        Kind::Raw | Kind::Any | Kind::SchemaOrArray | Kind::SchemaOrBool | Kind::SchemaOrStrings => Is::Free,
        scalar => Is::Scalar(scalar),
    }
}
