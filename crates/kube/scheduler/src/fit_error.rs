//! Why no node takes a pod, in upstream's words: what `kubectl describe` shows.

use std::collections::BTreeMap;

use crate::plugins::{PluginSet, Reason};
use crate::snapshot::NodeIx;

/// What is said where there are no nodes.
const NO_NODES: &str = "no nodes available to schedule pods";

/// Why a pod waits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FitError {
    nodes: usize,
    /// Why no node at all would do; then nothing was asked of any of them.
    whole: Option<Reason>,
    counts: BTreeMap<Reason, usize>,
    plugins: PluginSet,
    /// Nodes that would do if others were not there.
    hopeful: Vec<NodeIx>,
    /// What came of pushing others out.
    after: Option<String>,
}

impl FitError {
    /// An error about so many nodes, without reasons.
    pub(crate) fn new(nodes: usize) -> Self {
        Self {
            nodes,
            ..Self::default()
        }
    }

    /// No node will do, says a plugin.
    pub(crate) fn whole(nodes: usize, plugin: usize, reason: Reason) -> Self {
        let mut error = Self {
            whole: Some(reason),
            ..Self::new(nodes)
        };
        error.plugins.insert(plugin);
        error
    }

    /// A node will not do.
    pub(crate) fn refuse(&mut self, plugin: usize, reasons: Vec<Reason>) {
        self.plugins.insert(plugin);
        self.count(reasons);
    }

    /// A node would do if others were not there.
    pub(crate) fn hope(&mut self, node: NodeIx) {
        self.hopeful.push(node);
    }

    pub(crate) fn count(&mut self, reasons: Vec<Reason>) {
        for reason in reasons {
            *self.counts.entry(reason).or_default() += 1;
        }
    }

    /// The same for so many nodes.
    pub(crate) fn count_many(&mut self, reason: Reason, nodes: usize) {
        if nodes > 0 {
            *self.counts.entry(reason).or_default() += nodes;
        }
    }

    /// Nodes that would do if others were not there.
    pub(crate) fn hopeful(&self) -> &[NodeIx] {
        &self.hopeful
    }

    /// Adds what came of pushing others out: a sentence with its full stop.
    pub(crate) fn then(&mut self, sentence: String) {
        self.after = Some(sentence);
    }

    /// The plugins that refused: what wakes the pod is asked of them. None where there are no nodes.
    pub fn plugins(&self) -> PluginSet {
        self.plugins
    }

    /// The text of the condition and of the event.
    pub fn message(&self) -> String {
        if self.nodes == 0 {
            return NO_NODES.to_owned();
        }
        let mut text = format!("0/{} nodes are available:", self.nodes);
        match &self.whole {
            Some(reason) => text += &format!(" {reason}."),
            None if self.counts.is_empty() => {}
            None => text += &format!(" {}.", self.histogram()),
        }
        if let Some(after) = &self.after {
            text += &format!(" {after}");
        }
        text
    }

    /// Sorted as texts, the number included: `10 …` comes before `2 …`.
    fn histogram(&self) -> String {
        let counts = self.counts.iter();
        let mut texts: Vec<String> = counts
            .map(|(reason, count)| format!("{count} {reason}"))
            .collect();
        texts.sort_unstable();
        texts.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(nodes: usize, counts: &[(&'static str, usize)]) -> FitError {
        let mut error = FitError::new(nodes);
        for (reason, count) in counts {
            error.count_many(Reason::Text(reason), *count);
        }
        error
    }

    #[test]
    fn messages_are_upstreams() {
        let cpu = || Reason::Insufficient("cpu".into());
        assert_eq!(error(0, &[]).message(), "no nodes available to schedule pods");
        let mut counted = error(
            15,
            &[("node(s) had untolerated taint(s)", 3), ("Too many pods", 10)],
        );
        counted.count_many(cpu(), 2);
        assert_eq!(
            counted.message(),
            "0/15 nodes are available: 10 Too many pods, 2 Insufficient cpu, 3 node(s) had untolerated taint(s)."
        );
        let mut one = error(1, &[("node(s) had untolerated taint(s)", 1)]);
        one.then(
            "no new claims to deallocate, preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling."
                .to_owned(),
        );
        assert_eq!(
            one.message(),
            "0/1 nodes are available: 1 node(s) had untolerated taint(s). no new claims to deallocate, preemption: \
             0/1 nodes are available: 1 Preemption is not helpful for scheduling."
        );
        let whole = FitError::whole(4, 0, Reason::Text("pod affinity terms conflict"));
        assert_eq!(
            whole.message(),
            "0/4 nodes are available: pod affinity terms conflict."
        );
    }
}
