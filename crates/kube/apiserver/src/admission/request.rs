//! One write as admission sees it (upstream's `admission.Attributes`).

use schema::BUILTIN;
use schema::cursor::Ref;
use schema::row::Types;
use schema::status::Status;
use schema::tree::Struct;

use crate::Refused;
use crate::registry::{DeleteOptions, Op};

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    /// A new object.
    Create,
    /// A changed one.
    Update,
    /// The end of one.
    Delete,
    /// A connection to what the object stands for: exec, attach, port-forward, proxy.
    Connect,
}

impl Operation {
    /// `CREATE`
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Create => "CREATE",
            Self::Update => "UPDATE",
            Self::Delete => "DELETE",
            Self::Connect => "CONNECT",
        }
    }
}

/// What an object is called: that of a path below a resource (`Scale`, `Binding`) is another than the resource's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Kind<'a> {
    /// `apps`; empty for the core.
    pub(crate) group: &'a str,
    /// `v1`
    pub(crate) version: &'a str,
    /// `Deployment`
    pub(crate) kind: &'a str,
}

impl<'a> Kind<'a> {
    /// The kind of the resource that is written.
    fn of(op: &Op<'a>) -> Self {
        Self {
            group: &op.served.def.group,
            version: &op.served.version().name,
            kind: &op.served.def.kind,
        }
    }
}

/// A write. Objects are trees of the stored version; where the requested one is another, `op.served` knows it.
#[derive(Clone, Copy)]
pub(crate) struct Request<'a> {
    /// The server, the user, the resource, the namespace, the subresource, `dryRun`, the parameters.
    pub(crate) op: &'a Op<'a>,
    /// What is done.
    pub(crate) operation: Operation,
    /// What the object is.
    pub(crate) kind: Kind<'a>,
    /// The table of the object's types.
    pub(crate) types: &'a Types,
    /// The object's name; empty before one is generated.
    pub(crate) name: &'a str,
    /// The object as it stands; none of a creation and a connection.
    pub(crate) old: Option<Ref<'a>>,
    /// How to delete; none of everything else.
    pub(crate) delete: Option<&'a DeleteOptions>,
}

impl<'a> Request<'a> {
    fn new(op: &'a Op<'a>, operation: Operation, name: &'a str) -> Self {
        Self {
            op,
            operation,
            kind: Kind::of(op),
            types: op.types(),
            name,
            old: None,
            delete: None,
        }
    }

    /// A new object.
    pub(crate) fn create(op: &'a Op<'a>, name: &'a str) -> Self {
        Self::new(op, Operation::Create, name)
    }

    /// A changed object.
    pub(crate) fn update(op: &'a Op<'a>, old: Ref<'a>) -> Self {
        Self {
            old: Some(old),
            ..Self::new(op, Operation::Update, &op.name)
        }
    }

    /// An object that is changed through a smaller one of a built-in kind; `old` is that.
    pub(crate) fn view(op: &'a Op<'a>, kind: Kind<'a>, old: &'a Struct) -> Self {
        Self {
            kind,
            types: &BUILTIN,
            ..Self::update(op, Ref::new(&BUILTIN, old))
        }
    }

    /// The end of an object.
    pub(crate) fn delete(op: &'a Op<'a>, options: &'a DeleteOptions, old: Ref<'a>) -> Self {
        Self {
            old: Some(old),
            delete: Some(options),
            ..Self::new(op, Operation::Delete, &op.name)
        }
    }

    /// What is posted to a path below an object, and is of a kind of its own: a `Binding`, an `Eviction`.
    pub(crate) fn post(op: &'a Op<'a>, kind: Kind<'a>) -> Self {
        Self {
            kind,
            types: &BUILTIN,
            ..Self::create(op, &op.name)
        }
    }

    /// A connection; the object is its options (`PodExecOptions`).
    pub(crate) fn connect(op: &'a Op<'a>, kind: Kind<'a>) -> Self {
        Self {
            kind,
            types: &BUILTIN,
            ..Self::new(op, Operation::Connect, &op.name)
        }
    }

    /// Whether it is about a resource, on whichever path.
    pub(crate) fn is_of(&self, group: &str, plural: &str) -> bool {
        self.op.served.def.plural == plural && self.op.served.def.group == group
    }

    /// Whether it is about a resource's objects themselves.
    pub(crate) fn is(&self, group: &str, plural: &str) -> bool {
        self.op.subresource.is_empty() && self.is_of(group, plural)
    }

    /// 403 in the words of upstream's `admission.NewForbidden`: `pods "x" is forbidden: why`.
    pub(crate) fn forbidden(&self, object: Option<Ref<'_>>, why: &str) -> Refused {
        let generated = object.map_or("", |object| object.path("metadata.generateName").str());
        let unnamed = if generated.is_empty() {
            "Unknown"
        } else {
            generated
        };
        let name = match (
            self.name,
            object.map_or("", |object| object.path("metadata.name").str()),
        ) {
            ("", "") => unnamed,
            ("", own) => own,
            (name, _) => name,
        };
        Status::forbidden(self.op.served.group_resource(), name, why).into()
    }
}
