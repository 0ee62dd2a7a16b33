//! Which runtime a pod wants: `spec.runtimeClassName` leads to a RuntimeClass, and that to the name of a handler.
//!
//! There is one runtime here. The class is looked at where the sandbox is made, as upstream does, so that a pod of a class
//! that this node cannot run is bound, waits, and says why.

use serde::Deserialize;

use super::core::Core;
use crate::pod::Pod;
use crate::resources::RUNTIME_CLASSES;
use crate::traits::Refused;

/// The names that our runtime answers to: its own, and what the usual default of others is called.
const HANDLERS: [&str; 2] = ["gantry", "runc"];

#[derive(Deserialize)]
struct RuntimeClass {
    handler: String,
}

/// Whether a pod may be run by what is here.
///
/// # Errors
/// Its class is not there, or wants another runtime.
pub(super) fn check(core: &Core, pod: &Pod) -> Result<(), Refused> {
    let wanted = pod.spec.runtime_class_name.as_deref().unwrap_or_default();
    if wanted.is_empty() {
        return Ok(());
    }
    let classes = core.parts.informers.of(&RUNTIME_CLASSES).snapshot();
    let class = classes.get(wanted);
    let class = class.and_then(|class| serde_json::from_slice::<RuntimeClass>(class.body()).ok());
    let why = match class {
        None => format!("failed to get sandbox runtime: RuntimeClass.node.k8s.io {wanted:?} not found"),
        Some(class) if HANDLERS.contains(&class.handler.as_str()) => return Ok(()),
        Some(class) => format!(
            "failed to get sandbox runtime: no runtime for {:?} is configured",
            class.handler
        ),
    };
    Err(Refused {
        reason: "FailedCreatePodSandBox".to_owned(),
        message: format!("Failed to create pod sandbox: {why}"),
    })
}
