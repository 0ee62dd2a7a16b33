//! Host ports of published ports: who has which, and a bound socket for each.
//!
//! The socket makes the kernel refuse the port to everybody else, and serves those clients that
//! redirection cannot (see [`crate::proxy`]). One dual-stack socket stands for "all addresses".

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, ipproto, sockopt};
use serde::{Deserialize, Serialize};

use crate::{HostPort, Protocol};

/// A published port as it was bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Published {
    pub(crate) protocol: Protocol,
    pub(crate) container_port: u16,
    /// The address; unspecified for all of its family.
    pub(crate) host: IpAddr,
    /// All addresses of both families.
    pub(crate) dual: bool,
    pub(crate) port: u16,
}

impl Published {
    /// Where it is reached, as `inspect` shows it.
    pub(crate) fn places(&self) -> Vec<HostPort> {
        let place = |ip| HostPort { ip, port: self.port };
        let mut places = vec![place(self.host)];
        if self.dual {
            places.push(place(Ipv6Addr::UNSPECIFIED.into()));
        }
        places
    }
}

/// Which ports containers have. Pure.
#[derive(Debug, Default)]
pub(crate) struct Taken {
    ports: BTreeMap<(Protocol, u16), Vec<IpAddr>>,
    /// Where the search for a free port goes on, as upstream's does.
    next: BTreeMap<Protocol, u16>,
}

impl Taken {
    /// Takes a port on these addresses; the address in the way if one is taken.
    pub(crate) fn take(&mut self, protocol: Protocol, port: u16, places: &[IpAddr]) -> Result<(), IpAddr> {
        let taken = self.ports.entry((protocol, port)).or_default();
        if let Some(place) = places
            .iter()
            .find(|place| taken.iter().any(|other| clash(*other, **place)))
        {
            return Err(*place);
        }
        taken.extend(places);
        Ok(())
    }

    /// Gives a port back.
    pub(crate) fn release(&mut self, published: &Published) {
        let key = (published.protocol, published.port);
        let Some(taken) = self.ports.get_mut(&key) else {
            return;
        };
        for place in published.places() {
            if let Some(at) = taken.iter().position(|other| *other == place.ip) {
                taken.swap_remove(at);
            }
        }
        if taken.is_empty() {
            self.ports.remove(&key);
        }
    }

    /// The ports of a range in the order in which they are to be tried: behind the last one that
    /// was chosen.
    pub(crate) fn candidates(
        &self,
        protocol: Protocol,
        (first, last): (u16, u16),
    ) -> impl Iterator<Item = u16> + use<> {
        let next = self.next.get(&protocol).copied().unwrap_or(first);
        let start = if (first..=last).contains(&next) {
            next
        } else {
            first
        };
        (start..=last).chain(first..start)
    }

    /// The port was chosen from the range for choosing.
    pub(crate) fn chosen(&mut self, protocol: Protocol, port: u16) {
        self.next.insert(protocol, port.wrapping_add(1));
    }
}

fn clash(a: IpAddr, b: IpAddr) -> bool {
    a == b || (a.is_ipv4() == b.is_ipv4() && (a.is_unspecified() || b.is_unspecified()))
}

/// A socket that holds a port: listening, for TCP. Nothing for SCTP on a kernel without it, where
/// nobody else could use the port either.
pub(crate) fn bind(published: &Published) -> rustix::io::Result<Option<OwnedFd>> {
    let host = if published.dual {
        Ipv6Addr::UNSPECIFIED.into()
    } else {
        published.host
    };
    let family = if host.is_ipv4() {
        AddressFamily::INET
    } else {
        AddressFamily::INET6
    };
    let (kind, protocol) = match published.protocol {
        Protocol::Tcp => (SocketType::STREAM, ipproto::TCP),
        Protocol::Udp => (SocketType::DGRAM, ipproto::UDP),
        Protocol::Sctp => (SocketType::STREAM, ipproto::SCTP),
    };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = match rustix::net::socket_with(family, kind, flags, Some(protocol)) {
        Err(Errno::PROTONOSUPPORT | Errno::SOCKTNOSUPPORT) if published.protocol == Protocol::Sctp => {
            return Ok(None);
        }
        other => other?,
    };
    if host.is_ipv6() {
        sockopt::set_ipv6_v6only(&socket, !published.dual)?;
    }
    if published.protocol == Protocol::Tcp {
        // Without it, connections of a former owner that are still closing keep the port.
        sockopt::set_socket_reuseaddr(&socket, true)?;
    }
    rustix::net::bind(&socket, &SocketAddr::new(host, published.port))?;
    if published.protocol == Protocol::Tcp {
        rustix::net::listen(&socket, 128)?;
    }
    Ok(Some(socket))
}

/// Whether a dual-stack socket can be had.
pub(crate) fn has_ipv6() -> bool {
    rustix::net::socket(AddressFamily::INET6, SocketType::DGRAM, None).is_ok() && crate::links::has_ipv6()
}

/// The range that ports are chosen from (`net.ipv4.ip_local_port_range`).
pub(crate) fn ephemeral() -> (u16, u16) {
    let text = crate::links::sysctl("net.ipv4.ip_local_port_range").unwrap_or_default();
    let mut numbers = text.split_whitespace().filter_map(|number| number.parse().ok());
    numbers
        .next()
        .zip(numbers.next())
        .filter(|(first, last)| first < last)
        .unwrap_or((32_768, 60_999))
}

/// The address that stands for all of IPv4.
pub(crate) const ANY4: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

#[cfg(test)]
mod tests {
    use super::*;

    fn published(host: &str, dual: bool, port: u16) -> Published {
        Published {
            protocol: Protocol::Tcp,
            container_port: 80,
            host: host.parse().unwrap(),
            dual,
            port,
        }
    }

    #[test]
    fn a_port_is_taken_once_on_an_address() {
        let mut taken = Taken::default();
        let ips = |published: &Published| {
            published
                .places()
                .iter()
                .map(|place| place.ip)
                .collect::<Vec<_>>()
        };
        let mut take = |published: Published| {
            taken
                .take(Protocol::Tcp, published.port, &ips(&published))
                .is_ok()
        };
        assert!(take(published("127.0.0.1", false, 80)));
        assert!(take(published("10.0.0.1", false, 80)));
        assert!(!take(published("0.0.0.0", true, 80)));
        assert!(take(published("::", false, 80)));
        assert!(!take(published("::1", false, 80)));
        taken.release(&published("127.0.0.1", false, 80));
        taken.release(&published("10.0.0.1", false, 80));
        taken.release(&published("::", false, 80));
        assert!(taken.ports.is_empty());
    }

    #[test]
    fn a_free_port_is_searched_for_behind_the_last() {
        let mut taken = Taken::default();
        let order = |taken: &Taken| taken.candidates(Protocol::Udp, (10, 13)).collect::<Vec<_>>();
        assert_eq!(order(&taken), [10, 11, 12, 13]);
        taken.chosen(Protocol::Udp, 11);
        assert_eq!(order(&taken), [12, 13, 10, 11]);
        taken.chosen(Protocol::Udp, 13);
        assert_eq!(order(&taken), [10, 11, 12, 13]);
    }
}
