//! What a client says it saw: a uid and a version, which must be those of the live object.

use schema::cursor::{self, Ref};
use schema::field::{Error, Path};
use schema::status::{GroupName, Status};
use schema::tree::{Struct, Value};

use crate::registry::{Live, Op};
use crate::{Answer, Refused};

/// The text of a lost race.
const MODIFIED: &str =
    "the object has been modified; please apply your changes to the latest version and try again";

/// 409: the object is not the one that the client means.
pub(super) fn uid_differs(op: &Op<'_>, wanted: &str, found: &str) -> Refused {
    let why = format!(
        "StorageError: invalid object, Code: 4, Key: {}, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID in precondition: {wanted}, UID in object meta: {found}",
        op.key(&op.name)
    );
    Status::conflict(op.served.group_resource(), &op.name, &why).into()
}

/// The version that the client saw, if it says one, must be the live one; the tree has it afterwards.
pub(super) fn check_version(op: &Op<'_>, tree: &mut Struct, live: &Live) -> Answer<()> {
    let types = op.types();
    let resource = op.served.group_resource();
    let given = Ref::new(types, tree).path("metadata.resourceVersion").str();
    let given = if given.is_empty() { "0" } else { given };
    let version: u64 = given.parse().map_err(|_| malformed(op, given))?;
    match version {
        0 if !op.strategy.unconditional_update && !op.types().is_custom() => Err(unconditional(op, resource)),
        0 if op.types().is_custom() => Err(unconditional(op, resource)),
        0 => {
            let live = live.object.rev.0.to_string();
            cursor::set(types, tree, "metadata.resourceVersion", Value::Str(live.into()));
            Ok(())
        }
        version if version == live.object.rev.0 => Ok(()),
        _ => Err(Status::conflict(resource, &op.name, MODIFIED).into()),
    }
}

fn unconditional(op: &Op<'_>, resource: GroupName<'_>) -> Refused {
    let path = Path::new("metadata").child("resourceVersion");
    let error = Error::invalid(&path, 0_i64, "must be specified for an update");
    Status::invalid(resource, &op.name, &vec![error]).into()
}

fn malformed(op: &Op<'_>, given: &str) -> Refused {
    let path = Path::new("metadata").child("resourceVersion");
    let why = format!("strconv.ParseUint: parsing {given:?}: invalid syntax");
    let error = Error::invalid(&path, given, why);
    Status::invalid(op.served.group_kind(), &op.name, &vec![error]).into()
}
