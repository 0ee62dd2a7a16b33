//! Objects in another form than their own: rows of a Table, or their metadata alone.

use std::sync::Arc;
use std::time::UNIX_EPOCH;

use driver::Env;
use http::StatusCode;
use printers::{Include, ListMeta, MetaVersion, Options, Printer, Table, partial_object, printer};
use schema::BUILTIN;
use schema::cursor::Ref;
use schema::json::{Options as Decoding, decode};
use schema::object::{Obj, Revision};
use schema::row::TypesRef;
use schema::status::Status;
use schema::tree::Struct;

use crate::custom::Columns;
use crate::negotiate::{self, Accepted, Convert, Encoding};
use crate::registry::convert;
use crate::server::State;
use crate::{Answer, Call, Reply, Served};

/// How a client wants to see objects.
pub(crate) struct View {
    pub(super) form: Form,
    /// A watch tells the columns with its first row.
    headers: bool,
    env: Arc<dyn Env>,
}

#[derive(Clone, Copy)]
pub(super) enum Form {
    Table(MetaVersion, Include),
    Partial(MetaVersion),
    /// Of a list: what a single object is not.
    PartialList(MetaVersion),
}

impl View {
    /// What a client accepts, with the options of its query.
    ///
    /// # Errors
    /// 400 for an `includeObject` that there is not, 406 for another form.
    pub(crate) fn parse(state: &State, call: &Call, to: &Convert) -> Answer<Self> {
        let version = MetaVersion::parse(&to.version).unwrap_or_default();
        let form = match to.kind.as_str() {
            "Table" => {
                let include = Include::parse(call.query.get("includeObject").unwrap_or_default());
                Form::Table(
                    version,
                    include.map_err(|why| Status::bad_request(why.to_string()))?,
                )
            }
            "PartialObjectMetadata" => Form::Partial(version),
            "PartialObjectMetadataList" => Form::PartialList(version),
            _ => return Err(Status::not_acceptable(&[negotiate::JSON]).into()),
        };
        let env = state.env.clone();
        let headers = true;
        Ok(Self { form, headers, env })
    }

    /// Names the encoding, without the columns.
    pub(crate) fn key(&self) -> String {
        match self.form {
            Form::Table(version, include) => format!("table {version:?} {include:?}"),
            Form::Partial(version) | Form::PartialList(version) => format!("partial {version:?}"),
        }
    }

    /// Whether the next Table tells its columns.
    pub(crate) fn tells_columns(&self) -> bool {
        self.headers && matches!(self.form, Form::Table(..))
    }

    /// The columns have been told.
    pub(crate) fn columns_told(&mut self) {
        self.headers = false;
    }

    pub(super) fn now(&self) -> i64 {
        let since = self.env.wall().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
    }

    /// One object as JSON.
    ///
    /// # Errors
    /// 500 for bytes that are no object.
    pub(crate) fn frame(&self, served: &Served, object: &Obj) -> Answer<Vec<u8>> {
        let bytes = convert::bytes(served, object)?;
        match self.form {
            Form::Table(version, include) => {
                let tree = convert::live(served, object)?;
                self.table(served, &tree, &bytes, version, include)
            }
            Form::Partial(version) | Form::PartialList(version) => partial(version, &bytes),
        }
    }

    /// A bookmark, which is an object with hardly anything in it.
    pub(crate) fn bookmark(&self, served: &Served, object: &Struct, bytes: &[u8]) -> Vec<u8> {
        let shown = match self.form {
            Form::Table(version, include) => self.table(served, object, bytes, version, include),
            Form::Partial(version) | Form::PartialList(version) => partial(version, bytes),
        };
        shown.unwrap_or_default()
    }

    fn table(
        &self,
        served: &Served,
        object: &Struct,
        bytes: &[u8],
        version: MetaVersion,
        include: Include,
    ) -> Answer<Vec<u8>> {
        let row = Ref::new(&served.def.types, object);
        let meta = ListMeta {
            resource_version: row.path("metadata.resourceVersion").str(),
            ..ListMeta::default()
        };
        let options = Options {
            version,
            include,
            headers: self.headers,
        };
        let print = printing(served);
        let mut table = print.table(&meta, options);
        table.row(row, self.now(), bytes).map_err(Status::internal)?;
        Ok(table.finish())
    }

    /// JSON as it is; other encodings by way of the tree.
    pub(super) fn reply(&self, accepted: &Accepted, code: StatusCode, json: Vec<u8>) -> Answer<Reply> {
        if accepted.encoding == Encoding::Json {
            return Ok(Reply::Http(negotiate::json(code, accepted.pretty, json)));
        }
        let (kind, version) = match self.form {
            Form::Table(version, _) => ("Table", version),
            Form::Partial(version) => ("PartialObjectMetadata", version),
            Form::PartialList(version) => ("PartialObjectMetadataList", version),
        };
        let ty = BUILTIN
            .find("meta/v1", kind)
            .ok_or_else(|| Status::not_acceptable(&[negotiate::JSON]))?;
        let tree = decode(&BUILTIN, ty, &json, Decoding::default()).map_err(Status::internal)?;
        Ok(Reply::Tree {
            code,
            api_version: version.api_version().to_owned(),
            kind: kind.to_owned(),
            types: TypesRef::Static(&BUILTIN),
            object: Box::new(tree.object),
        })
    }

