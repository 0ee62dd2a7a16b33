//! `/pods`: the pods of this node.

use std::sync::Arc;

use apiserver::Body;
use http::Response;
use schema::object::Prefix;

use crate::answer;
use crate::server::{Call, State};

/// A PodList, of the bytes that the API has.
pub(crate) async fn answer(state: Arc<State>, _: Call) -> Response<Body> {
    let (prefix, all) = (Prefix::none(), state.lookup.all());
    let mut list = br#"{"kind":"PodList","apiVersion":"v1","metadata":{},"items":"#.to_vec();
    if all.is_empty() {
        // As Go writes a list that nobody made.
        list.extend_from_slice(b"null}");
        return answer::json(list);
    }
    for (at, object) in all.iter().enumerate() {
        list.push(if at == 0 { b'[' } else { b',' });
        object.serve_into(&prefix, &mut list);
    }
    list.extend_from_slice(b"]}");
    answer::json(list)
}
