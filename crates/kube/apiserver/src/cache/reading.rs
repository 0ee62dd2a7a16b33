//! From a row of the store to an object, once for each revision: whoever writes it, the cache and every later reader
//! share what the first of them has read.

use std::sync::Arc;

use schema::object::{Obj, Order, Revision, ScanError};
use store::KeyValue;

use super::place::place;

/// The object in a row.
///
/// # Errors
/// What is stored is no object.
pub(crate) fn read(row: &KeyValue) -> Result<Arc<Obj>, ScanError> {
    row.reading.get_or_make(|| {
        let key = String::from_utf8_lossy(&row.key);
        let (prefix, order) = place(&key).unwrap_or(("", Order::Declared));
        let revision = Revision(row.mod_revision.0);
        Obj::new(&key[prefix.len()..], revision, row.value.clone(), order)
    })
}

/// The object in a row; none, which is logged, if it is not one.
pub(super) fn object(row: &KeyValue) -> Option<Arc<Obj>> {
    let object = read(row);
    if let Err(error) = &object {
        let key = String::from_utf8_lossy(&row.key);
        tracing::error!(%key, %error, "what is stored is no object");
    }
    object.ok()
}
