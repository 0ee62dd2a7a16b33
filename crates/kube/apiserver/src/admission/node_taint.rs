//! `TaintNodesByCondition` (upstream's plugin of this name): a new node takes no pods until it is known to be ready.

use schema::cursor::{self, Ref};
use schema::tree::{Struct, Value};

use super::{Operation, Request, tree};
use crate::Answer;

const NOT_READY: &str = "node.kubernetes.io/not-ready";

/// Taints a new node.
///
/// # Errors
/// None.
pub(super) fn mutate(request: &Request<'_>, node: Option<&mut Struct>) -> Answer<()> {
    let creates = request.is("", "nodes") && request.operation == Operation::Create;
    let Some(node) = node.filter(|_| creates) else {
        return Ok(());
    };
    let has = |taint: Ref<'_>| taint.at("key").str() == NOT_READY && taint.at("effect").str() == "NoSchedule";
    let tainted = Ref::new(request.types, node).path("spec.taints").items().any(has);
    if !tainted {
        let mut taint = tree::piece("core/v1", "Taint", r#"{"effect": "NoSchedule"}"#);
        cursor::set(request.types, &mut taint, "key", Value::str(NOT_READY));
        tree::push_object(request.types, node, "spec.taints", taint);
    }
    Ok(())
}
