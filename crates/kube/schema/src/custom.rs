//! Rows made at run time: how the schema of a custom resource becomes a [`Types`].
//!
//! The converter from OpenAPI hands the objects of a schema over one by one, inner ones first; each
//! becomes a type. Rows differ from built-in ones where upstream's treatment differs, because it
//! keeps custom resources in maps: members are sorted, empty ones stay, `null` is dropped unless
//! nullable, and what does not fit its row is kept for validation to name. Metadata is the
//! exception: it is `ObjectMeta` in both worlds, printed sorted here.

use crate::generated::BUILTIN;
use crate::resource::{ResourceDef, Subresource, Verbs, Version};
use crate::row::{Emit, Field, Form, Kind, Marks, Merge, NameId, Presence, Shape, Type, TypeId, Types};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// A schema has more names, types or members than a table holds (65,535 of each).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the schema is too large")]
pub struct TooLarge;

/// One property of an object.
#[derive(Clone, Debug)]
pub struct Member<'a> {
    /// Its name.
    pub name: &'a str,
    /// One value of it.
    pub kind: Kind,
    /// The type of [`Kind::Struct`] and [`Kind::Nested`].
    pub ty: TypeId,
    /// One value, a list or a map of them ([`Shape::Ptr`] for one).
    pub shape: Shape,
    /// `null` is a value.
    pub nullable: bool,
    /// In the schema's `required`.
    pub required: bool,
    /// How it merges; the names are given with it.
    pub merge: MemberMerge<'a>,
    /// The default as JSON, or nothing.
    pub default: &'a str,
}

/// `x-kubernetes-list-type`, `-map-type` and `-list-map-keys`.
#[derive(Clone, Copy, Debug)]
pub struct MemberMerge<'a> {
    /// Server-side apply's view.
    pub topology: crate::row::Topology,
    /// Keys of a list that is a map.
    pub keys: &'a [&'a str],
}

impl<'a> Member<'a> {
    /// One optional value of a kind, without rules.
    pub fn new(name: &'a str, kind: Kind) -> Self {
        Self {
            name,
            kind,
            ty: TypeId(0),
            shape: Shape::Ptr,
            nullable: false,
            required: false,
            merge: MemberMerge {
                topology: crate::row::Topology::Unmarked,
                keys: &[],
            },
            default: "",
        }
    }

    /// One optional object.
    pub fn object(name: &'a str, ty: TypeId) -> Self {
        Self {
            ty,
            ..Self::new(name, Kind::Struct)
        }
    }

    /// The same in a list or map.
    #[must_use]
    pub fn shaped(self, shape: Shape) -> Self {
        Self { shape, ..self }
    }
}

/// A table in the making.
#[derive(Debug)]
pub struct Rows {
    text: String,
    names: Vec<u32>,
    known: BTreeMap<String, NameId>,
    types: Vec<Type>,
    fields: Vec<Field>,
    sorted: Vec<u16>,
    merges: Vec<Merge>,
    forms: Vec<Form>,
    metadata: TypeId,
    list_metadata: TypeId,
}

impl Rows {
    /// A table that has the types of metadata.
    ///
    /// # Errors
    /// None in practice; see [`TooLarge`].
    pub fn new() -> Result<Self, TooLarge> {
        let mut rows = Self {
            text: String::new(),
            names: vec![0, 0],
            known: BTreeMap::from([(String::new(), NameId(0))]),
            types: Vec::new(),
            fields: Vec::new(),
            sorted: Vec::new(),
            merges: vec![Merge::NONE],
            forms: Vec::new(),
            metadata: TypeId(0),
            list_metadata: TypeId(0),
        };
        rows.metadata = rows.copy(builtin("ObjectMeta"))?;
        rows.list_metadata = rows.copy(builtin("ListMeta"))?;
        Ok(rows)
    }

