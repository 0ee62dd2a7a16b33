//! The rows: what a type is, as data.
//!
//! A [`Types`] is a few flat arrays of small numbers. For the built-in kinds they are `static`
//! (read-only pages of the executable, nothing to set up at start); a custom resource definition
//! owns its arrays. Everything after the lookup is the same code, because both are [`Types`].
//!
//! Two lists describe a type, because upstream's JSON object and protobuf message differ where a
//! member is inlined: *fields* are the JSON members in upstream's order, *wires* the protobuf
//! fields in number order, each pointing at a field's position (its *slot*), or, for an inlined
//! message, at the first slot of the run of fields that it contributes.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

/// A name's position in [`Types::name`]; 0 is the empty name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NameId(pub u16);

/// A type's position in its [`Types`]; dense, and stable only within one build.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TypeId(pub u16);

/// What one value of a field is. The last group are upstream's types with an encoding of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `bool`
    Bool,
    /// `int32`
    Int32,
    /// `int64`
    Int64,
    /// `float64`
    Float64,
    /// `string` and named strings
    String,
    /// `[]byte`: base64 in JSON
    Bytes,
    /// A struct with rows of its own ([`Field::ty`])
    Struct,
    /// A named `[]string`: an array in JSON, a message with one repeated field in protobuf
    Strings,
    /// `metav1.Time`: RFC 3339 in UTC with seconds
    Time,
    /// `metav1.MicroTime`: RFC 3339 in UTC with microseconds
    MicroTime,
    /// `metav1.Duration`: Go's duration text
    Duration,
    /// `resource.Quantity`: canonical text
    Quantity,
    /// `intstr.IntOrString`
    IntOrString,
    /// `runtime.RawExtension`, `metav1.FieldsV1`, `apiextensions.JSON`: any JSON, kept as bytes
    Raw,
    /// `apiextensions.JSONSchemaPropsOrArray`
    SchemaOrArray,
    /// `apiextensions.JSONSchemaPropsOrBool`
    SchemaOrBool,
    /// `apiextensions.JSONSchemaPropsOrStringArray`
    SchemaOrStrings,
    /// Custom resources only: any JSON, as a tree without rows.
    Any,
    /// Custom resources only: what the one field of [`Field::ty`] describes (a list of lists).
    Nested,
}

/// How Go holds the field: by value, by pointer (absent and zero differ), as a slice or a map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// By value: absent is the zero value.
    Value,
    /// By pointer: absent is `nil`.
    Ptr,
    /// A slice.
    List,
    /// A map with string keys.
    Map,
}

/// When JSON shows the field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Emit {
    /// Always; an absent one as Go's zero (`null`, `""`, `0`, `{}` …).
    Always,
    /// Only when it is not Go-empty (`omitempty`, `omitzero`).
    NonEmpty,
    /// When it was given, even if empty: members of custom resources. `null` counts as absent.
    Present,
    /// The same where `null` is a value (`nullable`).
    Nullable,
}

/// What upstream's markers say about leaving the field out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// No marker.
    Unmarked,
    /// `+required`
    Required,
    /// `+optional`
    Optional,
}

/// How server-side apply sees a list, map or struct (`listType`, `mapType`, `structType`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topology {
    /// No marker: lists are atomic, maps and structs granular.
    Unmarked,
    /// One value, owned as a whole.
    Atomic,
    /// A list of unique scalars.
    Set,
    /// A list of objects identified by [`Merge::keys`].
    Map,
}

/// How strategic merge patch treats the field (`patchStrategy`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patch {
    /// The patch's value replaces the old one.
    Replace,
    /// Lists merge by [`Merge::patch_key`], or as sets.
    Merge,
    /// Members not in the patch are dropped.
    RetainKeys,
    /// Both of the above.
    MergeRetainKeys,
}

/// Merge rules of a field, for apply and for strategic merge patch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Merge {
    /// Server-side apply's view.
    pub topology: Topology,
    /// `listMapKey`s, in upstream's order.
    pub keys: Cow<'static, [NameId]>,
    /// Strategic merge patch's view.
    pub patch: Patch,
    /// `patchMergeKey`, or the empty name.
    pub patch_key: NameId,
}

impl Merge {
    /// No markers at all; entry 0 of every table.
    pub const NONE: Self = Self {
        topology: Topology::Unmarked,
        keys: Cow::Borrowed(&[]),
        patch: Patch::Replace,
        patch_key: NameId(0),
    };
}

