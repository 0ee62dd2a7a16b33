//! `/etc/resolv.conf` of a pod: the cluster's or the node's by `dnsPolicy`, then what `dnsConfig` adds (upstream's
//! `pkg/kubelet/network/dns`). Unlike upstream's, whose options come out of a map, the order is always the same.

use std::fmt;

use kubelet::Pod;
use kubelet::pod::{DnsOption, DnsPolicy};

use super::Cluster;

/// What resolvers read, and upstream writes, at most.
const MAX_SERVERS: usize = 3;
const MAX_SEARCHES: usize = 32;
const MAX_SEARCH_CHARACTERS: usize = 2048;
const MAX_DOMAIN: usize = 253;

/// Whom to ask for names, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResolvConf {
    /// `nameserver`
    pub servers: Vec<String>,
    /// `search`
    pub searches: Vec<String>,
    /// `options`: `ndots:5`
    pub options: Vec<String>,
}

/// Something did not fit: the message of a warning `DNSConfigForming`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exceeded(pub String);

impl ResolvConf {
    /// Reads resolv.conf(5). Lines that mean nothing are passed over; the last `search` counts.
    pub fn parse(text: &str) -> Self {
        let mut parsed = Self::default();
        for line in text.lines() {
            let mut words = line.split_whitespace();
            match words.next() {
                Some("nameserver") => parsed.servers.extend(words.next().map(str::to_owned)),
                Some("search") => {
                    let domains = words.filter(|domain| *domain != ".");
                    parsed.searches = domains
                        .map(|domain| domain.trim_end_matches('.').to_owned())
                        .collect();
                }
                Some("options") => words.for_each(|option| set_option(&mut parsed.options, option)),
                _ => {}
            }
        }
        parsed
    }

    /// The one of a pod, and what did not fit into it.
    pub fn of(pod: &Pod, node: &Self, cluster: &Cluster) -> (Self, Vec<Exceeded>) {
        let spec = &pod.spec;
        let mut conf = match spec.dns_policy {
            DnsPolicy::None => Self::default(),
            DnsPolicy::ClusterFirst if spec.host_network => node.clone(),
            DnsPolicy::Default => node.clone(),
            DnsPolicy::ClusterFirst | DnsPolicy::ClusterFirstWithHostNet => {
                Self::of_cluster(&pod.namespace, node, cluster)
            }
        };
        let own = &spec.dns_config;
        conf.servers.extend(own.nameservers.iter().cloned());
        conf.searches.extend(own.searches.iter().cloned());
        own.options
            .iter()
            .map(written)
            .for_each(|option| set_option(&mut conf.options, &option));
        once_each(&mut conf.servers);
        once_each(&mut conf.searches);
        let exceeded = [conf.limit_servers(), conf.limit_searches()];
        (conf, exceeded.into_iter().flatten().collect())
    }

    fn of_cluster(namespace: &str, node: &Self, cluster: &Cluster) -> Self {
        let Some(server) = cluster.server else {
            return node.clone();
        };
        let domain = &cluster.domain;
        let own = [
            format!("{namespace}.svc.{domain}"),
            format!("svc.{domain}"),
            domain.clone(),
        ];
        Self {
            servers: vec![server.to_string()],
            searches: own.into_iter().chain(node.searches.iter().cloned()).collect(),
            options: vec!["ndots:5".to_owned()],
        }
    }

    fn limit_servers(&mut self) -> Option<Exceeded> {
        let exceeded = self.servers.len() > MAX_SERVERS;
        self.servers.truncate(MAX_SERVERS);
        exceeded.then(|| {
            Exceeded(format!(
                "Nameserver limits were exceeded, some nameservers have been omitted, the applied nameserver line is: {}",
                self.servers.join(" ")
            ))
        })
    }

    /// Some resolvers abort at a domain that is too long, so it is left out.
    fn limit_searches(&mut self) -> Option<Exceeded> {
        let before = self.searches.len();
        self.searches.truncate(MAX_SEARCHES);
        self.searches.retain(|domain| domain.len() <= MAX_DOMAIN);
        while self.searches.join(" ").len() > MAX_SEARCH_CHARACTERS {
            self.searches.pop();
        }
        (self.searches.len() < before).then(|| {
            Exceeded(format!(
                "Search Line limits were exceeded, some search paths have been omitted, the applied search line is: {}",
                self.searches.join(" ")
            ))
        })
    }
}

