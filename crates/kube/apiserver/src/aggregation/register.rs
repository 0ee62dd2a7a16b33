//! The APIServices of custom resources, which this server itself serves (`crdRegistrationController`, `autoregister`).

use std::collections::BTreeSet;

use serde_json::Value;
use store::Expect;

use super::PREFIX;
use crate::bootstrap;
use crate::server::State;

/// The label of an APIService that comes and goes with what is served.
const LABEL: &str = "kube-aggregator.kubernetes.io/automanaged";

/// Makes the APIServices that are missing, and takes away those of versions that are served no more.
pub(super) async fn settle(state: &State) {
    let wanted = served(state);
    let snapshot = state.cache.snapshot(PREFIX);
    for (group, version) in &wanted {
        let name = format!("{version}.{group}");
        if snapshot.get(&name).is_none()
            && let Err(error) = bootstrap::register(state, group, version).await
        {
            tracing::warn!(%error, name, "an APIService cannot be written");
        }
    }
    let surplus = snapshot
        .iter()
        .filter(|object| object.meta.label(LABEL) == Some("true"));
    for object in surplus {
        if version_of(object.body()).is_some_and(|version| wanted.contains(&version)) {
            continue;
        }
        let key = format!("{PREFIX}{}", object.meta.name);
        let expect = Expect::At(store::Revision(object.rev.0));
        if let Err(error) = state.store.delete(key.as_str().into(), expect).await {
            tracing::debug!(%error, key, "an APIService was not taken away");
        }
    }
}

/// Groups and versions of custom resources.
fn served(state: &State) -> BTreeSet<(String, String)> {
    let all = state.resources.all().into_iter();
    let custom = all.filter(|served| served.custom().is_some());
    custom
        .map(|served| (served.def.group.to_string(), served.version().name.to_string()))
        .filter(|(group, _)| !state.resources.has_builtin(group))
        .collect()
}

fn version_of(body: &[u8]) -> Option<(String, String)> {
    let object: Value = serde_json::from_slice(body).ok()?;
    let text = |member: &str| object["spec"][member].as_str().unwrap_or_default().to_owned();
    Some((text("group"), text("version")))
}