/// What many fields have in common; a table has a hundred-odd of these for thousands of fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Form {
    /// One value.
    pub kind: Kind,
    /// How many, and how Go holds them.
    pub shape: Shape,
    /// When JSON shows it.
    pub emit: Emit,
    /// Required or optional, as marked.
    pub presence: Presence,
    /// Position in the table's merge rules.
    pub merge: u16,
    /// The default as JSON text (upstream's `+default`), or the empty name.
    pub default: NameId,
}

/// One JSON member of a type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// The member's name.
    pub json: NameId,
    /// The Go type as Go prints it in errors: `[]v1.Container`.
    pub go: NameId,
    /// The struct of [`Kind::Struct`] (and of the `SchemaOr…` kinds).
    pub ty: TypeId,
    form: u16,
}

impl Field {
    /// A row; `form` is a position in the table's forms.
    pub const fn new(json: u16, go: u16, ty: u16, form: u16) -> Self {
        Self {
            json: NameId(json),
            go: NameId(go),
            ty: TypeId(ty),
            form,
        }
    }
}

/// One protobuf field of a type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wire {
    /// The field number.
    pub number: u16,
    /// The slot it fills, or the first slot of the inlined message.
    pub slot: u16,
    inline: u16,
}

impl Wire {
    /// A row; `inline` is the type of an inlined message, or `u16::MAX`.
    pub const fn new(number: u16, slot: u16, inline: u16) -> Self {
        Self { number, slot, inline }
    }

    /// The inlined message's type, where the field is one.
    pub fn inline(self) -> Option<TypeId> {
        (self.inline != u16::MAX).then_some(TypeId(self.inline))
    }
}

/// One struct: its name and where its rows are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Type {
    package: NameId,
    name: NameId,
    fields: (u16, u16),
    wires: (u16, u16),
    marks: Marks,
}

/// What the schema says of an object besides its members. Built-in types know only the last mark.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Marks {
    /// `x-kubernetes-preserve-unknown-fields`: members without a row are kept, as a map in the slot
    /// after the last field ([`Types::rest`]).
    pub open: bool,
    /// `x-kubernetes-embedded-resource`, and the root: has type, version and metadata.
    pub embedded: bool,
    /// `structType=atomic`, `x-kubernetes-map-type: atomic`: server-side apply owns it as a whole, wherever
    /// it stands.
    pub atomic: bool,
}

impl Type {
    /// A row: ids of package and name, then start and length of fields and of wires.
    pub const fn new(package: u16, name: u16, fields: u16, n: u16, wires: u16, m: u16) -> Self {
        Self {
            package: NameId(package),
            name: NameId(name),
            fields: (fields, n),
            wires: (wires, m),
            marks: Marks {
                open: false,
                embedded: false,
                atomic: false,
            },
        }
    }

    /// The same type, owned as a whole.
    #[must_use]
    pub const fn atomic(mut self) -> Self {
        self.marks.atomic = true;
        self
    }

    /// Where its fields are.
    pub(crate) fn run(&self) -> Range<usize> {
        run(self.fields)
    }

    /// A row of a custom resource: no protobuf.
    pub(crate) fn custom(name: NameId, fields: (u16, u16), marks: Marks) -> Self {
        Self {
            package: NameId(0),
            name,
            fields,
            wires: (0, 0),
            marks,
        }
    }
}

/// How many members after the last one found are looked at before all are searched. Most differ in
/// length, so that looking at one is cheaper than a step of a binary search.
const AHEAD: usize = 8;

fn run((start, len): (u16, u16)) -> Range<usize> {
    usize::from(start)..usize::from(start) + usize::from(len)
}

/// A set of types: every built-in one (`BUILTIN`), or those of one custom resource definition
/// ([`crate::custom::Rows`]).
///
/// Invariants, kept by `cargo xtask codegen` and by `Rows`, and checked by a test: ids are in
/// range; built-in types are sorted by (package, name); `sorted` lists each type's slots by name.
#[derive(Clone, Debug)]
pub struct Types {
    pub(crate) text: Cow<'static, str>,
    pub(crate) names: Cow<'static, [u32]>,
    pub(crate) types: Cow<'static, [Type]>,
    pub(crate) fields: Cow<'static, [Field]>,
    pub(crate) sorted: Cow<'static, [u16]>,
    pub(crate) wires: Cow<'static, [Wire]>,
    pub(crate) merges: Cow<'static, [Merge]>,
    pub(crate) forms: Cow<'static, [Form]>,
    /// The row of `ObjectMeta` in a custom resource's table. Outside of it, upstream reads custom
    /// resources without types: what does not fit is kept for validation to name, duplicates
    /// replace, and unknown members are found by a later pass over the schema.
    pub(crate) custom: Option<TypeId>,
}

impl Types {
    /// The text of a name.
    #[inline]
    pub fn name(&self, id: NameId) -> &str {
        let at = usize::from(id.0);
        &self.text[self.names[at] as usize..self.names[at + 1] as usize]
    }

