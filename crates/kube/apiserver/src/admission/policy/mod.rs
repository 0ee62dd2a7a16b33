//! `MutatingAdmissionPolicy` and `ValidatingAdmissionPolicy`.

use schema::cursor::Ref;
use schema::tree::Struct;

use super::Request;
use crate::Answer;

/// Whether there is a mutating policy at all.
pub(super) fn mutates(_: &Request<'_>) -> bool {
    false
}

/// Lets the policies change what is written.
///
/// # Errors
/// What a policy says.
pub(super) async fn mutate(_: &Request<'_>, _: Option<&mut Struct>) -> Answer<()> {
    Ok(())
}

/// Lets the policies judge what would be stored.
///
/// # Errors
/// What a policy says.
pub(super) async fn validate(_: &Request<'_>, _: Option<Ref<'_>>) -> Answer<()> {
    Ok(())
}
