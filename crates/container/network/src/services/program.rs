//! From frontends and backends to elements of the table, and from a change to a difference. Pure.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use super::{Balanced, Frontend, ServiceChange, Unanswered};
use crate::Protocol;
use crate::conversations::Forgotten;
use crate::table::{self, Balancer, Change, Elements, Services};
use crate::wire::nftables::Element;

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
    /// What an earlier process has left, by set and key, until the first change says what becomes
    /// of it.
    inherited: BTreeMap<Place, Element>,
}

/// A set, and a key in it.
type Place = (&'static str, Vec<u8>);

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
    /// What is inherited no more.
    settled: Vec<Place>,
}

impl Known {
    /// An earlier process has left these.
    pub(crate) fn inherit(&mut self, services: Services) {
        self.balancers = services
            .balancers()
            .into_iter()
            .map(|balancer| (balancer, 0))
            .collect();
        let place = |(set, element): (&'static str, Element)| ((set, element.key.clone()), element);
        self.inherited = services.0.into_iter().map(place).collect();
    }

    /// All that the table is to have of them. Chains that nobody goes to are made when they are
    /// wanted again.
    pub(crate) fn all(&mut self) -> Services {
        let known = self
            .frontends
            .iter()
            .flat_map(|(frontend, balanced)| elements(*frontend, balanced));
        let left = self
            .inherited
            .iter()
            .map(|((set, _), element)| (*set, element.clone()));
        let services = Services(known.chain(left).collect());
        let there = services.balancers();
        self.balancers.retain(|balancer, _| there.contains(balancer));
        services
    }

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
        step.settle(&self.inherited);
        step.chains(&self.balancers);
        step
    }

    /// Behind a change that said all there is: what is still inherited goes, and the chains that it
    /// went to.
    pub(super) fn forget_inherited(&self) -> Option<Step> {
        let unused = |(balancer, count): (&Balancer, &usize)| {
            (*count == 0 && balancer.affinity.is_some()).then_some(*balancer)
        };
        let gone: Vec<_> = self.balancers.iter().filter_map(unused).collect();
        if self.inherited.is_empty() && gone.is_empty() {
            return None;
        }
        let remove = self
            .inherited
            .iter()
            .map(|((set, _), element)| (*set, element.clone()));
        let change = Change {
            remove: remove.collect(),
            gone,
            ..Change::default()
        };
        Some(Step {
            change,
            settled: self.inherited.keys().cloned().collect(),
            ..Step::default()
        })
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
        for place in &step.settled {
            self.inherited.remove(place);
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

    /// What is inherited is not added once more, and gives way to what is different.
    fn settle(&mut self, inherited: &BTreeMap<Place, Element>) {
        let (settled, remove) = (&mut self.settled, &mut self.change.remove);
        self.change.add.retain(|(set, element)| {
            let place = (*set, element.key.clone());
            let Some(there) = inherited.get(&place) else {
                return true;
            };
            settled.push(place);
            let different = there != element;
            if different {
                remove.push((set, there.clone()));
            }
            different
        });
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
