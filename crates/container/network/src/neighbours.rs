//! Living beside somebody else's firewall.
//!
//! A packet that is forwarded passes the forward chains of all tables, and one drop is enough:
//! nothing that our own table says can undo it. A marked packet or an earlier chain does not help
//! either. So where a chain on the forward hook drops what it does not know (dockerd makes
//! `ip filter FORWARD` do so, hosts do it by hand), two rules for each of our bridges, and for the
//! links of pods, go to the front of that chain: what comes from it and what goes to it is accepted
//! there. What may pass is still decided by our own table, which sees the packet as well. Where a
//! chain on the input hook does so, pods still reach the cluster's name server there, and nothing
//! else of the host.
//!
//! The rules look as `iptables` writes them, so that `iptables -S` shows them; a comment tells
//! that they are ours. They are put in when a network appears and when the kernel says that
//! somebody changed the firewall, and are taken out again with the network. Nothing is polled.
//!
//! Chains of the old `ip_tables` interface (`iptables-legacy`) are not reached this way.

use std::collections::BTreeSet;
use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use sys::netlink::{Family, Netlink};
use tokio::io::unix::AsyncFd;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use crate::naming::Naming;
use crate::wire::attribute::Messages;
use crate::wire::expression::{Expression, Meta, Register, Verdict};
use crate::wire::nftables::{self, FoundChain, HOOK_FORWARD, HOOK_INPUT, INET, IPV4, IPV6, Place, kind};

/// The group that hears of changes (`NFNLGRP_NFTABLES`), as a bit.
const CHANGES: u32 = 1 << 6;
/// Somebody who writes a firewall writes many rules: one look afterwards is enough.
const SETTLE: Duration = Duration::from_millis(50);

/// What other people's chains are to let through.
#[derive(Clone, Debug, Default)]
pub(crate) struct Open {
    /// The bridges of networks.
    pub(crate) bridges: Vec<String>,
    /// Pods, and the name server that they ask.
    pub(crate) names_of_pods: Option<Ipv4Addr>,
}

/// Rules of ours for one link or several, with the comment by which they are known again.
struct Opening {
    hook: u32,
    /// The link's name with its NUL, or what the names of links begin with, as `iptables` compares
    /// them.
    links: Vec<u8>,
    /// Only to this address.
    to: Option<Ipv4Addr>,
    comment: String,
}

impl Open {
    fn openings(&self, naming: &Naming) -> Vec<Opening> {
        let bridge = |name: &String| Opening {
            hook: HOOK_FORWARD,
            links: [name.as_bytes(), &[0]].concat(),
            to: None,
            comment: naming.comment(name),
        };
        let pods = |hook, to| Opening {
            hook,
            links: naming.pods().into_bytes(),
            to,
            comment: naming.comment(&format!("{}+", naming.pods())),
        };
        let of_pods = self
            .names_of_pods
            .map(|dns| [pods(HOOK_FORWARD, None), pods(HOOK_INPUT, Some(dns))]);
        let bridges = self.bridges.iter().map(bridge);
        bridges.chain(of_pods.into_iter().flatten()).collect()
    }
}

impl Opening {
    /// As a chain of this family has them.
    fn rules(&self, family: u8) -> Vec<Vec<Expression>> {
        let accept = |end, more: &[Expression]| {
            let link = [
                Expression::Meta(end, Register(0)),
                Expression::Equal(Register(0), self.links.clone()),
            ];
            [
                &link[..],
                more,
                &[Expression::Counter, Expression::Verdict(Verdict::Accept)],
            ]
            .concat()
        };
        match (self.to, family) {
            (None, _) => vec![accept(Meta::InputName, &[]), accept(Meta::OutputName, &[])],
            (Some(_), IPV6) => Vec::new(),
            (Some(to), family) => vec![accept(Meta::InputName, &destination(to, family))],
        }
    }
}

/// The packet goes to this address; where both families come by, it is an IPv4 packet.
fn destination(to: Ipv4Addr, family: u8) -> Vec<Expression> {
    let mut expressions = vec![
        Expression::Network {
            offset: 16,
            length: 4,
            to: Register(0),
        },
        Expression::Equal(Register(0), to.octets().to_vec()),
    ];
    if family == INET {
        let ipv4 = [
            Expression::Meta(Meta::Family, Register(0)),
            Expression::Equal(Register(0), vec![IPV4]),
        ];
        expressions.splice(0..0, ipv4);
    }
    expressions
}

/// Brings other people's chains up to date: they let this through, and nothing else of ours. Two
/// attempts: somebody else may be changing them too.
pub(crate) fn update(naming: &Naming, open: &Open) {
    let openings = open.openings(naming);
    let attempt = || {
        Netlink::open(Family::Netfilter).and_then(|mut netlink| reconcile(&mut netlink, naming, &openings))
    };
    if let Err(error) = attempt().or_else(|_| attempt()) {
        tracing::warn!(%error, "the host's firewall may drop what containers send and receive");
    }
}

