//! All filters of one pod, ready to look at nodes.

use std::collections::BTreeSet;

use crate::plugins::{Fit, Incoming, Look, Plugin, Prepared, Reason};
use crate::snapshot::{NodeIx, Snapshot};

/// What is said of a node that no alternative of a pod names.
const NOT_NAMED: Reason = Reason::Text("node(s) didn't satisfy plugin(s) [NodeAffinity]");

/// The filters that have something to say about a pod.
pub(crate) struct Filters<'a> {
    looks: Vec<(usize, Look<'a>)>,
    /// The nodes that the pod names, and the plugin that says so.
    only: Option<(usize, BTreeSet<NodeIx>)>,
}

/// What refused a node.
pub(crate) struct Refusal {
    /// The plugin's place in the list.
    pub(crate) plugin: usize,
    /// Its reasons.
    pub(crate) reasons: Vec<Reason>,
    /// Whether it would take the pod if others were not there.
    pub(crate) hopeful: bool,
}

impl<'a> Filters<'a> {
    /// Asks every plugin to prepare.
    ///
    /// # Errors
    /// The place of a plugin that refuses all nodes, and why.
    pub(crate) fn prepare(
        world: &'a Snapshot,
        plugins: &[&dyn Plugin],
        pod: Incoming<'a>,
    ) -> Result<Self, (usize, Reason)> {
        let mut filters = Self {
            looks: Vec::new(),
            only: None,
        };
        for (at, plugin) in plugins.iter().enumerate() {
            match plugin.prepare(world, pod) {
                Prepared::Skip => {}
                Prepared::All(reason) => return Err((at, reason)),
                Prepared::Each(only, look) => {
                    filters.looks.push((at, look));
                    filters.only = only.map(|only| (at, only)).or(filters.only);
                }
            }
        }
        Ok(filters)
    }

    /// Nodes that need not be looked at, for the pod names others: who says so, how many, and what is said of them.
    pub(crate) fn left_out(&self, world: &Snapshot) -> Option<(usize, usize, Reason)> {
        let (plugin, only) = self.only.as_ref()?;
        Some((*plugin, world.len() - only.len(), NOT_NAMED))
    }

    /// The nodes to look at, beginning with the `start`-th.
    pub(crate) fn nodes<'n>(
        &'n self,
        world: &'n Snapshot,
        start: usize,
    ) -> Box<dyn Iterator<Item = NodeIx> + 'n> {
        if let Some((_, only)) = &self.only {
            return Box::new(only.iter().copied());
        }
        let live = world.live();
        let (before, after) = live.split_at(start.min(live.len()));
        Box::new(after.iter().chain(before).copied())
    }

    /// Looks at a node.
    pub(crate) fn look(&self, node: NodeIx) -> Result<(), Refusal> {
        for (plugin, look) in &self.looks {
            let (reasons, hopeful) = match look(node) {
                Fit::Fits => continue,
                Fit::No(reasons) => (reasons, true),
                Fit::Never(reasons) => (reasons, false),
            };
            return Err(Refusal {
                plugin: *plugin,
                reasons,
                hopeful,
            });
        }
        Ok(())
    }
}
