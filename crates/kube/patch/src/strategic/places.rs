//! Where items of a list stand, looked up by what they are known by: lists are as long as a request may be, and
//! comparing all with all would take minutes.

use std::collections::HashMap;

use schema::tree::Value;

use super::Done;
use super::order::identity;
use crate::Error;

/// Positions in a list. A list with an item that has no merge key is known up to there: only who looks further hears
/// of it, as if the list were walked.
pub(super) struct Places<'a> {
    key: &'a str,
    at: HashMap<Vec<u8>, usize>,
    fault: Option<Error>,
}

impl<'a> Places<'a> {
    /// Of a list whose items are known by a merge key, or by themselves if it is empty.
    pub(super) fn of(list: &[Value], key: &'a str) -> Self {
        let mut places = Self {
            key,
            at: HashMap::new(),
            fault: None,
        };
        for (at, item) in list.iter().enumerate() {
            match identity(item, key) {
                Ok(known) => drop(places.at.entry(mark(known)).or_insert(at)),
                Err(fault) => {
                    places.fault = Some(fault);
                    break;
                }
            }
        }
        places
    }

    /// Where the first item stands that is known by the same.
    ///
    /// # Errors
    /// The item, or one of the list before it is found, has no merge key.
    pub(super) fn find(&self, item: &Value) -> Done<Option<usize>> {
        match (self.at.get(&mark(identity(item, self.key)?)), &self.fault) {
            (Some(at), _) => Ok(Some(*at)),
            (None, Some(fault)) => Err(fault.clone()),
            (None, None) => Ok(None),
        }
    }
}

/// Equal for equal values, and for no others: a number with a fraction is not the same as one without.
pub(super) fn mark(value: &Value) -> Vec<u8> {
    let mut mark = vec![match value {
        Value::Int(_) => b'i',
        Value::Float(_) => b'f',
        _ => b'v',
    }];
    schema::json::encode_untyped(value, &mut mark);
    mark
}
