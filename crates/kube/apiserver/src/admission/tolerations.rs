//! `DefaultTolerationSeconds` (upstream's plugin of this name): a pod stays five minutes on a node that is not ready or
//! cannot be reached, unless it says otherwise.

use schema::cursor::{self, Ref};
use schema::tree::{Struct, Value};

use super::{Operation, Request, tree};
use crate::Answer;

const TAINTS: [&str; 2] = ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"];

/// Seconds that a pod stays.
const PATIENCE: i64 = 300;

/// Adds what the pod does not tolerate itself.
///
/// # Errors
/// None.
pub(super) fn mutate(request: &Request<'_>, pod: Option<&mut Struct>) -> Answer<()> {
    let writes = matches!(request.operation, Operation::Create | Operation::Update);
    if let Some(pod) = pod.filter(|_| writes && request.is("", "pods")) {
        for taint in TAINTS {
            if !tolerates(Ref::new(request.types, pod), taint) {
                add(request, pod, taint);
            }
        }
    }
    Ok(())
}

fn tolerates(pod: Ref<'_>, taint: &str) -> bool {
    let mut tolerations = pod.path("spec.tolerations").items();
    tolerations.any(|toleration| {
        ["", taint].contains(&toleration.at("key").str())
            && ["", "NoExecute"].contains(&toleration.at("effect").str())
    })
}

fn add(request: &Request<'_>, pod: &mut Struct, taint: &str) {
    let text = r#"{"operator": "Exists", "effect": "NoExecute"}"#;
    let mut toleration = tree::piece("core/v1", "Toleration", text);
    cursor::set(request.types, &mut toleration, "key", Value::str(taint));
    cursor::set(
        request.types,
        &mut toleration,
        "tolerationSeconds",
        Value::Int(PATIENCE),
    );
    tree::push_object(request.types, pod, "spec.tolerations", toleration);
}