    /// Adds an object; its members' types are there already.
    ///
    /// # Errors
    /// See [`TooLarge`].
    pub fn object(&mut self, name: &str, marks: Marks, members: &[Member<'_>]) -> Result<TypeId, TooLarge> {
        let mut rows = Vec::new();
        for member in members {
            rows.push((member.name, self.member(member)?));
        }
        if marks.embedded {
            rows.retain(|(name, _)| !matches!(*name, "apiVersion" | "kind" | "metadata"));
            for name in ["apiVersion", "kind"] {
                rows.push((name, self.member(&Member::new(name, Kind::String))?));
            }
            let metadata = self.one(self.metadata, Emit::Present)?;
            rows.push(("metadata", metadata));
        }
        self.push(name, marks, rows)
    }

    /// Adds the type of the resource itself and that of its list: `members` are those besides
    /// type, version and metadata.
    ///
    /// # Errors
    /// See [`TooLarge`].
    pub fn root(
        &mut self,
        kind: &str,
        open: bool,
        members: &[Member<'_>],
    ) -> Result<(TypeId, TypeId), TooLarge> {
        let embedded = Marks {
            open,
            embedded: true,
            atomic: false,
        };
        let item = self.object(kind, embedded, members)?;
        // A stored body always has metadata.
        let metadata = self.one(self.metadata, Emit::Always)?;
        self.replace(item, "metadata", metadata);
        let list_members = [Member::object("items", item).shaped(Shape::List)];
        let list = self.object(
            &format!("{kind}List"),
            Marks {
                open: false,
                ..embedded
            },
            &list_members,
        )?;
        let metadata = self.one(self.list_metadata, Emit::Always)?;
        self.replace(list, "metadata", metadata);
        Ok((item, list))
    }

    /// The table.
    pub fn finish(self) -> Types {
        Types {
            text: self.text.into(),
            names: self.names.into(),
            types: self.types.into(),
            fields: self.fields.into(),
            sorted: self.sorted.into(),
            wires: Cow::Borrowed(&[]),
            merges: self.merges.into(),
            forms: self.forms.into(),
            custom: Some(self.metadata),
        }
    }

    fn name(&mut self, name: &str) -> Result<NameId, TooLarge> {
        if let Some(id) = self.known.get(name) {
            return Ok(*id);
        }
        let id = NameId(small(self.names.len() - 1)?);
        self.text.push_str(name);
        self.names
            .push(u32::try_from(self.text.len()).map_err(|_| TooLarge)?);
        self.known.insert(name.to_owned(), id);
        Ok(id)
    }

    fn member(&mut self, member: &Member<'_>) -> Result<Field, TooLarge> {
        let merge = self.merge(member.merge)?;
        let form = Form {
            kind: member.kind,
            shape: member.shape,
            emit: if member.nullable {
                Emit::Nullable
            } else {
                Emit::Present
            },
            presence: if member.required {
                Presence::Required
            } else {
                Presence::Optional
            },
            merge,
            default: self.name(member.default)?,
        };
        let json = self.name(member.name)?;
        self.field(json, NameId(0), member.ty, form)
    }

    /// A struct held by value.
    fn one(&mut self, ty: TypeId, emit: Emit) -> Result<Field, TooLarge> {
        let form = Form {
            kind: Kind::Struct,
            shape: if emit == Emit::Always {
                Shape::Value
            } else {
                Shape::Ptr
            },
            emit,
            presence: Presence::Optional,
            merge: 0,
            default: NameId(0),
        };
        let json = self.name("metadata")?;
        let go = self.name("v1.ObjectMeta")?;
        self.field(json, go, ty, form)
    }

    fn merge(&mut self, merge: MemberMerge<'_>) -> Result<u16, TooLarge> {
        let keys: Result<Vec<NameId>, TooLarge> = merge.keys.iter().map(|key| self.name(key)).collect();
        let merge = Merge {
            topology: merge.topology,
            keys: keys?.into(),
            ..Merge::NONE
        };
        position(&mut self.merges, merge)
    }

    fn field(&mut self, json: NameId, go: NameId, ty: TypeId, form: Form) -> Result<Field, TooLarge> {
        Ok(Field::new(json.0, go.0, ty.0, position(&mut self.forms, form)?))
    }

    /// Adds a type, members by name. In a resource type and version lead, so that they can be put
    /// before a stored body.
    fn push(&mut self, name: &str, marks: Marks, mut rows: Vec<(&str, Field)>) -> Result<TypeId, TooLarge> {
        let leads = |name: &str| marks.embedded && matches!(name, "apiVersion" | "kind");
        rows.sort_by_key(|(name, _)| (!leads(name), *name));
        let mut slots: Vec<u16> = (0..small(rows.len())?).collect();
        slots.sort_by_key(|slot| rows[usize::from(*slot)].0);
        let run = (small(self.fields.len())?, small(rows.len())?);
        self.fields.extend(rows.iter().map(|(_, field)| *field));
        self.sorted.extend(slots);
        let name = self.name(name)?;
        self.types.push(Type::custom(name, run, marks));
        Ok(TypeId(small(self.types.len() - 1)?))
    }

    fn replace(&mut self, ty: TypeId, name: &str, field: Field) {
        let run = self.types[usize::from(ty.0)].run();
        let is_it = |old: &&mut Field| self.known.get(name) == Some(&old.json);
        if let Some(old) = self.fields[run].iter_mut().find(is_it) {
            *old = field;
        }
    }

    /// A built-in type and those it holds, which are few and do not recurse.
    fn copy(&mut self, ty: TypeId) -> Result<TypeId, TooLarge> {
        let mut rows = Vec::new();
        for field in BUILTIN.fields(ty) {
            let inner = match BUILTIN.form(field).kind {
                Kind::Struct => self.copy(field.ty)?,
                _ => TypeId(0),
            };
            rows.push((BUILTIN.name(field.json), self.copied(field, inner)?));
        }
        self.push(BUILTIN.type_name(ty).1, BUILTIN.marks(ty), rows)
    }

    fn copied(&mut self, field: &Field, ty: TypeId) -> Result<Field, TooLarge> {
        let form = BUILTIN.form(field);
        let merge = BUILTIN.merge(field);
        let keys: Result<Vec<NameId>, TooLarge> = merge
            .keys
            .iter()
            .map(|key| self.name(BUILTIN.name(*key)))
            .collect();
        let merge = Merge {
            keys: keys?.into(),
            patch_key: self.name(BUILTIN.name(merge.patch_key))?,
            ..merge.clone()
        };
        let form = Form {
            merge: position(&mut self.merges, merge)?,
            default: self.name(BUILTIN.name(form.default))?,
            ..form.clone()
        };
        let json = self.name(BUILTIN.name(field.json))?;
        let go = self.name(BUILTIN.name(field.go))?;
        self.field(json, go, ty, form)
    }
}

fn builtin(name: &str) -> TypeId {
    #[expect(clippy::expect_used, reason = "the table of built-in types has metav1")]
    BUILTIN.find("meta/v1", name).expect("a type of metav1")
}

fn small(number: usize) -> Result<u16, TooLarge> {
    // The largest number is not an id: it stands for "none" in some rows.
    u16::try_from(number)
        .ok()
        .filter(|n| *n < u16::MAX)
        .ok_or(TooLarge)
}

/// Where a value is in the list, put there if need be.
fn position<T: PartialEq>(list: &mut Vec<T>, value: T) -> Result<u16, TooLarge> {
    let at = list.iter().position(|old| *old == value).unwrap_or_else(|| {
        list.push(value);
        list.len() - 1
    });
    small(at)
}

impl Version {
    /// A version of a custom resource, as [`Rows::root`] made its types; it can be done everything
    /// with.
    pub fn custom(name: &str, (schema, list): (TypeId, TypeId), subresources: Vec<Subresource>) -> Self {
        Self {
            name: name.to_owned().into(),
            enabled: true,
            schema,
            list: Some(list),
            verbs: Verbs::ALL,
            subresources: subresources.into(),
        }
    }
}

impl ResourceDef {
    /// The path `status` of a version, whose body is the object itself.
    pub fn status(&self, version: &Version) -> Subresource {
        Subresource {
            name: "status".into(),
            group: self.group.clone(),
            version: version.name.clone(),
            kind: self.kind.clone(),
            schema: version.schema,
            verbs: Verbs(Verbs::GET.0 | Verbs::PATCH.0 | Verbs::UPDATE.0),
        }
    }
}
