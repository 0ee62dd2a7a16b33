//! What a new cluster holds before anybody asks. (AUTH)

use std::sync::Arc;

use crate::OpenError;
use crate::server::State;

/// Writes what is not there yet.
#[expect(clippy::unused_async, reason = "AUTH fills this in")]
pub(crate) async fn run(_state: &Arc<State>) -> Result<(), OpenError> {
    Ok(())
}
