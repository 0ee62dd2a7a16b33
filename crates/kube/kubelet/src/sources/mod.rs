//! Where pods of a node come from: the API, and files of the node.
//!
//! Both are looked at for what runs already before either speaks: what belongs to neither is ended.

pub(crate) mod api;
mod files;
mod manifest;
pub(crate) mod mirrors;
mod references;

use std::collections::BTreeMap;
use std::sync::Arc;

use async_channel::Sender;
use futures_util::future::join;

use crate::container::{ObservedPod, Uid};
use crate::run::Core;

/// What runs already and nobody has taken yet.
type Found = BTreeMap<Uid, ObservedPod>;

/// Follows both. `starting` is dropped once the pods that are there at the start have their workers.
pub(crate) async fn run(core: Arc<Core>, starting: Sender<()>) {
    let observed = core.parts.runtime.observe();
    let mut found: Found = observed.into_iter().map(|pod| (pod.uid.clone(), pod)).collect();
    let files = files::open(core.clone(), &mut found).await;
    join(files.run(), api::run(core, found, starting)).await;
}
