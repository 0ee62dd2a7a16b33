//! One write on its way: for whom, on what, and how.

use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use http::StatusCode;
use kinds::{Context, Strategy, User};
use schema::object::Obj;
use schema::row::Types;
use schema::tree::Struct;

use super::convert;
use crate::negotiate::FieldValidation;
use crate::server::State;
use crate::{Answer, Call, Reply, Served, custom};

/// The options that all writes have (`CreateOptions`, `UpdateOptions`, `PatchOptions`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Options {
    /// Do everything but write.
    pub(crate) dry_run: bool,
    /// Who owns what is set: the parameter, or what the client calls itself.
    pub(crate) manager: String,
    /// What to do about unknown fields.
    pub(crate) fields: FieldValidation,
    /// Take fields from their owners (apply only).
    pub(crate) force: bool,
}

/// A write.
pub(crate) struct Op<'a> {
    /// The server.
    pub(crate) state: &'a State,
    /// The request.
    pub(crate) call: &'a Call,
    /// The resource and version that it was asked for.
    pub(crate) served: &'a Served,
    /// What is special about the kind.
    pub(crate) strategy: &'static Strategy,
    /// Empty for cluster-scoped resources.
    pub(crate) namespace: &'a str,
    /// Empty where it is in the body, or to be generated.
    pub(crate) name: String,
    /// `status`; empty for the object itself.
    pub(crate) subresource: &'a str,
    /// How.
    pub(crate) options: Options,
    /// A server-side apply: the tree comes with its owners.
    pub(crate) applied: bool,
    /// The time of the request.
    pub(crate) now: SystemTime,
}

impl<'a> Op<'a> {
    /// A write of what the call's path names.
    pub(crate) fn new(state: &'a State, call: &'a Call, served: &'a Served, options: Options) -> Self {
        let info = &call.info;
        Self {
            state,
            call,
            served,
            strategy: served.strategy(),
            namespace: if served.namespaced() { &info.namespace } else { "" },
            name: info.name.clone(),
            subresource: &info.subresource,
            options,
            applied: false,
            now: state.env.wall(),
        }
    }

    /// The table of the object's types.
    pub(crate) fn types(&self) -> &'a Types {
        &self.served.def.types
    }

    /// What a strategy is told.
    pub(crate) fn with_context<T>(&self, ask: impl FnOnce(&Context<'_>) -> T) -> T {
        let user = &self.call.user;
        ask(&Context {
            types: self.types(),
            now: self.now,
            version: &self.served.version().name,
            namespace: self.namespace,
            name: &self.name,
            subresource: self.subresource,
            user: User {
                name: &user.name,
                uid: &user.uid,
                groups: &user.groups,
                extra: Some(&user.extra),
            },
        })
    }

    /// Completes what a client has sent: defaults that upstream sets in code, and what a custom resource's schema says
    /// of `null`.
    pub(crate) fn complete(&self, tree: &mut Struct) {
        if let Some(version) = self.served.custom_version() {
            custom::settle(version, self.types(), tree);
        }
        (self.strategy.default)(self.types(), tree);
    }

    /// What the store shall hold of an object: of a custom resource the tree is in the version that was asked for.
    ///
    /// # Errors
    /// 500 when it cannot be had in the stored version.
    pub(crate) async fn value(&self, tree: &Struct) -> Answer<Bytes> {
        match custom::conversion::webhook(self.served) {
            Some(hook) if !convert::is_stored(self.served) => hook.value(self.state, self.served, tree).await,
            _ => convert::value(self.served, tree),
        }
    }

    /// The store's key of an object of this name.
    pub(crate) fn key(&self, name: &str) -> String {
        self.served.key(self.namespace, name)
    }

    /// The key of an object of this name in the request's namespace, below its resource's prefix.
    pub(crate) fn namespaced(&self, name: &str) -> String {
        format!("{}/{name}", self.namespace)
    }

    /// Whether the resource has a path `status`, which alone sets that member.
    pub(crate) fn has_status(&self) -> bool {
        let all = &self.served.version().subresources;
        all.iter().any(|subresource| subresource.name == "status")
    }
}

/// What came of a write.
#[derive(Clone, Debug)]
pub(crate) enum Stored {
    /// It is in the store.
    Object(Arc<Obj>),
    /// It would be (dry run): a tree of the stored version.
    Dry(Box<Struct>),
}

impl Stored {
    /// The answer to the client.
    ///
    /// # Errors
    /// 500 when the object cannot be had in the served version.
    pub(crate) fn reply(self, served: &Served, code: StatusCode) -> Answer<Reply> {
        match self {
            Self::Object(object) => Ok(Reply::Object {
                code,
                served: served.clone(),
                object,
            }),
            Self::Dry(tree) => Ok(Reply::Tree {
                code,
                api_version: served.api_version(),
                kind: served.def.kind.to_string(),
                types: served.def.types.clone(),
                object: Box::new(convert::from_stored(served, *tree)?),
            }),
        }
    }
}
