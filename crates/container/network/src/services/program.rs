//! From frontends and backends to elements of the table, and from a change to a difference. Pure.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use super::conversations::Forgotten;
use super::{Balanced, Frontend, ServiceChange, Unanswered};
use crate::Protocol;
use crate::table::{self, Balancer, Change, Elements};

/// Most elements that one transaction changes, give or take one frontend's.
const BURST: usize = 20_000;
/// The longest that a client is remembered.
const DAY: u64 = 86_400;

/// The frontends as the table has them.
#[derive(Debug, Default)]
pub(crate) struct Known {
    frontends: BTreeMap<Frontend, Balanced>,
    /// How many frontends go to each chain that is there.
    balancers: BTreeMap<Balancer, usize>,
}

/// What is to become of each frontend; `None` goes.
pub(super) type Waiting = VecDeque<(Frontend, Option<Balanced>)>;

/// One transaction, and what follows it.
#[derive(Debug, Default)]
pub(super) struct Step {
    pub(super) change: Change,
    pub(super) forgotten: Vec<Forgotten>,
    frontends: Vec<(Frontend, Option<Balanced>)>,
    /// How many frontends more or less go to a chain.
    balancers: BTreeMap<Balancer, isize>,
}

impl Known {
    /// What is different from what is known, frontend by frontend.
    pub(super) fn changes(&self, change: &ServiceChange, dns: Ipv4Addr) -> Waiting {
        let mut all: BTreeMap<Frontend, Option<&Balanced>> = BTreeMap::new();
        if change.whole {
            all.extend(self.frontends.keys().map(|frontend| (*frontend, None)));
        }
        all.extend(change.remove.iter().map(|frontend| (*frontend, None)));
        all.extend(
            change
                .set
                .iter()
                .map(|(frontend, balanced)| (*frontend, Some(balanced))),
        );
        let news = |(frontend, balanced): &(Frontend, Option<&Balanced>)| {
            self.frontends.get(frontend) != *balanced && frontend.ip() != Some(dns)
        };
        let owned = |(frontend, balanced): (Frontend, Option<&Balanced>)| (frontend, balanced.cloned());
        all.into_iter().filter(news).map(owned).collect()
    }

    /// Takes as many frontends as go into one transaction.
    pub(super) fn plan(&self, waiting: &mut Waiting) -> Step {
        let mut step = Step::default();
        while step.change.size() < BURST
            && let Some((frontend, balanced)) = waiting.pop_front()
        {
            step.add(frontend, self.frontends.get(&frontend), balanced);
        }
        step.chains(&self.balancers);
        step
    }

    /// The step was carried out.
    pub(super) fn done(&mut self, step: Step) {
        for (frontend, balanced) in step.frontends {
            match balanced {
                Some(balanced) => drop(self.frontends.insert(frontend, balanced)),
                None => drop(self.frontends.remove(&frontend)),
            }
        }
        for (balancer, more) in step.balancers {
            let count = self.balancers.entry(balancer).or_default();
            *count = count.saturating_add_signed(more);
        }
        for gone in &step.change.gone {
            self.balancers.remove(gone);
        }
    }
}

impl Step {
    fn add(&mut self, frontend: Frontend, old: Option<&Balanced>, new: Option<Balanced>) {
        let elements = |balanced: Option<&Balanced>| {
            let list = balanced.map(|balanced| elements(frontend, balanced));
            list.into_iter().flatten().collect::<BTreeSet<_>>()
        };
        let (before, after) = (elements(old), elements(new.as_ref()));
        self.change.remove.extend(before.difference(&after).cloned());
        self.change.add.extend(after.difference(&before).cloned());
        let mut count = |balanced: Option<&Balanced>, more| {
            let balancer = balanced.and_then(|balanced| balancer(frontend, balanced));
            balancer
                .into_iter()
                .for_each(|balancer| *self.balancers.entry(balancer).or_default() += more);
        };
        count(old, -1);
        count(new.as_ref(), 1);
        self.forgotten.extend(forgotten(frontend, old, new.as_ref()));
        self.frontends.push((frontend, new));
    }

    /// Chains that are needed and not there, and chains that nobody goes to any more. Those without
    /// a memory are few and stay: a service that rolls goes through the same numbers again.
    fn chains(&mut self, there: &BTreeMap<Balancer, usize>) {
        for (balancer, more) in &self.balancers {
            let before = there.get(balancer).copied();
            let after = before.unwrap_or(0).saturating_add_signed(*more);
            if before.is_none() && after > 0 {
                self.change.new.push(*balancer);
            } else if before.is_some() && after == 0 && balancer.affinity.is_some() {
                self.change.gone.push(*balancer);
            }
        }
    }
}

impl Frontend {
    pub(super) const fn ip(&self) -> Option<Ipv4Addr> {
        match self {
            Self::Address { ip, .. } => Some(*ip),
            Self::NodePort { .. } => None,
        }
    }

    pub(super) const fn transport(&self) -> (Protocol, u16) {
        match self {
            Self::Address { protocol, port, .. } | Self::NodePort { protocol, port } => (*protocol, *port),
        }
    }
}

fn balancer(frontend: Frontend, balanced: &Balanced) -> Option<Balancer> {
    let backends = u32::try_from(balanced.backends.len()).unwrap_or(u32::MAX);
    (backends > 0).then_some(Balancer {
        node_port: frontend.ip().is_none(),
        backends,
        affinity: balanced.affinity.map(seconds),
    })
}

fn seconds(time: Duration) -> u32 {
    u32::try_from(time.as_secs().clamp(1, DAY)).unwrap_or(1)
}

fn elements(frontend: Frontend, balanced: &Balanced) -> Elements {
    let (ip, (protocol, port)) = (frontend.ip(), frontend.transport());
    let key = table::frontend(ip.unwrap_or(Ipv4Addr::UNSPECIFIED), protocol, port);
    let Some(balancer) = balancer(frontend, balanced) else {
        return vec![table::unanswered(key, balanced.none == Unanswered::Drop)];
    };
    let mut elements = vec![if ip.is_some() {
        table::service(key.clone(), &balancer)
    } else {
        table::node_port(protocol, port, &balancer)
    }];
    let backends = (0..).zip(balanced.backends.iter());
    elements.extend(backends.map(|(index, backend)| table::backend(&key, index, *backend)));
    if balancer.affinity.is_some() {
        let members = balanced.backends.iter();
        elements.extend(members.map(|backend| table::member(&key, *backend)));
    }
    if balanced.elsewhere {
        elements.push(table::elsewhere(key));
    }
    elements
}

/// What the kernel must forget of UDP: the way to backends that are gone, and that there was none.
fn forgotten(frontend: Frontend, old: Option<&Balanced>, new: Option<&Balanced>) -> Vec<Forgotten> {
    let (Protocol::Udp, port) = frontend.transport() else {
        return Vec::new();
    };
    let backends = |balanced: Option<&Balanced>| -> BTreeSet<SocketAddrV4> {
        balanced
            .iter()
            .flat_map(|balanced| balanced.backends.iter().copied())
            .collect()
    };
    let (before, after) = (backends(old), backends(new));
    let ip = frontend.ip();
    if before.is_empty() && !after.is_empty() {
        return vec![Forgotten {
            ip,
            port,
            backend: None,
        }];
    }
    let gone = before.difference(&after);
    gone.map(|backend| Forgotten {
        ip,
        port,
        backend: Some(*backend),
    })
    .collect()
}

#[cfg(test)]
mod tests;
