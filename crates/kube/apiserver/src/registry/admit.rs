//! From what the client sent to what is prepared: whose it is, what admission makes of it, and whether the user may give
//! the rights that it gives. The same for a creation and an update.

use schema::cursor::Ref;
use schema::tree::Struct;

use super::dedup::{Found, dedup_owners};
use super::op::Op;
use super::owners;
use crate::Answer;
use crate::admission::{self, Request};
use crate::authz::check_escalation;

/// Records the writer and lets admission change the tree. `live` is the object before, if there is one.
///
/// # Errors
/// What admission says, 403 for rights that the user does not have.
pub(super) async fn admit(
    op: &Op<'_>,
    request: &Request<'_>,
    live: Option<&Struct>,
    tree: &mut Struct,
) -> Answer<()> {
    if !op.applied {
        dedup_owners(op, tree, Found::InRequest);
        owners::record(op, live, tree);
    }
    admission::mutate(request, Some(tree)).await?;
    dedup_owners(op, tree, Found::AfterAdmission);
    check_escalation(op, Ref::new(op.types(), tree), request.old)
}