fn reconcile(netlink: &mut Netlink, naming: &Naming, openings: &[Opening]) -> io::Result<()> {
    for chain in chains(netlink)? {
        let Some(hook) = chain
            .hook
            .filter(|hook| [HOOK_FORWARD, HOOK_INPUT].contains(hook))
        else {
            continue;
        };
        if chain.place.table == naming.table() && chain.place.family == INET {
            continue;
        }
        let wanted = openings
            .iter()
            .filter(|opening| chain.drops && opening.hook == hook);
        adjust(netlink, naming, &chain.place, &wanted.collect::<Vec<_>>())?;
    }
    Ok(())
}

fn chains(netlink: &mut Netlink) -> io::Result<Vec<FoundChain>> {
    let mut messages = Messages::new();
    messages.get_chains();
    let mut found = Vec::new();
    netlink.dump(&mut messages.0, |_, payload| {
        found.extend(nftables::chain(payload));
    })?;
    found.retain(|chain| [INET, IPV4, IPV6].contains(&chain.place.family));
    Ok(found)
}

/// Puts our rules into one chain where they are missing and takes out what is too much.
fn adjust(netlink: &mut Netlink, naming: &Naming, place: &Place, openings: &[&Opening]) -> io::Result<()> {
    let ours = rules(netlink, naming, place)?;
    let wanted: BTreeSet<_> = openings.iter().map(|opening| &opening.comment).collect();
    let there: BTreeSet<_> = ours.iter().map(|(_, comment)| comment.clone()).collect();
    let mut messages = Messages::begin();
    let empty = messages.0.len();
    for (handle, comment) in &ours {
        if !wanted.contains(comment) {
            messages.delete_rule(place, *handle);
        }
    }
    for opening in openings
        .iter()
        .filter(|opening| !there.contains(&opening.comment))
    {
        for rule in opening.rules(place.family) {
            messages.insert_rule(place, &rule, &opening.comment);
        }
    }
    if messages.0.len() == empty {
        Ok(())
    } else {
        netlink.transaction(&mut messages.end().0)
    }
}

fn rules(netlink: &mut Netlink, naming: &Naming, place: &Place) -> io::Result<Vec<(u64, String)>> {
    let mut messages = Messages::new();
    messages.get_rules(place);
    let mark = naming.comment_mark();
    let mut found = Vec::new();
    netlink.dump(&mut messages.0, |_, payload| {
        found.extend(nftables::rule(payload));
    })?;
    let commented = found
        .into_iter()
        .filter_map(|(handle, comment)| Some((handle, comment?)));
    Ok(commented
        .filter(|(_, comment)| comment.starts_with(&mark))
        .collect())
}

#[expect(
    deprecated,
    reason = "its successor is unsafe, for types whose descriptor may change; a Netlink has one for life"
)]
/// Calls `changed` after somebody has changed a firewall, or taken our own table away (`nft flush
/// ruleset` does, with which most firewalls begin). What only touches elements of sets, and the rest
/// of our own table, is nobody's firewall.
pub(crate) fn watch(
    naming: &Naming,
    runtime: &Handle,
    changed: Arc<dyn Fn() + Send + Sync>,
) -> io::Result<JoinHandle<()>> {
    let _context = runtime.enter();
    let socket = AsyncFd::new(Netlink::listen(Family::Netfilter, CHANGES)?)?;
    let table = naming.table().to_owned();
    Ok(runtime.spawn(listen(socket, table, changed)))
}

async fn listen(mut socket: AsyncFd<Netlink>, table: String, changed: Arc<dyn Fn() + Send + Sync>) {
    loop {
        let Ok(mut guard) = socket.readable_mut().await else {
            return;
        };
        let mut relevant = false;
        let read = guard.try_io(|socket| {
            socket
                .get_mut()
                .notifications(|kind, payload| relevant |= concerns(kind, payload, &table))
        });
        // Lost notifications (ENOBUFS) may have been of interest.
        relevant |= matches!(read, Ok(Err(_)));
        if relevant {
            tokio::time::sleep(SETTLE).await;
            changed();
        }
    }
}

fn concerns(message: u16, payload: &[u8], own: &str) -> bool {
    let firewall = [
        kind::NEW_CHAIN,
        kind::DELETE_CHAIN,
        kind::DELETE_RULE,
        kind::NEW_TABLE,
        kind::DELETE_TABLE,
    ];
    let ours = || nftables::table_of(payload).is_some_and(|table| table == own);
    firewall.contains(&message) && (message == kind::DELETE_TABLE || !ours())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_changes_and_elements_are_nobodys_firewall() {
        let mut messages = Messages::new();
        messages.add_table("other");
        let payload = &messages.0[16..];
        assert!(concerns(kind::NEW_TABLE, payload, "gantry"));
        assert!(!concerns(kind::NEW_TABLE, payload, "other"));
        assert!(concerns(kind::DELETE_TABLE, payload, "other"));
        assert!(!concerns(kind::NEW_ELEMENT, payload, "gantry"));
    }
}