    fn list(&self, served: &Served, objects: &[Arc<Obj>], meta: &ListMeta<'_>) -> Answer<Vec<u8>> {
        match self.form {
            Form::Table(version, include) => {
                let options = Options {
                    version,
                    include,
                    headers: true,
                };
                let print = printing(served);
                let mut table = print.table(meta, options);
                for object in objects {
                    let tree = convert::live(served, object)?;
                    let row = Ref::new(&served.def.types, &tree);
                    let bytes = convert::bytes(served, object)?;
                    table.row(row, self.now(), &bytes).map_err(Status::internal)?;
                }
                Ok(table.finish())
            }
            Form::PartialList(version) => {
                let bodies = objects.iter().map(|object| convert::bytes(served, object));
                partial_items(version, meta, bodies)
            }
            Form::Partial(_) => Err(a_list(served, &format!("{}List", served.def.kind)).into()),
        }
    }
}

/// Who writes the cells: the kind's printer, or what a custom resource's definition says.
pub(super) enum Printing<'a> {
    Kind(&'static Printer),
    Custom(&'a Columns),
}

pub(super) fn printing(served: &Served) -> Printing<'_> {
    match served.custom_version() {
        Some(version) => Printing::Custom(&version.columns),
        None => Printing::Kind(printer(&served.def.group, &served.def.plural)),
    }
}

impl<'a> Printing<'a> {
    pub(super) fn table(&'a self, meta: &ListMeta<'_>, options: Options) -> Table<'a> {
        match self {
            Self::Kind(printer) => Table::new(printer, meta, options),
            Self::Custom(columns) => Table::with(
                columns.headers(),
                |row, cells| columns.print(row, cells),
                meta,
                options,
            ),
        }
    }
}

pub(super) fn partial(version: MetaVersion, bytes: &[u8]) -> Answer<Vec<u8>> {
    let mut out = Vec::new();
    partial_object(version, bytes, &mut out).map_err(Status::internal)?;
    Ok(out)
}

/// The metadata of each of these objects, as a list.
pub(super) fn partial_items<B: AsRef<[u8]>>(
    version: MetaVersion,
    meta: &ListMeta<'_>,
    bodies: impl Iterator<Item = Answer<B>>,
) -> Answer<Vec<u8>> {
    let api_version = version.api_version();
    let head = format!(r#"{{"kind":"PartialObjectMetadataList","apiVersion":"{api_version}","metadata":"#);
    let mut out = head.into_bytes();
    meta.write(&mut out);
    out.extend_from_slice(b",\"items\":[");
    for (at, body) in bodies.enumerate() {
        if at > 0 {
            out.push(b',');
        }
        partial_object(version, body?.as_ref(), &mut out).map_err(Status::internal)?;
    }
    out.extend_from_slice(b"]}");
    Ok(out)
}

/// Refuses the form of an object to a list.
pub(super) fn a_list(served: &Served, kind: &str) -> Status {
    let version = &served.version().name;
    let why = format!(
        "you requested PartialObjectMetadata, but the requested object is a list (*{version}.{kind})"
    );
    Status::failure(406, "NotAcceptable", why)
}

/// Refuses the form of a list to an object.
pub(super) fn no_list(served: &Served, kind: &str) -> Status {
    let version = &served.version().name;
    let why = format!(
        "you requested PartialObjectMetadataList, but the requested object is not a list (*{version}.{kind})"
    );
    Status::failure(406, "NotAcceptable", why)
}

/// Answers with one object in another form.
///
/// # Errors
/// See [`View::parse`]; 406 for a form that only lists have.
pub(crate) fn object(
    state: &State,
    call: &Call,
    served: &Served,
    object: &Obj,
    (to, accepted): (&Convert, &Accepted),
    code: StatusCode,
) -> Answer<Reply> {
    let view = View::parse(state, call, to)?;
    if matches!(view.form, Form::PartialList(_)) {
        return Err(no_list(served, &served.def.kind).into());
    }
    view.reply(accepted, code, view.frame(served, object)?)
}

/// Answers with a list in another form.
///
/// # Errors
/// See [`View::parse`]; 406 for a form that lists do not have.
pub(crate) fn list(
    state: &State,
    call: &Call,
    served: &Served,
    objects: &[Arc<Obj>],
    (revision, continues, remaining): (Revision, &str, Option<usize>),
    (to, accepted): (&Convert, &Accepted),
) -> Answer<Reply> {
    let revision = revision.0.to_string();
    let meta = ListMeta {
        resource_version: &revision,
        continue_token: continues,
        remaining: remaining.and_then(|count| i64::try_from(count).ok()),
    };
    let view = View::parse(state, call, to)?;
    view.reply(accepted, StatusCode::OK, view.list(served, objects, &meta)?)
}
