//! Which names mean which containers, seen from a container. Pure.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::files::NAME_SERVER;

/// How many servers are asked at most; upstream's figure.
const SERVERS: usize = 3;

/// A container, as far as names are concerned.
#[derive(Clone, Debug, Default)]
pub(crate) struct Member {
    /// In the order in which they are asked.
    pub(crate) places: Vec<Place>,
    /// Where to ask for what is not known here.
    pub(crate) forward: Forward,
}

/// A container's place on one network.
#[derive(Clone, Debug, Default)]
pub(crate) struct Place {
    pub(crate) network: String,
    pub(crate) network_name: String,
    pub(crate) ipv4: Option<Ipv4Addr>,
    pub(crate) ipv6: Option<Ipv6Addr>,
    /// Names under which others find it; the first is the answer to a question for its address.
    pub(crate) names: Vec<String>,
    /// Names only it knows, for containers on the same network: alias, and one of the container's names.
    pub(crate) links: Vec<(String, String)>,
}

impl Place {
    fn addresses(&self) -> impl Iterator<Item = IpAddr> + use<> {
        let ipv6 = self.ipv6.map(IpAddr::V6);
        self.ipv4.map(IpAddr::V4).into_iter().chain(ipv6)
    }

    fn linked(&self, alias: &str) -> Option<&str> {
        let link = self
            .links
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(alias));
        link.map(|(_, wanted)| wanted.as_str())
    }
}

/// What to do with names that nobody here has.
#[derive(Clone, Debug, Default)]
pub(crate) struct Forward {
    pub(crate) servers: Vec<SocketAddr>,
    /// The user named the servers: they are asked from inside the container's namespace.
    pub(crate) from_inside: bool,
    /// The container has a way out; otherwise only servers that it could ask itself are asked.
    pub(crate) outside: bool,
    /// The host or the user named an `ndots`: the client goes through its search list itself, and
    /// names without a dot are not asked as they are.
    pub(crate) ndots_set: bool,
}

impl Forward {
    /// Whom to ask, one after the other.
    pub(crate) fn upstreams(&self) -> &[SocketAddr] {
        let reachable = self.from_inside || self.outside;
        let count = if reachable {
            self.servers.len().min(SERVERS)
        } else {
            0
        };
        &self.servers[..count]
    }

    /// The servers of a `resolv.conf`. The container's own is none of them: it would ask itself
    /// for ever.
    pub(crate) fn servers(addresses: &[IpAddr], from_inside: bool) -> Vec<SocketAddr> {
        let other = |address: &&IpAddr| !(from_inside && **address == IpAddr::V4(NAME_SERVER));
        addresses
            .iter()
            .filter(other)
            .map(|&address| SocketAddr::new(address, 53))
            .collect()
    }
}

/// All containers with their names.
#[derive(Debug, Default)]
pub(crate) struct Directory {
    members: BTreeMap<String, Member>,
    /// By network.
    zones: BTreeMap<String, Zone>,
}

/// Who is called what on a network. Names are in lower case.
#[derive(Debug, Default)]
struct Zone {
    names: BTreeMap<String, Vec<String>>,
    addresses: BTreeMap<IpAddr, String>,
}

impl Directory {
    /// A container is there, or has other names than before.
    pub(crate) fn put(&mut self, container: &str, member: Member) {
        self.remove(container);
        for place in &member.places {
            self.zones
                .entry(place.network.clone())
                .or_default()
                .put(container, place);
        }
        self.members.insert(container.to_owned(), member);
    }

    /// A container is gone.
    pub(crate) fn remove(&mut self, container: &str) {
        let places = self.members.remove(container).map(|member| member.places);
        for place in places.into_iter().flatten() {
            let Some(zone) = self.zones.get_mut(&place.network) else {
                continue;
            };
            zone.remove(container, &place);
            if zone.names.is_empty() {
                self.zones.remove(&place.network);
            }
        }
    }

    /// What to do with a container's names that are unknown here.
    pub(crate) fn forward(&self, container: &str) -> Forward {
        let member = self.members.get(container);
        member.map(|member| member.forward.clone()).unwrap_or_default()
    }

    /// The addresses of both families that a name (lower case, without the last dot) means to a
    /// container; `None` if nobody has it.
    ///
    /// `web.shop` is looked for as it is on all its networks, then as `web` on the network `shop`.
    /// Both names of containers and of networks may have dots, so every cut is tried.
    pub(crate) fn resolve(&self, container: &str, name: &str) -> Option<Vec<IpAddr>> {
        let member = self.members.get(container)?;
        let cuts = name
            .rmatch_indices('.')
            .map(|(dot, _)| (&name[..dot], Some(&name[dot + 1..])));
        let mut cuts = std::iter::once((name, None)).chain(cuts);
        cuts.find_map(|(host, network)| self.resolve_on(member, host, network))
    }

    /// A link means whoever has the wanted name by now, and hides the one that is really called so.
    fn resolve_on(&self, member: &Member, host: &str, network: Option<&str>) -> Option<Vec<IpAddr>> {
        let places = || {
            let named =
                |place: &&Place| network.is_none_or(|name| place.network_name.eq_ignore_ascii_case(name));
            member.places.iter().filter(named)
        };
        let linked = places().find_map(|place| Some((place, self.holders(place, place.linked(host)?)?)));
        let plain = || {
            let mut unhidden = places().filter(|place| place.linked(host).is_none());
            unhidden.find_map(|place| Some((place, self.holders(place, host)?)))
        };
        let (place, holders) = linked.or_else(plain)?;
        let places = holders
            .iter()
            .filter_map(|holder| self.place(holder, &place.network));
        Some(places.flat_map(Place::addresses).collect())
    }

    /// The containers that are called so on the network of a place.
    fn holders(&self, place: &Place, name: &str) -> Option<&Vec<String>> {
        let zone = self.zones.get(&place.network)?;
        zone.names.get(&name.to_lowercase())
    }

    fn place(&self, container: &str, network: &str) -> Option<&Place> {
        let mut places = self.members.get(container)?.places.iter();
        places.find(|place| place.network == network)
    }

    /// The name of the container with this address on one of the asking container's networks.
    pub(crate) fn reverse(&self, container: &str, address: IpAddr) -> Option<String> {
        let mut places = self.members.get(container)?.places.iter();
        places.find_map(|own| {
            let holder = self.zones.get(&own.network)?.addresses.get(&address)?;
            let name = self.place(holder, &own.network)?.names.first()?;
            Some(format!("{name}.{}", own.network_name))
        })
    }
}

impl Zone {
    fn put(&mut self, container: &str, place: &Place) {
        if place.addresses().next().is_none() {
            return;
        }
        for name in &place.names {
            let holders = self.names.entry(name.to_lowercase()).or_default();
            if !holders.iter().any(|holder| holder == container) {
                holders.push(container.to_owned());
            }
        }
        self.addresses
            .extend(place.addresses().map(|address| (address, container.to_owned())));
    }

    fn remove(&mut self, container: &str, place: &Place) {
        for name in place.names.iter().map(|name| name.to_lowercase()) {
            if let Some(holders) = self.names.get_mut(&name) {
                holders.retain(|holder| holder != container);
                if holders.is_empty() {
                    self.names.remove(&name);
                }
            }
        }
        for address in place.addresses() {
            // Somebody else may have it by now.
            if self
                .addresses
                .get(&address)
                .is_some_and(|holder| holder == container)
            {
                self.addresses.remove(&address);
            }
        }
    }
}

#[cfg(test)]
mod tests;
