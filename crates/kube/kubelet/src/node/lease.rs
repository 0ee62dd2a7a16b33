//! The node's Lease in `kube-node-lease`: its heartbeat, small enough to be renewed every ten seconds.

use std::time::{Duration, SystemTime};

use client::{Client, Error, Resource, WriteOptions};
use jiff::Timestamp;
use serde_json::{Value, json};

/// How often it is renewed.
pub(super) const RENEWAL: Duration = Duration::from_secs(10);

/// How long a renewal holds.
const SECONDS: u64 = 40;

const NAMESPACE: &str = "kube-node-lease";

static LEASES: Resource = Resource::new("coordination.k8s.io", "v1", "leases", "Lease", true);

/// A node's lease, as it was last seen; none when it has to be read first.
#[derive(Debug)]
pub(super) struct Lease {
    node: Box<str>,
    seen: Option<Value>,
}

impl Lease {
    pub(super) fn of(node: &str) -> Self {
        Self {
            node: node.into(),
            seen: None,
        }
    }

    /// Renews it; makes it if it is not there. `uid` is the Node's, which owns it.
    ///
    /// # Errors
    /// The server's; the next renewal reads what is there first.
    pub(super) async fn renew(&mut self, client: &Client, uid: &str, now: SystemTime) -> Result<(), Error> {
        let before = match self.seen.take() {
            Some(lease) => Some(lease),
            None => self.read(client).await?,
        };
        let renewed = renewed(before, &self.node, uid, now);
        let (collection, options) = (LEASES.within(NAMESPACE), WriteOptions::default());
        let written = if renewed["metadata"].get("resourceVersion").is_some() {
            let place = collection.named(&self.node);
            client.update(place, renewed.to_string(), &options).await?
        } else {
            client.create(collection, renewed.to_string(), &options).await?
        };
        self.seen = Some(written.read()?);
        Ok(())
    }

    async fn read(&self, client: &Client) -> Result<Option<Value>, Error> {
        match client.get(LEASES.within(NAMESPACE).named(&self.node)).await {
            Ok(lease) => lease.read().map(Some),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// The lease, held by the node from now on. Its owner is set if it has none: then it goes with the Node.
fn renewed(before: Option<Value>, node: &str, uid: &str, now: SystemTime) -> Value {
    let mut lease = before.unwrap_or_else(|| json!({"metadata": {"name": node}}));
    let owned = lease["metadata"]["ownerReferences"]
        .as_array()
        .is_some_and(|owners| !owners.is_empty());
    if !owned && !uid.is_empty() {
        let owner = json!({"apiVersion": "v1", "kind": "Node", "name": node, "uid": uid});
        lease["metadata"]["ownerReferences"] = json!([owner]);
    }
    lease["spec"]["holderIdentity"] = json!(node);
    lease["spec"]["leaseDurationSeconds"] = json!(SECONDS);
    lease["spec"]["renewTime"] = json!(micro(now));
    lease
}

/// `MicroTime`: six digits.
fn micro(wall: SystemTime) -> String {
    let now = Timestamp::try_from(wall).unwrap_or_default();
    format!("{now:.6}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: SystemTime = SystemTime::UNIX_EPOCH;

    #[test]
    fn a_new_lease_is_held_for_forty_seconds_and_goes_with_its_node() {
        let lease = renewed(None, "n", "u1", NOW);
        let spec = json!({
            "holderIdentity": "n", "leaseDurationSeconds": 40, "renewTime": "1970-01-01T00:00:00.000000Z",
        });
        assert_eq!(lease["spec"], spec);
        assert_eq!(lease["metadata"]["ownerReferences"][0]["uid"], "u1");
    }

    #[test]
    fn a_renewal_changes_nothing_else() {
        let first = renewed(None, "n", "u1", NOW);
        let mut expected = first.clone();
        expected["spec"]["renewTime"] = json!("1970-01-01T00:00:10.500000Z");
        let later = NOW + Duration::from_millis(10_500);
        assert_eq!(renewed(Some(first), "n", "u2", later), expected);
    }
}
