//! Ports that pods take on their node.

use views::PodView;
use views::pod::HostPort;

use super::{Fit, Happened, Incoming, Plugin, Prepared};
use crate::snapshot::Snapshot;

pub(super) struct Ports;

fn collide(wanted: &PodView, taken: &[HostPort]) -> bool {
    let collides = |port: &HostPort| taken.iter().any(|other| port.collides(other));
    wanted.ports.iter().any(collides)
}

impl Plugin for Ports {
    fn name(&self) -> &'static str {
        "NodePorts"
    }

    fn prepare<'a>(&self, world: &'a Snapshot, pod: Incoming<'a>) -> Prepared<'a> {
        if pod.view.ports.is_empty() {
            return Prepared::Skip;
        }
        let taken = move |node| {
            let promised = world.nominated(node, pod.view.priority, pod.key);
            collide(pod.view, world.ports(node))
                || promised.iter().any(|other| collide(pod.view, &other.ports))
        };
        let refuse = || Fit::no("node(s) didn't have free ports for the requested pod ports");
        Prepared::Each(None, Box::new(move |node| Fit::unless(taken(node), refuse)))
    }

    fn wakes(&self, event: &Happened<'_>, pod: Incoming<'_>) -> bool {
        event.new_node()
            || event
                .gone_pod()
                .is_some_and(|gone| collide(pod.view, &gone.ports))
    }
}
