//! Which names mean which containers, seen from a container. Pure.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

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
    /// Names only it knows, for containers on the same network: alias and container.
    pub(crate) links: Vec<(String, String)>,
}

/// What to do with names that nobody here has.
#[derive(Clone, Debug, Default)]
pub(crate) struct Forward {
    pub(crate) servers: Vec<IpAddr>,
    /// The user named the servers: they are asked from inside the container's namespace.
    pub(crate) from_inside: bool,
    /// The container has a way out; otherwise only servers that it could ask itself are asked.
    pub(crate) outside: bool,
    /// Names without a dot are searched for before they are asked as they are.
    pub(crate) searches_first: bool,
}

/// What a name means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// These addresses, of the family asked for. None: the name exists with others.
    Addresses(Vec<IpAddr>),
    /// Nobody here has it.
    Unknown,
}

/// All containers with their names.
#[derive(Debug, Default)]
pub(crate) struct Directory {
    members: BTreeMap<String, Member>,
    /// Network and name (in lower case) to the containers that have it there.
    names: BTreeMap<(String, String), Vec<String>>,
}

impl Directory {
    /// A container is there, or has other names than before.
    pub(crate) fn put(&mut self, container: &str, member: Member) {
        self.remove(container);
        for (network, name) in names_of(&member) {
            self.names
                .entry((network, name))
                .or_default()
                .push(container.to_owned());
        }
        self.members.insert(container.to_owned(), member);
    }

    /// A container is gone.
    pub(crate) fn remove(&mut self, container: &str) {
        let Some(member) = self.members.remove(container) else {
            return;
        };
        for key in names_of(&member) {
            if let Some(holders) = self.names.get_mut(&key) {
                holders.retain(|holder| holder != container);
                if holders.is_empty() {
                    self.names.remove(&key);
                }
            }
        }
    }

    /// What to do with names that are unknown here.
    pub(crate) fn forward(&self, container: &str) -> Forward {
        self.members
            .get(container)
            .map(|member| member.forward.clone())
            .unwrap_or_default()
    }

    /// What a name means to a container: its own links first, then the names on each of its
    /// networks, also with the network's name behind (`web.shop`).
    pub(crate) fn resolve(&self, container: &str, name: &str, ipv6: bool) -> Found {
        let name = name.trim_end_matches('.').to_lowercase();
        let Some(member) = self.members.get(container) else {
            return Found::Unknown;
        };
        let holders = member
            .places
            .iter()
            .map(|place| (place, self.holders(place, &name)));
        let Some((place, holders)) = holders.into_iter().find(|(_, holders)| !holders.is_empty()) else {
            return Found::Unknown;
        };
        Found::Addresses(
            holders
                .iter()
                .filter_map(|holder| self.address(holder, &place.network, ipv6))
                .collect(),
        )
    }

    fn holders(&self, place: &Place, name: &str) -> Vec<String> {
        if let Some((_, container)) = place
            .links
            .iter()
            .find(|(alias, _)| alias.eq_ignore_ascii_case(name))
        {
            return vec![container.clone()];
        }
        let suffix = format!(".{}", place.network_name.to_lowercase());
        let names = [Some(name), name.strip_suffix(&suffix)];
        let mut holders = names
            .into_iter()
            .flatten()
            .filter_map(|name| self.names.get(&(place.network.clone(), name.to_owned())));
        holders.next().cloned().unwrap_or_default()
    }

    fn address(&self, container: &str, network: &str, ipv6: bool) -> Option<IpAddr> {
        let place = self
            .members
            .get(container)?
            .places
            .iter()
            .find(|place| place.network == network)?;
        if ipv6 {
            place.ipv6.map(IpAddr::V6)
        } else {
            place.ipv4.map(IpAddr::V4)
        }
    }

    /// The name of the container with this address on one of the asking container's networks.
    pub(crate) fn reverse(&self, container: &str, address: IpAddr) -> Option<String> {
        let asking = self.members.get(container)?;
        let shared = |place: &&Place| asking.places.iter().any(|own| own.network == place.network);
        let has = |place: &&Place| {
            place.ipv4.map(IpAddr::V4) == Some(address) || place.ipv6.map(IpAddr::V6) == Some(address)
        };
        let place = self
            .members
            .values()
            .flat_map(|member| &member.places)
            .filter(shared)
            .find(has)?;
        Some(format!("{}.{}", place.names.first()?, place.network_name))
    }
}

fn names_of(member: &Member) -> Vec<(String, String)> {
    let of = |place: &Place| {
        let network = place.network.clone();
        let mut names: Vec<_> = place.names.iter().map(|name| name.to_lowercase()).collect();
        names.sort();
        names.dedup();
        names.into_iter().map(move |name| (network.clone(), name))
    };
    member.places.iter().flat_map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(network: &str, address: u8, names: &[&str]) -> Place {
        Place {
            network: format!("{network}-id"),
            network_name: network.to_owned(),
            ipv4: Some(Ipv4Addr::new(10, 0, 0, address)),
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            ..Place::default()
        }
    }

    fn directory() -> Directory {
        let mut directory = Directory::default();
        let member = |places| Member {
            places,
            ..Member::default()
        };
        let mut asking = place("shop", 2, &["asking"]);
        asking.links = vec![("db".to_owned(), "two".to_owned())];
        directory.put("asking", member(vec![asking]));
        directory.put("one", member(vec![place("shop", 3, &["web1", "web"])]));
        directory.put("two", member(vec![place("shop", 4, &["web2", "web"])]));
        directory.put("far", member(vec![place("other", 5, &["far"])]));
        directory
    }

    fn check(name: &str, ipv6: bool, expected: Option<&[u8]>) {
        let expected = expected.map_or(Found::Unknown, |list| {
            Found::Addresses(
                list.iter()
                    .map(|last| Ipv4Addr::new(10, 0, 0, *last).into())
                    .collect(),
            )
        });
        assert_eq!(directory().resolve("asking", name, ipv6), expected, "{name}");
    }

    #[test]
    fn names_are_those_of_the_same_networks() {
        check("web1", false, Some(&[3]));
        check("WEB1.", false, Some(&[3]));
        check("web1.shop", false, Some(&[3]));
        check("web", false, Some(&[3, 4]));
        check("db", false, Some(&[4]));
        check("web1", true, Some(&[]));
        check("far", false, None);
        check("web1.other", false, None);
    }

    #[test]
    fn an_address_has_a_name_on_the_same_network() {
        let directory = directory();
        assert_eq!(
            directory
                .reverse("asking", "10.0.0.4".parse().unwrap())
                .as_deref(),
            Some("web2.shop")
        );
        assert_eq!(directory.reverse("asking", "10.0.0.5".parse().unwrap()), None);
    }

    #[test]
    fn nothing_is_left_of_a_container_that_has_gone() {
        let mut directory = directory();
        for container in ["asking", "one", "two", "far"] {
            directory.remove(container);
        }
        assert!(directory.names.is_empty() && directory.members.is_empty());
    }
}
