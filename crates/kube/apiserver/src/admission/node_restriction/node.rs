//! What a node writes about itself.

use schema::cursor::Ref;

use super::{Judge, labels};
use crate::Answer;
use crate::admission::Operation;

impl Judge<'_> {
    /// Its own Node, without what steers pods.
    pub(super) fn node(&self) -> Answer<()> {
        let (node, name) = (self.node, self.request.name);
        self.need(name == node, || {
            format!("node {node:?} is not allowed to modify node {name:?}")
        })?;
        match self.request.operation {
            Operation::Create => self.new_node(),
            Operation::Update => self.changed_node(),
            Operation::Delete | Operation::Connect => Ok(()),
        }
    }

    fn new_node(&self) -> Answer<()> {
        let node = self.node;
        self.need(!self.written().path("spec.configSource").exists(), || {
            format!("node {node:?} is not allowed to create pods with a non-nil configSource")
        })?;
        let wrong = labels::forbidden(self.written(), Ref::nothing(self.request.types));
        self.need(wrong.is_empty(), || {
            let wrong: Vec<&str> = wrong.into_iter().collect();
            format!(
                "node {node:?} is not allowed to set the following labels: {}",
                wrong.join(", ")
            )
        })
    }

    fn changed_node(&self) -> Answer<()> {
        let (node, new, old) = (self.node, self.written(), self.old());
        let same = |path: &str| new.path(path) == old.path(path);
        let source = "spec.configSource";
        self.need(!new.path(source).exists() || same(source), || {
            format!("node {node:?} is not allowed to update configSource to a new non-nil configSource")
        })?;
        self.need(same("spec.taints"), || {
            format!("node {node:?} is not allowed to modify taints")
        })?;
        let wrong = labels::forbidden(new, old);
        self.need(wrong.is_empty(), || {
            let wrong: Vec<&str> = wrong.into_iter().collect();
            format!("is not allowed to modify labels: {}", wrong.join(", "))
        })?;
        self.need(same("metadata.ownerReferences"), || {
            format!("node {node:?} is not allowed to modify ownerReferences")
        })
    }
}
