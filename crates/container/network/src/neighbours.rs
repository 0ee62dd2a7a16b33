//! Living beside somebody else's firewall.
//!
//! A packet that is forwarded passes the forward chains of all tables, and one drop is enough:
//! nothing that our own table says can undo it. A marked packet or an earlier chain does not help
//! either. So where a chain on the forward hook drops what it does not know (dockerd makes
//! `ip filter FORWARD` do so, hosts do it by hand), two rules for each of our bridges go to the
//! front of that chain: what comes from it and what goes to it is accepted there. What may pass is
//! still decided by our own table, which sees the packet as well.
//!
//! The rules look as `iptables` writes them, so that `iptables -S` shows them; a comment tells
//! that they are ours. They are put in when a network appears and when the kernel says that
//! somebody changed the firewall, and are taken out again with the network. Nothing is polled.
//!
//! Chains of the old `ip_tables` interface (`iptables-legacy`) are not reached this way.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use sys::netlink::{Family, Netlink};
use tokio::io::unix::AsyncFd;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use crate::naming::Naming;
use crate::wire::attribute::Messages;
use crate::wire::expression::{Expression, Meta, Register, Verdict};
use crate::wire::nftables::{self, FoundChain, HOOK_FORWARD, INET, IPV4, IPV6, Place, kind};

/// The group that hears of changes (`NFNLGRP_NFTABLES`), as a bit.
const CHANGES: u32 = 1 << 6;
/// Somebody who writes a firewall writes many rules: one look afterwards is enough.
const SETTLE: Duration = Duration::from_millis(50);

/// Brings other people's forward chains up to date for these bridges, and no others. Two attempts:
/// somebody else may be changing them too.
pub(crate) fn update(naming: &Naming, bridges: &[String]) {
    let attempt =
        || Netlink::open(Family::Netfilter).and_then(|mut netlink| reconcile(&mut netlink, naming, bridges));
    if let Err(error) = attempt().or_else(|_| attempt()) {
        tracing::warn!(%error, "the host's firewall may drop what containers send and receive");
    }
}

fn reconcile(netlink: &mut Netlink, naming: &Naming, bridges: &[String]) -> io::Result<()> {
    for chain in chains(netlink)? {
        if chain.hook != Some(HOOK_FORWARD)
            || chain.place.table == naming.table() && chain.place.family == INET
        {
            continue;
        }
        let bridges = if chain.drops { bridges } else { &[] };
        adjust(netlink, naming, &chain.place, bridges)?;
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
fn adjust(netlink: &mut Netlink, naming: &Naming, place: &Place, bridges: &[String]) -> io::Result<()> {
    let ours = rules(netlink, naming, place)?;
    let wanted: BTreeSet<_> = bridges.iter().map(|bridge| naming.comment(bridge)).collect();
    let there: BTreeSet<_> = ours.iter().map(|(_, comment)| comment.clone()).collect();
    let mut messages = Messages::begin();
    let empty = messages.0.len();
    for (handle, comment) in &ours {
        if !wanted.contains(comment) {
            messages.delete_rule(place, *handle);
        }
    }
    for bridge in bridges {
        let comment = naming.comment(bridge);
        if !there.contains(&comment) {
            messages.insert_rule(place, &accept(Meta::InputName, bridge), &comment);
            messages.insert_rule(place, &accept(Meta::OutputName, bridge), &comment);
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

/// The link's name with its NUL, as `iptables` compares it.
fn accept(end: Meta, bridge: &str) -> Vec<Expression> {
    let name = [bridge.as_bytes(), &[0]].concat();
    vec![
        Expression::Meta(end, Register(0)),
        Expression::Equal(Register(0), name),
        Expression::Counter,
        Expression::Verdict(Verdict::Accept),
    ]
}

#[expect(
    deprecated,
    reason = "its successor is unsafe, for types whose descriptor may change; a Netlink has one for life"
)]
/// Calls `changed` after somebody has changed a firewall. What only touches elements of sets, and
/// our own table, is nobody's firewall.
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
    firewall.contains(&message) && nftables::table_of(payload).is_none_or(|table| table != own)
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
        assert!(!concerns(kind::NEW_ELEMENT, payload, "gantry"));
    }
}
