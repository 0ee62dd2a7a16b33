//! The row of a kind: upstream's `pkg/registry/*/strategy.go` as data.

use std::collections::BTreeMap;
use std::time::SystemTime;

use schema::cursor::Ref;
use schema::field::Errors;
use schema::row::Types;
use schema::tree::Struct;

use crate::rules::names;

/// Who asks. Only few kinds look: certificate requests record it.
#[derive(Clone, Copy, Debug, Default)]
pub struct User<'a> {
    /// `system:serviceaccount:default:default`
    pub name: &'a str,
    /// The user's uid; mostly empty.
    pub uid: &'a str,
    /// The user's groups.
    pub groups: &'a [String],
    /// What the authenticator knows besides.
    pub extra: Option<&'a BTreeMap<String, Vec<String>>>,
}

/// The request that a strategy is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The table that the trees' types are in.
    pub types: &'a Types,
    /// The time of the request.
    pub now: SystemTime,
    /// The API version of the request, without its group: `v1`. Trees are in the storage version all the same.
    pub version: &'a str,
    /// The namespace; empty for cluster-scoped kinds.
    pub namespace: &'a str,
    /// The object's name; empty where a name is yet to be generated.
    pub name: &'a str,
    /// `status`, `resize`, `scale`; empty for the object itself.
    pub subresource: &'a str,
    /// Who asks.
    pub user: User<'a>,
}

/// When `metadata.generation` is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Generation {
    /// Never: it stays 0.
    None,
    /// 1 at create; one more whenever an update of the object itself changes `spec` (the strategy has
    /// prepared both sides).
    Spec,
    /// The same, for kinds without a `spec`: whenever anything but metadata and `status` changes.
    Content,
}

/// Checks a name; with `prefix`, a `generateName`, to which more will be appended. Texts of what is wrong.
pub type NameRule = fn(name: &str, prefix: bool) -> Vec<String>;

/// A field that list and watch can select by, beside `metadata.name` and `metadata.namespace`.
#[derive(Clone, Copy, Debug)]
pub struct SelectableField {
    /// As clients name it: `spec.nodeName`
    pub name: &'static str,
    /// Where its value stands; several paths joined by `|` if the first that is there and not empty counts.
    pub path: &'static str,
    /// The value where nothing stands: `""`, `"false"`, `"0"`
    pub absent: &'static str,
}

impl SelectableField {
    /// A text field that clients name as it stands in the object.
    pub const fn text(path: &'static str) -> Self {
        let (name, absent) = (path, "");
        Self { name, path, absent }
    }

    /// The same for a boolean.
    pub const fn boolean(path: &'static str) -> Self {
        let (name, absent) = (path, "false");
        Self { name, path, absent }
    }

    /// The field's value in an object, as selectors compare it.
    pub fn value(&self, object: Ref<'_>) -> String {
        let values = self.path.split('|').map(|path| object.path(path));
        let printed = values.map(|value| match (value.integer(), value.boolean()) {
            (Some(int), _) => int.to_string(),
            (_, Some(boolean)) => boolean.to_string(),
            _ => value.str().to_owned(),
        });
        let mut found = printed.filter(|text| !text.is_empty());
        found.next().unwrap_or_else(|| self.absent.to_owned())
    }
}

/// An update through a path below the object, where the kind has its own way (not `status`, not `scale`).
#[derive(Clone, Copy, Debug)]
pub struct Subresource {
    /// `resize`, `ephemeralcontainers`, `approval`, `finalize`
    pub name: &'static str,
    /// Takes over from the old object what this path cannot change.
    pub prepare: fn(&Context, new: &mut Struct, old: &Struct),
    /// Validates an update through this path.
    pub validate: fn(&Context, new: Ref, old: Ref, &mut Errors),
}

/// Paths (joined by dots) that requests to a subresource cannot set and therefore do not own: upstream's
/// `GetResetFields`. The object itself is the subresource `""`.
pub type Reset = (&'static str, &'static [&'static str]);

/// What is special about a kind.
///
/// Generic, and so never a kind's work: names, uid, creation time, `metadata.generation`, validation of
/// `metadata`; `status` is wiped on create and kept on update of the object itself; an update of
/// `status` changes nothing else of the object but metadata.
///
/// Every function is asked with trees in the storage version, except [`Strategy::default`], which sees the
/// version that the request came in.
#[derive(Clone, Copy, Debug)]
pub struct Strategy {
    /// Defaults that upstream sets in code, after those that the rows declare. Idempotent.
    pub default: fn(&Types, &mut Struct),
    /// Drops and sets fields of a new object.
    pub prepare_create: fn(&Context, &mut Struct),
    /// Drops and sets fields of an updated object; also takes over what clients may not change silently.
    pub prepare_update: fn(&Context, new: &mut Struct, old: &Struct),
    /// The same for an update of `status`, after the generic part.
    pub prepare_status: fn(&Context, new: &mut Struct, old: &Struct),
    /// Validates a new object, without `metadata`'s generic rules.
    pub validate_create: fn(&Context, Ref, &mut Errors),
    /// Validates an update, without `metadata`'s generic rules.
    pub validate_update: fn(&Context, new: Ref, old: Ref, &mut Errors),
    /// Validates an update of `status`.
    pub validate_status: fn(&Context, new: Ref, old: Ref, &mut Errors),
    /// Warnings for the client, at create (no old object) and update.
    pub warn: fn(&Context, new: Ref, old: Option<Ref>) -> Vec<String>,
    /// The rule for `metadata.name` and `metadata.generateName`.
    pub name: NameRule,
    /// When generation is counted.
    pub generation: Generation,
    /// Whether a PUT to a name that does not exist creates the object.
    pub create_on_update: bool,
    /// Whether an update may leave out `metadata.resourceVersion`.
    pub unconditional_update: bool,
    /// How many seconds the object stays when it is deleted, given what the client asked for; none if it goes at
    /// once.
    pub graceful: fn(&Context, Ref, requested: Option<i64>) -> Option<i64>,
    /// Whether dependents are orphaned when a deletion says nothing about them.
    pub orphan: bool,
    /// The warning for a deletion that says nothing about dependents, if any.
    pub orphan_warning: &'static str,
    /// Fields that list and watch can select by, beside the name and the namespace.
    pub fields: &'static [SelectableField],
    /// Updates through other paths than the object itself, `status` and `scale`.
    pub subresources: &'static [Subresource],
    /// What which path cannot set.
    pub resets: &'static [Reset],
}

/// A resource that is nothing special.
pub const PLAIN: Strategy = Strategy {
    default: |_, _| {},
    prepare_create: |_, _| {},
    prepare_update: |_, _, _| {},
    prepare_status: |_, _, _| {},
    validate_create: |_, _, _| {},
    validate_update: |_, _, _, _| {},
    validate_status: |_, _, _, _| {},
    warn: |_, _, _| Vec::new(),
    name: names::dns_subdomain,
    generation: Generation::None,
    create_on_update: false,
    unconditional_update: true,
    graceful: |_, _, _| None,
    orphan: false,
    orphan_warning: "",
    fields: &[],
    subresources: &[],
    resets: &[("", &["status"]), ("status", &["spec"])],
};

/// One line of the table: group, plural, what is special.
pub type Row = (&'static str, &'static str, &'static Strategy);
