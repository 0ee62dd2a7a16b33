//! `/etc/resolv.conf` of a container (resolv.conf(5)): the host's, with what the user said in its
//! place, fit for where the container is.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::NAME_SERVER;
use crate::DnsSpec;

/// The option that the embedded server needs: it is asked for every name as it is, and says
/// itself what is to be tried with a search domain.
const NDOTS: &str = "ndots:0";

/// Who is asked if the host has no servers that a container can reach: upstream's choice.
const FALLBACK_IPV4: [Ipv4Addr; 2] = [Ipv4Addr::new(8, 8, 8, 8), Ipv4Addr::new(8, 8, 4, 4)];
const FALLBACK_IPV6: [Ipv6Addr; 2] = [
    Ipv6Addr::new(0x2001, 0x4860, 0x4860, 0, 0, 0, 0, 0x8888),
    Ipv6Addr::new(0x2001, 0x4860, 0x4860, 0, 0, 0, 0, 0x8844),
];

/// A file on its way from the host into a container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ResolvConf {
    servers: Vec<IpAddr>,
    search: Vec<String>,
    options: Vec<String>,
    /// Lines that mean nothing to us and may to the container's resolver.
    other: Vec<String>,
    origin: Origin,
}

/// Where things come from: it is written into the file's comments.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Origin {
    path: String,
    transform: Option<&'static str>,
    warnings: Vec<&'static str>,
    /// Whom the embedded server asks.
    upstreams: Vec<IpAddr>,
    invalid: Vec<String>,
    overrides: Overrides,
    ndots: Option<&'static str>,
}

/// What the user said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Overrides {
    servers: bool,
    search: bool,
    options: bool,
}

impl ResolvConf {
    /// Where systemd-resolved writes the servers behind its own.
    pub(crate) const SYSTEMD_PATH: &str = "/run/systemd/resolve/resolv.conf";

    /// Reads the host's file. `path` is shown in the container's.
    pub(crate) fn parse(text: &str, path: &str) -> Self {
        let mut file = Self::default();
        path.clone_into(&mut file.origin.path);
        for line in text.lines() {
            file.read(line);
        }
        file.origin.ndots = file.has_option("ndots").then_some("host");
        file
    }

    /// Puts what the user said in the place of what the host says.
    #[must_use]
    pub(crate) fn overridden(mut self, spec: &DnsSpec) -> Self {
        if !spec.servers.is_empty() {
            self.servers.clone_from(&spec.servers);
            self.origin.overrides.servers = true;
        }
        if !spec.search.is_empty() {
            self.search = spec
                .search
                .iter()
                .filter(|domain| *domain != ".")
                .cloned()
                .collect();
            self.origin.overrides.search = true;
        }
        if !spec.options.is_empty() {
            self.options.clone_from(&spec.options);
            self.origin.overrides.options = true;
            self.origin.ndots = self.has_option("ndots").then_some("override");
        }
        self
    }

    /// The servers, as addresses that no network of containers should have.
    pub(crate) fn servers(&self) -> &[IpAddr] {
        &self.servers
    }

    /// The only server is systemd-resolved's on the host's loopback. Containers without the
    /// embedded server need the file at [`Self::SYSTEMD_PATH`] then.
    pub(crate) fn is_systemd_stub(&self) -> bool {
        self.servers == [IpAddr::V4(Ipv4Addr::new(127, 0, 0, 53))]
    }

    /// For the networks `host` and `none`: nothing is left out.
    pub(crate) fn for_host(&self) -> String {
        self.render()
    }

    /// For the network `bridge`, which has no embedded server: without servers that only the host
    /// reaches.
    pub(crate) fn for_bridge(mut self, ipv6: bool) -> String {
        self.origin.transform = Some("legacy");
        if !self.origin.overrides.servers {
            self.servers
                .retain(|server| !server.is_loopback() && (server.is_ipv4() || ipv6));
            if self.servers.is_empty() {
                self.servers = fallback(ipv6);
                self.origin.warnings.push("Used default nameservers.");
            }
        }
        self.render()
    }

