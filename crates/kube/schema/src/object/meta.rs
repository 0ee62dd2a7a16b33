//! The part of an object's metadata that generic code works with.

/// Labels, sorted by key.
pub type Labels = Box<[(Box<str>, Box<str>)]>;

/// What the watch cache, selectors, garbage collection and preconditions need. Annotations and
/// managed fields stay in the body: they are large, and generic code does not look at them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Meta {
    /// `metadata.name`
    pub name: Box<str>,
    /// `metadata.namespace`; empty for cluster-scoped objects
    pub namespace: Box<str>,
    /// `metadata.uid`
    pub uid: Box<str>,
    /// `metadata.generation`
    pub generation: i64,
    /// `metadata.creationTimestamp`, RFC 3339; empty when absent
    pub creation_timestamp: Box<str>,
    /// `metadata.deletionTimestamp`, RFC 3339; set once deletion has begun
    pub deletion_timestamp: Option<Box<str>>,
    /// `metadata.deletionGracePeriodSeconds`
    pub deletion_grace_period_seconds: Option<i64>,
    /// `metadata.labels`
    pub labels: Labels,
    /// `metadata.ownerReferences`, in the object's order
    pub owner_references: Box<[OwnerReference]>,
    /// `metadata.finalizers`, in the object's order
    pub finalizers: Box<[Box<str>]>,
}

impl Meta {
    /// The value of a label.
    pub fn label(&self, key: &str) -> Option<&str> {
        let at = self.labels.binary_search_by(|(k, _)| (**k).cmp(key)).ok()?;
        Some(&self.labels[at].1)
    }
}

/// An owner of an object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnerReference {
    /// `apps/v1`
    pub api_version: Box<str>,
    /// `ReplicaSet`
    pub kind: Box<str>,
    /// The owner's name
    pub name: Box<str>,
    /// The owner's uid
    pub uid: Box<str>,
    /// Whether it is the managing controller
    pub controller: bool,
    /// Whether foreground deletion of the owner waits for this object
    pub block_owner_deletion: bool,
}
