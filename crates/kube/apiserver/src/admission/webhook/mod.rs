//! Mutating and validating webhooks.

use schema::cursor::Ref;
use schema::tree::Struct;

use super::Request;
use crate::Answer;

/// Whether there is a mutating webhook at all.
pub(super) fn mutates(_: &Request<'_>) -> bool {
    false
}

/// Lets the webhooks change what is written. Whether one did, so that the plugins before must look again.
///
/// # Errors
/// What a webhook says, or what its failure is to the client.
pub(super) async fn mutate(_: &Request<'_>, _: Option<&mut Struct>) -> Answer<bool> {
    Ok(false)
}

/// Lets the webhooks judge what would be stored.
///
/// # Errors
/// What a webhook says, or what its failure is to the client.
pub(super) async fn validate(_: &Request<'_>, _: Option<Ref<'_>>) -> Answer<()> {
    Ok(())
}
