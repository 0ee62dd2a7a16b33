//! Which objects belong to which node.
//!
//! Edges lead from what a pod needs to its node, counted, since several pods may need the same; and from a volume and its
//! secrets to the claim that it is bound to, which is looked up when somebody asks.

use std::collections::{BTreeMap, HashMap};

use super::{PodRefs, VolumeRefs};

/// Kinds of objects that are given one by one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// `pods`
    Pod,
    /// `secrets`
    Secret,
    /// `configmaps`
    ConfigMap,
    /// `serviceaccounts`
    Account,
    /// `persistentvolumeclaims`
    Claim,
    /// `resourceclaims`
    ResourceClaim,
    /// `persistentvolumes`
    Volume,
    /// `volumeattachments`
    VolumeAttachment,
    /// `resourceslices`
    ResourceSlice,
}

type Vertex = (Kind, String, String);

/// How many pods (or objects) lead from a vertex to each node.
type Destinations = BTreeMap<String, usize>;

/// What belongs to which node. Kept true by whoever follows the objects.
#[derive(Debug, Default)]
pub struct Graph {
    pub(super) destinations: HashMap<Vertex, Destinations>,
    pods: HashMap<(String, String), PodRefs>,
    volumes: HashMap<String, VolumeRefs>,
    /// Volumes by the secrets that they name.
    pub(super) by_secret: HashMap<(String, String), Vec<String>>,
    /// What is a node's by its own word: attachments and slices.
    owned: HashMap<(Kind, String), String>,
}

impl Graph {
    /// Sets what a pod needs; none if it is gone or on no node.
    pub fn set_pod(&mut self, namespace: &str, name: &str, refs: Option<PodRefs>) {
        let key = (namespace.to_owned(), name.to_owned());
        if self.pods.get(&key) == refs.as_ref() {
            return;
        }
        if let Some(old) = self.pods.remove(&key) {
            for vertex in vertices(namespace, name, &old) {
                self.take(&vertex, &old.node);
            }
        }
        if let Some(new) = refs {
            for vertex in vertices(namespace, name, &new) {
                *self
                    .destinations
                    .entry(vertex)
                    .or_default()
                    .entry(new.node.clone())
                    .or_default() += 1;
            }
            self.pods.insert(key, new);
        }
    }

    fn take(&mut self, vertex: &Vertex, node: &str) {
        let Some(nodes) = self.destinations.get_mut(vertex) else {
            return;
        };
        if let Some(count) = nodes.get_mut(node) {
            *count -= 1;
            if *count == 0 {
                nodes.remove(node);
            }
        }
        if nodes.is_empty() {
            self.destinations.remove(vertex);
        }
    }

    /// Sets what a PersistentVolume is bound to; none if it is gone or not bound.
    pub fn set_volume(&mut self, name: &str, refs: Option<VolumeRefs>) {
        if let Some(old) = self.volumes.remove(name) {
            for secret in old.secrets {
                if let Some(volumes) = self.by_secret.get_mut(&secret) {
                    volumes.retain(|volume| volume != name);
                    if volumes.is_empty() {
                        self.by_secret.remove(&secret);
                    }
                }
            }
        }
        if let Some(new) = refs {
            for secret in &new.secrets {
                self.by_secret
                    .entry(secret.clone())
                    .or_default()
                    .push(name.to_owned());
            }
            self.volumes.insert(name.to_owned(), new);
        }
    }

    /// Sets the node that an attachment or a slice names; none if it is gone or names none.
    pub fn set_owned(&mut self, kind: Kind, name: &str, node: Option<String>) {
        let key = (kind, name.to_owned());
        match node {
            Some(node) => self.owned.insert(key, node),
            None => self.owned.remove(&key),
        };
    }

    /// Whether an object is given to a node.
    pub fn related(&self, node: &str, kind: Kind, namespace: &str, name: &str) -> bool {
        match kind {
            Kind::Volume => self.has_volume(node, name),
            Kind::VolumeAttachment | Kind::ResourceSlice => self
                .owned
                .get(&(kind, name.to_owned()))
                .is_some_and(|owner| owner == node),
            Kind::Secret => {
                let volumes = self.by_secret.get(&(namespace.to_owned(), name.to_owned()));
                self.leads(node, kind, namespace, name)
                    || volumes
                        .into_iter()
                        .flatten()
                        .any(|volume| self.has_volume(node, volume))
            }
            _ => self.leads(node, kind, namespace, name),
        }
    }

    fn leads(&self, node: &str, kind: Kind, namespace: &str, name: &str) -> bool {
        let vertex = (kind, namespace.to_owned(), name.to_owned());
        self.destinations
            .get(&vertex)
            .is_some_and(|nodes| nodes.contains_key(node))
    }

    fn has_volume(&self, node: &str, volume: &str) -> bool {
        self.volumes.get(volume).is_some_and(|refs| {
            let (namespace, name) = &refs.claim;
            self.leads(node, Kind::Claim, namespace, name)
        })
    }
}

/// Everything from which an edge leads through a pod.
fn vertices(namespace: &str, pod: &str, refs: &PodRefs) -> Vec<Vertex> {
    let named = |kind: Kind, names: &[String]| -> Vec<Vertex> {
        let vertex = |name: &String| (kind, namespace.to_owned(), name.clone());
        names.iter().filter(|name| !name.is_empty()).map(vertex).collect()
    };
    [
        named(Kind::Pod, &[pod.to_owned()]),
        named(Kind::Account, std::slice::from_ref(&refs.account)),
        named(Kind::Secret, &refs.secrets),
        named(Kind::ConfigMap, &refs.config_maps),
        named(Kind::Claim, &refs.claims),
        named(Kind::ResourceClaim, &refs.resource_claims),
    ]
    .concat()
}
