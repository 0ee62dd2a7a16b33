//! Registries whose certificates nobody checks, and which may speak without TLS: Docker's `insecure-registries`.

use std::net::IpAddr;
use std::path::Path;

use super::{ConfigError, address};

/// Hosts and networks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Insecure {
    hosts: Vec<String>,
    pub(crate) networks: Vec<Network>,
}

impl Default for Insecure {
    /// The loopback: whoever listens there is on this machine.
    fn default() -> Self {
        let loopback = [
            Network::new(IpAddr::from([127, 0, 0, 0]), 8),
            Network::new(IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1_u16]), 128),
        ];
        Self {
            hosts: vec!["localhost".to_owned()],
            networks: loopback.to_vec(),
        }
    }
}

impl Insecure {
    /// With these beside the loopback: `HOST`, `HOST:PORT` or `ADDRESS/BITS`.
    pub(crate) fn parse(entries: &[String]) -> Result<Self, ConfigError> {
        let mut all = Self::default();
        for (at, entry) in entries.iter().enumerate() {
            let wrong = |problem: &str| ConfigError {
                file: Path::new("insecure-registries").to_owned(),
                key: format!("[{at}]"),
                problem: format!("{entry:?} {problem}"),
            };
            let bare = ["http://", "https://"]
                .iter()
                .find_map(|scheme| entry.strip_prefix(scheme));
            let entry = bare.unwrap_or(entry).trim_end_matches('/');
            if let Some(network) = Network::parse(entry) {
                all.networks.push(network);
            } else if entry.contains('/') || address::parse(entry).is_err() {
                return Err(wrong(
                    "is neither HOST, HOST:PORT nor a network such as 10.0.0.0/8",
                ));
            } else {
                all.hosts.push(entry.to_ascii_lowercase());
            }
        }
        Ok(all)
    }

    /// Whether a registry (with its port, if it has one) is named, or its address lies in a network.
    pub(crate) fn names(&self, registry: &str) -> bool {
        let registry = registry.to_ascii_lowercase();
        let host = without_port(&registry);
        let named = |each: &String| *each == registry || (each == "localhost" && host == "localhost");
        let address = host.trim_matches(['[', ']']).parse();
        self.hosts.iter().any(named) || address.is_ok_and(|address| self.covers(address))
    }

    pub(crate) fn covers(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(address))
    }
}

/// A registry's name without its port.
pub(crate) fn without_port(registry: &str) -> &str {
    match registry.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|digit| digit.is_ascii_digit()) => host,
        _ => registry,
    }
}

/// Addresses that begin with the same bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Network {
    address: IpAddr,
    bits: u8,
}

impl Network {
    const fn new(address: IpAddr, bits: u8) -> Self {
        Self { address, bits }
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (address, bits) = text.split_once('/')?;
        let address: IpAddr = address.parse().ok()?;
        let bits: u8 = bits.parse().ok()?;
        let width = if address.is_ipv4() { 32 } else { 128 };
        (bits <= width).then_some(Self { address, bits })
    }

    pub(crate) fn contains(self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                let differ = u32::from(network) ^ u32::from(address);
                u32::from(self.bits) <= differ.leading_zeros()
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                let differ = u128::from(network) ^ u128::from(address);
                u32::from(self.bits) <= differ.leading_zeros()
            }
            _ => false,
        }
    }
}
