//! An API server for one test, on virtual time.

use std::ops::Deref;

use client::Client;
use rehearsal::{Plane, user};

/// A control plane without anybody who acts on it.
pub(crate) struct Server(Plane);

impl Deref for Server {
    type Target = Plane;

    fn deref(&self) -> &Plane {
        &self.0
    }
}

impl Server {
    pub(crate) fn open(seed: u64) -> Self {
        Self(Plane::open(seed))
    }

    /// A client with the rights of a node.
    pub(crate) fn as_node(&self, name: &str) -> Client {
        let groups = ["system:nodes", "system:authenticated"];
        self.client_as(user(&format!("system:node:{name}"), &groups), "kubelet")
    }
}
