//! Fields that an apply wants and others own, in upstream's words.

use schema::json::go_quote;
use schema::status::{Cause, Status};

use super::entry::Entry;
use crate::fieldset::Path;

/// One field, and who owns it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Conflict {
    /// `"kubectl" using apps/v1`; without a version for one that applied it
    pub manager: String,
    /// Where
    pub path: Path<'static>,
}

/// How a message names a manager. Upstream means to tell the time too, and never has it here.
pub(super) fn manager(entry: &Entry<'_>) -> String {
    let mut out = go_quote(&entry.manager);
    if !entry.subresource.is_empty() {
        out.push_str(&format!(" with subresource {}", go_quote(&entry.subresource)));
    }
    if !entry.applied() {
        out.push_str(&format!(" using {}", entry.api_version));
    }
    out
}

/// 409 `Apply failed with 1 conflict: conflict with "kubectl" using apps/v1: .spec.replicas`
pub(super) fn status(conflicts: &[Conflict]) -> Status {
    let cause = |conflict: &Conflict| Cause {
        reason: "FieldManagerConflict".to_owned(),
        message: format!("conflict with {}", conflict.manager),
        field: conflict.path.to_string(),
    };
    Status::apply_conflict(message(conflicts), conflicts.iter().map(cause).collect())
}

fn message(conflicts: &[Conflict]) -> String {
    if let [Conflict { manager, path }] = conflicts {
        return format!("Apply failed with 1 conflict: conflict with {manager}: {path}");
    }
    let mut lines = Vec::new();
    for of_one in conflicts.chunk_by(|one, other| one.manager == other.manager) {
        lines.push(format!("conflicts with {}:", of_one[0].manager));
        lines.extend(of_one.iter().map(|conflict| format!("- {}", conflict.path)));
    }
    format!(
        "Apply failed with {} conflicts: {}",
        conflicts.len(),
        lines.join("\n")
    )
}