    /// The same as bytes, which need no look at where characters begin.
    #[inline]
    fn bytes(&self, id: NameId) -> &[u8] {
        let at = usize::from(id.0);
        &self.text.as_bytes()[self.names[at] as usize..self.names[at + 1] as usize]
    }

    fn row(&self, ty: TypeId) -> &Type {
        &self.types[usize::from(ty.0)]
    }

    /// Every type's id.
    pub fn ids(&self) -> impl Iterator<Item = TypeId> + use<> {
        (0..u16::try_from(self.types.len()).unwrap_or(u16::MAX)).map(TypeId)
    }

    /// The type's Go package (`core/v1`) and name (`Pod`).
    pub fn type_name(&self, ty: TypeId) -> (&str, &str) {
        let row = self.row(ty);
        (self.name(row.package), self.name(row.name))
    }

    /// The type's JSON members, in upstream's order; the position is the slot.
    #[inline]
    pub fn fields(&self, ty: TypeId) -> &[Field] {
        &self.fields[run(self.row(ty).fields)]
    }

    /// The type's protobuf fields, in number order.
    pub fn wires(&self, ty: TypeId) -> &[Wire] {
        &self.wires[run(self.row(ty).wires)]
    }

    /// The field's kind, shape and rules.
    #[inline]
    pub fn form(&self, field: &Field) -> &Form {
        &self.forms[usize::from(field.form)]
    }

    /// The field's merge rules.
    pub fn merge(&self, field: &Field) -> &Merge {
        &self.merges[usize::from(self.form(field).merge)]
    }

    /// The slot of the member `name`. `hint` and what follows it are tried first: members
    /// mostly come in order.
    pub fn slot(&self, ty: TypeId, name: &str, hint: usize) -> Option<usize> {
        self.slot_of(ty, name.as_bytes(), hint)
    }

    #[inline]
    pub(crate) fn slot_of(&self, ty: TypeId, name: &[u8], hint: usize) -> Option<usize> {
        let fields = self.fields(ty);
        let is_it = |field: &Field| self.bytes(field.json) == name;
        let ahead = fields.iter().skip(hint).take(AHEAD).position(is_it);
        if let Some(ahead) = ahead {
            return Some(hint + ahead);
        }
        let sorted = &self.sorted[run(self.row(ty).fields)];
        let key = |slot: &u16| self.bytes(fields[usize::from(*slot)].json);
        let at = sorted.binary_search_by(|slot| key(slot).cmp(name)).ok()?;
        Some(usize::from(sorted[at]))
    }

    /// What the schema of a custom resource says of the type.
    pub fn marks(&self, ty: TypeId) -> Marks {
        self.row(ty).marks
    }

    /// The slot where an open type keeps its members without a row.
    pub fn rest(&self, ty: TypeId) -> Option<usize> {
        self.marks(ty).open.then(|| self.fields(ty).len())
    }

    /// What a value of [`Kind::Nested`] is; nothing for a type that is not of one field.
    pub fn nested(&self, ty: TypeId) -> Option<(&Field, &Form)> {
        match self.fields(ty) {
            [field] => Some((field, self.form(field))),
            _ => None,
        }
    }

    /// Whether the table is that of a custom resource.
    pub fn is_custom(&self) -> bool {
        self.custom.is_some()
    }

    /// The type with this Go package and name. Built-in types only: those of a custom resource are
    /// in the order they were made.
    pub fn find(&self, package: &str, name: &str) -> Option<TypeId> {
        let key = |row: &Type| (self.name(row.package), self.name(row.name));
        let at = self
            .types
            .binary_search_by(|row| key(row).cmp(&(package, name)))
            .ok()?;
        u16::try_from(at).ok().map(TypeId)
    }

    /// Bytes of data that the table occupies.
    pub fn size(&self) -> usize {
        self.text.len()
            + size_of_val(&*self.names)
            + size_of_val(&*self.types)
            + size_of_val(&*self.fields)
            + size_of_val(&*self.sorted)
            + size_of_val(&*self.wires)
            + size_of_val(&*self.merges)
            + size_of_val(&*self.forms)
    }
}

/// A table that is built in, or shared by the rows of one custom resource definition.
#[derive(Clone, Debug)]
pub enum TypesRef {
    /// In the executable.
    Static(&'static Types),
    /// Made at run time.
    Shared(Arc<Types>),
}

impl std::ops::Deref for TypesRef {
    type Target = Types;

    fn deref(&self) -> &Types {
        match self {
            Self::Static(types) => types,
            Self::Shared(types) => types,
        }
    }
}