/// Domains, servers, options: the order in which containerd writes them.
impl fmt::Display for ResolvConf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.searches.is_empty() {
            writeln!(f, "search {}", self.searches.join(" "))?;
        }
        for server in &self.servers {
            writeln!(f, "nameserver {server}")?;
        }
        if !self.options.is_empty() {
            writeln!(f, "options {}", self.options.join(" "))?;
        }
        Ok(())
    }
}

fn written(option: &DnsOption) -> String {
    match option.value.as_deref() {
        None | Some("") => option.name.clone(),
        Some(value) => format!("{}:{value}", option.name),
    }
}

/// An option of the same name is replaced.
fn set_option(options: &mut Vec<String>, option: &str) {
    fn name(option: &str) -> &str {
        option.split(':').next().unwrap_or(option)
    }
    match options.iter_mut().find(|known| name(known) == name(option)) {
        Some(known) => option.clone_into(known),
        None => options.push(option.to_owned()),
    }
}

fn once_each(words: &mut Vec<String>) {
    let mut seen = std::collections::BTreeSet::new();
    words.retain(|word| seen.insert(word.clone()));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node() -> ResolvConf {
        ResolvConf::parse(
            "# comment\nnameserver 9.9.9.9\nsearch old\nsearch lan. . corp\noptions ndots:2 edns0\n",
        )
    }

    fn of(spec: &str) -> (String, Vec<Exceeded>) {
        let json =
            format!(r#"{{"metadata": {{"name": "p", "namespace": "x", "uid": "u"}}, "spec": {spec}}}"#);
        let cluster = Cluster {
            domain: "c.l".to_owned(),
            server: Some([10, 43, 0, 10].into()),
        };
        let (conf, exceeded) = ResolvConf::of(&Pod::parse(json.as_bytes()).unwrap(), &node(), &cluster);
        (conf.to_string(), exceeded)
    }

    #[test]
    fn each_policy_has_its_servers() {
        let cluster = "search x.svc.c.l svc.c.l c.l lan corp\nnameserver 10.43.0.10\noptions ndots:5\n";
        let host = "search lan corp\nnameserver 9.9.9.9\noptions ndots:2 edns0\n";
        let cases = [
            ("{}", cluster),
            (r#"{"hostNetwork": true}"#, host),
            (
                r#"{"hostNetwork": true, "dnsPolicy": "ClusterFirstWithHostNet"}"#,
                cluster,
            ),
            (r#"{"dnsPolicy": "Default"}"#, host),
            (
                r#"{"dnsPolicy": "None", "dnsConfig": {"nameservers": ["1.1.1.1"]}}"#,
                "nameserver 1.1.1.1\n",
            ),
        ];
        for (spec, expected) in cases {
            assert_eq!(of(spec), (expected.to_owned(), Vec::new()), "{spec}");
        }
    }

    #[test]
    fn what_a_pod_adds_comes_after_and_options_replace() {
        let spec = r#"{"dnsConfig": {"nameservers": ["1.1.1.1", "10.43.0.10"], "searches": ["mine", "lan"],
            "options": [{"name": "ndots", "value": "1"}, {"name": "debug"}]}}"#;
        let expected = "search x.svc.c.l svc.c.l c.l lan corp mine\nnameserver 10.43.0.10\nnameserver 1.1.1.1\noptions ndots:1 debug\n";
        assert_eq!(of(spec), (expected.to_owned(), Vec::new()));
    }

    #[test]
    fn what_is_too_much_is_left_out_and_told() {
        let (text, exceeded) = of(r#"{"dnsConfig": {"nameservers": ["1.1.1.1", "2.2.2.2", "3.3.3.3"]}}"#);
        assert!(!text.contains("3.3.3.3"));
        assert_eq!(
            exceeded[0].0,
            "Nameserver limits were exceeded, some nameservers have been omitted, \
             the applied nameserver line is: 10.43.0.10 1.1.1.1 2.2.2.2"
        );
        let domains: Vec<String> = (0..40).map(|at| format!("{at}{}", "d".repeat(90))).collect();
        let spec = format!(r#"{{"dnsConfig": {{"searches": {domains:?}}}}}"#);
        let (text, exceeded) = of(&spec);
        let line = text.lines().next().unwrap().strip_prefix("search ").unwrap();
        assert!(
            line.len() <= MAX_SEARCH_CHARACTERS && line.len() > 1900,
            "{}",
            line.len()
        );
        assert!(exceeded[0].0.ends_with(line));
    }
}