    /// For user-defined networks: the embedded server is the only one, and asks the others.
    pub(crate) fn for_embedded(mut self) -> String {
        self.origin.upstreams = std::mem::replace(&mut self.servers, vec![NAME_SERVER.into()]);
        self.options.retain(|option| is_valid(option));
        if !self.has_option("ndots") {
            self.options.push(NDOTS.to_owned());
            self.origin.ndots = Some("internal");
        }
        self.origin.transform = Some("internal resolver");
        if self.origin.upstreams.is_empty() {
            self.origin.warnings.push("NO EXTERNAL NAMESERVERS DEFINED");
        }
        self.render()
    }

    /// Whether there is an option of this name.
    pub(crate) fn has_option(&self, name: &str) -> bool {
        self.options.iter().any(|option| key(option) == name)
    }

    fn read(&mut self, line: &str) {
        let mut fields = line.split_whitespace();
        let Some(keyword) = fields.next().filter(|first| !first.starts_with(['#', ';'])) else {
            return;
        };
        let values: Vec<_> = fields.map(str::to_owned).collect();
        match (keyword, values.first()) {
            ("nameserver" | "domain" | "search" | "options", None) => {}
            ("nameserver", Some(server)) => match server.parse() {
                Ok(server) => self.servers.push(server),
                Err(_) => self.origin.invalid.push(server.clone()),
            },
            ("domain" | "search", _) => self.search = values,
            ("options", _) => self.options.extend(values),
            _ => self.other.push(line.to_owned()),
        }
    }

    fn render(&self) -> String {
        let mut text = HEADER.to_owned();
        let mut line = |line: String| {
            text.push_str(&line);
            text.push('\n');
        };
        self.servers
            .iter()
            .for_each(|server| line(format!("nameserver {server}")));
        for (keyword, values) in [("search", &self.search), ("options", &self.options)] {
            if !values.is_empty() {
                line(format!("{keyword} {}", values.join(" ")));
            }
        }
        self.other.iter().for_each(|other| line(other.clone()));
        self.origin.comments().into_iter().for_each(line);
        text
    }
}

/// Upstream's words: tools look for them to see who wrote the file.
const HEADER: &str = "# Generated by Docker Engine.\n\
                      # This file can be edited; Docker Engine will not make further changes once it\n\
                      # has been modified.\n\n";

impl Origin {
    fn comments(&self) -> Vec<String> {
        let transform = self
            .transform
            .map(|name| format!(" ({name})"))
            .unwrap_or_default();
        let mut lines = vec![
            String::new(),
            format!("# Based on host file: '{}'{transform}", self.path),
        ];
        lines.extend(self.warnings.iter().map(|warning| format!("# {warning}")));
        let upstreams: Vec<_> = self
            .upstreams
            .iter()
            .map(|server| self.describe(server))
            .collect();
        if !upstreams.is_empty() {
            lines.push(format!("# ExtServers: [{}]", upstreams.join(" ")));
        }
        if !self.invalid.is_empty() {
            lines.push(format!("# Invalid nameservers: [{}]", self.invalid.join(" ")));
        }
        lines.push(format!("# Overrides: [{}]", self.overrides.names().join(" ")));
        lines.extend(self.ndots.map(|origin| format!("# Option ndots from: {origin}")));
        lines
    }

    /// The host's servers are asked from the host, the user's from inside the container.
    fn describe(&self, server: &IpAddr) -> String {
        if self.overrides.servers {
            server.to_string()
        } else {
            format!("host({server})")
        }
    }
}

impl Overrides {
    fn names(self) -> Vec<&'static str> {
        let all = [
            (self.servers, "nameservers"),
            (self.search, "search"),
            (self.options, "options"),
        ];
        all.into_iter()
            .filter_map(|(is, name)| is.then_some(name))
            .collect()
    }
}

fn fallback(ipv6: bool) -> Vec<IpAddr> {
    let six = FALLBACK_IPV6
        .iter()
        .filter(|_| ipv6)
        .map(|&address| address.into());
    FALLBACK_IPV4
        .iter()
        .map(|&address| address.into())
        .chain(six)
        .collect()
}

/// `ndots` of `ndots:1`.
fn key(option: &str) -> &str {
    option.split_once(':').map_or(option, |(key, _)| key)
}

/// An `ndots` that is no number would hide the one that the embedded server needs.
fn is_valid(option: &str) -> bool {
    let number = || {
        option
            .split_once(':')
            .is_some_and(|(_, value)| value.parse::<u32>().is_ok())
    };
    key(option) != "ndots" || number()
}

#[cfg(test)]
mod tests;
