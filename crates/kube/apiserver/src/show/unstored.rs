//! What is not stored, in another form than its own: a Scale, a component's status, what a dry run would have written.

use http::StatusCode;
use printers::{ListMeta, Options, SCALE};
use schema::cursor::{self, Ref};
use schema::json::encode;
use schema::row::Types;
use schema::status::Status;
use schema::tree::{Struct, Value};

use super::view::{Form, Printing, View, a_list, no_list, partial, partial_items, printing};
use crate::negotiate::{Accepted, Convert, JSON, PROTOBUF, YAML};
use crate::server::State;
use crate::{Answer, Call, Reply, Served};

/// An object, or a list of objects, that comes from no row of the store.
pub(crate) struct Unstored<'a> {
    /// 200, or 201 of a creation
    pub(crate) code: StatusCode,
    /// `Scale`
    pub(crate) kind: &'a str,
    /// The table of its type.
    pub(crate) types: &'a Types,
    /// The tree, with kind and version.
    pub(crate) object: &'a Struct,
}

/// Answers with it in the form that the client wants.
///
/// # Errors
/// See [`View::parse`]; 406 for the form of a list where there is none, the other way round, and for a Table of what has
/// no columns.
pub(crate) fn unstored(
    state: &State,
    call: &Call,
    made: &Unstored<'_>,
    (to, accepted): (&Convert, &Accepted),
) -> Answer<Reply> {
    let view = View::parse(state, call, to)?;
    let served = call.served()?;
    let list = made.kind == served.list_kind();
    let shown = match (view.form, list) {
        (Form::Table(..), _) => made.table(&view, served, list)?,
        (Form::Partial(version), false) => partial(version, &made.bytes(made.object))?,
        (Form::PartialList(version), true) => {
            let bodies = made
                .objects(list)
                .into_iter()
                .map(|object| Ok(made.bytes(&object)));
            partial_items(version, &made.meta(), bodies)?
        }
        (Form::Partial(_), true) => return Err(a_list(served, made.kind).into()),
        (Form::PartialList(_), false) => return Err(no_list(served, made.kind).into()),
    };
    view.reply(accepted, made.code, shown)
}

impl<'a> Unstored<'a> {
    /// The object, or those of the list, each with its kind.
    fn objects(&self, list: bool) -> Vec<Struct> {
        if !list {
            return vec![self.object.clone()];
        }
        let all = Ref::new(self.types, self.object);
        let version = all.at("apiVersion").str();
        let kind = self.kind.strip_suffix("List").unwrap_or(self.kind);
        let named = |item: &Struct| {
            let mut item = item.clone();
            cursor::set(self.types, &mut item, "apiVersion", Value::str(version));
            cursor::set(self.types, &mut item, "kind", Value::str(kind));
            item
        };
        all.at("items")
            .items()
            .filter_map(Ref::object)
            .map(named)
            .collect()
    }

    fn bytes(&self, object: &Struct) -> Vec<u8> {
        let mut out = Vec::new();
        encode(self.types, object, &mut out);
        out
    }

    fn meta(&self) -> ListMeta<'a> {
        let metadata = Ref::new(self.types, self.object).at("metadata");
        ListMeta {
            resource_version: metadata.at("resourceVersion").str(),
            ..ListMeta::default()
        }
    }

    fn table(&self, view: &View, served: &Served, list: bool) -> Answer<Vec<u8>> {
        let Form::Table(version, include) = view.form else {
            return Err(Status::internal("a table was not asked for").into());
        };
        let options = Options {
            version,
            include,
            headers: true,
        };
        let print = self.printing(served, list)?;
        let mut table = print.table(&self.meta(), options);
        for object in self.objects(list) {
            let row = Ref::new(self.types, &object);
            let written = table.row(row, view.now(), &self.bytes(&object));
            written.map_err(Status::internal)?;
        }
        Ok(table.finish())
    }

    /// Custom columns are printed of a Scale, too; what is only asked (a review, a token) has no columns.
    fn printing<'s>(&self, served: &'s Served, list: bool) -> Answer<Printing<'s>> {
        let own = list || self.kind == served.def.kind;
        let asked = served.version().list.is_none();
        match self.kind {
            "Scale" if served.custom_version().is_none() => Ok(Printing::Kind(&SCALE)),
            "Scale" => Ok(printing(served)),
            _ if own && !asked => Ok(printing(served)),
            _ => Err(Status::not_acceptable(&[JSON, YAML, PROTOBUF]).into()),
        }
    }
}
