//! The addresses of a service as Endpoints have them: those that serve the same ports make one subset.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use views::Family;

use super::ports::{Port, resolve};
use super::wire::Reference;
use super::{Asked, Backend};

/// Addresses in one object at most.
const MOST: usize = 1_000;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Subset {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) addresses: Vec<Address>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) not_ready_addresses: Vec<Address>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) ports: Vec<Port>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Address {
    ip: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    hostname: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    node_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target_ref: Option<Reference>,
}

/// The pods that are endpoints, with their addresses of the service's first family.
pub(super) fn counted(asked: &Asked) -> Vec<(&Backend, Address)> {
    let family = asked.view.endpoint_families().first().copied();
    let staying = |pod: &&Backend| asked.view.publish_not_ready || pod.view.deleting.is_none();
    let pods = asked.pods.iter().filter(|pod| pod.counts()).filter(staying);
    pods.filter_map(|pod| Some((pod, address(asked, pod, family?)?)))
        .collect()
}

fn address(asked: &Asked, pod: &Backend, family: Family) -> Option<Address> {
    let ip = pod.view.ip.filter(|ip| Family::of(*ip) == family)?;
    Some(Address {
        ip: ip.to_string(),
        hostname: pod.hostname(asked.meta()).map(str::to_owned),
        node_name: (!pod.view.node.is_empty()).then(|| pod.view.node.to_string()),
        target_ref: Some(Reference::to(pod)),
    })
}

pub(super) fn is_ready(asked: &Asked, pod: &Backend) -> bool {
    asked.view.publish_not_ready || pod.view.is_ready()
}

/// Addresses of equal ports together, by address.
pub(super) fn subsets(asked: &Asked) -> Vec<Subset> {
    let mut serving: Vec<(Option<Port>, BTreeMap<Address, bool>)> = Vec::new();
    for (pod, address) in counted(asked) {
        for port in ports(asked, pod) {
            let at = serving.iter().position(|(known, _)| *known == port);
            let at = at.unwrap_or_else(|| {
                serving.push((port, BTreeMap::new()));
                serving.len() - 1
            });
            serving[at].1.insert(address.clone(), is_ready(asked, pod));
        }
    }
    let mut packed: BTreeMap<Vec<(Address, bool)>, Vec<Port>> = BTreeMap::new();
    for (port, addresses) in serving {
        packed
            .entry(addresses.into_iter().collect())
            .or_default()
            .extend(port);
    }
    packed
        .into_iter()
        .map(|(addresses, ports)| Subset::new(addresses, ports))
        .collect()
}

impl Subset {
    fn new(addresses: Vec<(Address, bool)>, ports: Vec<Port>) -> Self {
        let (ready, not): (Vec<_>, Vec<_>) = addresses.into_iter().partition(|(_, ready)| *ready);
        let plain =
            |addresses: Vec<(Address, bool)>| addresses.into_iter().map(|(address, _)| address).collect();
        Self {
            addresses: plain(ready),
            not_ready_addresses: plain(not),
            ports,
        }
    }
}

/// A pod's ports; one that is none for a headless service that has none, whose pods are endpoints all the same.
fn ports(asked: &Asked, pod: &Backend) -> Vec<Option<Port>> {
    if asked.view.ports.is_empty() {
        return if asked.view.is_headless() {
            vec![None]
        } else {
            Vec::new()
        };
    }
    let nameless = |port: Port| Port {
        name: port.name.filter(|name| !name.is_empty()),
        ..port
    };
    let resolved = resolve(&asked.view, &pod.view).into_iter();
    resolved.map(|port| Some(nameless(port))).collect()
}

/// Leaves out what is over a thousand, those that are not ready first, each subset in proportion; says whether it did.
pub(super) fn truncate(subsets: &mut [Subset]) -> bool {
    let count =
        |of: fn(&Subset) -> &Vec<Address>| subsets.iter().map(|subset| of(subset).len()).sum::<usize>();
    let ready = count(|subset| &subset.addresses);
    let not_ready = count(|subset| &subset.not_ready_addresses);
    if ready + not_ready <= MOST {
        return false;
    }
    if ready > MOST {
        subsets
            .iter_mut()
            .for_each(|subset| subset.not_ready_addresses.clear());
        shorten(
            subsets.iter_mut().map(|subset| &mut subset.addresses),
            ready,
            MOST,
        );
    } else {
        let lists = subsets.iter_mut().map(|subset| &mut subset.not_ready_addresses);
        shorten(lists, not_ready, MOST - ready);
    }
    true
}

/// Shortens lists that are `total` long together to `room`, rounding up while there is room.
fn shorten<'a>(lists: impl Iterator<Item = &'a mut Vec<Address>>, total: usize, room: usize) {
    let mut left = room;
    for list in lists {
        let share = (list.len() * room).div_ceil(total.max(1));
        list.truncate(share.min(left));
        left -= list.len();
    }
}
